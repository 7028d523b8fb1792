import numpy as np
import pytest

from dbp_ros.sim.robot_simulation import simulation_of
from dbp_ros.sim.simulation import Simulation


@pytest.mark.parametrize(
    ("task", "bodies"),
    [("lift", {"cube"}), ("can", {"can", "bin"}), ("transport", {"bar", "bin"})],
)
def test_the_objects_of_a_task_are_those_of_no_robot(task: str, bodies: set[str]) -> None:
    assert {shape.body for shape in Simulation(task).objects} == bodies


def test_a_cube_has_its_edges_and_its_pose() -> None:
    simulation = Simulation("lift")
    simulation.reset(3)
    [cube] = simulation.objects
    body = simulation.data.body("cube")
    np.testing.assert_allclose(cube.size, 0.04)
    np.testing.assert_allclose(cube.position, body.xpos)
    np.testing.assert_allclose(np.abs(cube.wxyz @ body.xquat), 1.0)


def test_a_can_has_its_diameter_and_height_and_no_hidden_stripes() -> None:
    can = [shape for shape in Simulation("can").objects if shape.body == "can"]
    np.testing.assert_allclose(can[0].size, [0.066, 0.066, 0.1])
    assert (can[0].kind, len(can)) == ("cylinder", 3)


def test_a_robot_without_a_task_has_no_objects() -> None:
    assert simulation_of("so101_dual", "lift").objects == []
