"""Simulated arms from the description of a robot."""

from pathlib import Path

import numpy as np
import pytest

from dbp_ros.cli.main import main
from dbp_ros.robots.check import urdf_path
from dbp_ros.robots.urdf import parse_urdf, read_urdf
from dbp_ros.settings.robot import RobotDescription
from dbp_ros.settings.robot_files import read_robot, robot_file
from dbp_ros.sim.camera import open_cameras
from dbp_ros.sim.robot_simulation import RobotSimulation, simulation_of
from dbp_ros.sim.simulation import Simulation

ROBOTS = ["aloha", "franka_dual", "so101_dual"]


@pytest.fixture(params=ROBOTS)
def simulation(request: pytest.FixtureRequest) -> RobotSimulation:
    return simulation_of(request.param, "lift")


def test_the_cell_is_the_simulation_of_its_robot() -> None:
    assert isinstance(simulation_of("ur5e_dual", "lift"), Simulation)


def test_the_arms_start_and_stay_at_home(simulation: RobotSimulation) -> None:
    simulation.reset(3)
    simulation.advance(500)
    np.testing.assert_allclose(simulation.positions, simulation.home, atol=1e-4)


def test_every_joint_reaches_its_command(simulation: RobotSimulation) -> None:
    limits = [read_robot_of(simulation).limits(n) for n in ("min_position", "max_position")]
    low, high = map(np.array, limits)
    target = np.where(simulation.home < (low + high) / 2, 0.1, -0.1) * (high - low)
    simulation.command(simulation.home + target)
    simulation.advance(250)
    np.testing.assert_allclose(simulation.positions, simulation.home + target, atol=2e-3)
    assert simulation.time_ns == 250 * simulation.step_ns


def read_robot_of(simulation: RobotSimulation) -> RobotDescription:
    robots = [read_robot(name) for name in ROBOTS]
    return next(robot for robot in robots if robot.joints == simulation.joint_names)


def test_another_start_pose_is_not_that_of_the_cell(tmp_path: Path) -> None:
    text = robot_file("ur5e_dual").read_text(encoding="utf-8")
    urdf = robot_file("ur5e_dual").parent / "urdf" / "ur5e_dual.urdf.xacro"
    text = text.replace("urdf/ur5e_dual.urdf.xacro", str(urdf))
    same, other = tmp_path / "same.yaml", tmp_path / "other.yaml"
    same.write_text(text.replace("max_velocity: 2.0", "max_velocity: 1.0"))
    other.write_text(text.replace("left_elbow_joint: 2.045", "left_elbow_joint: 1.9"))
    assert isinstance(simulation_of(str(same), "lift"), Simulation)
    assert simulation_of(str(other), "lift").home[2] == 1.9


def test_a_joint_that_nothing_commands_stays_at_zero(tmp_path: Path) -> None:
    robot = tmp_path / "porter.yaml"
    foreign = Path(__file__).parents[1] / "robots" / "foreign.urdf"
    assert main(["robot", "new", "--urdf", str(foreign), "--out", str(robot)]) == 0
    simulation = simulation_of(str(robot), "lift")
    for sign in (1.0, -1.0):
        simulation.command(simulation.home + 0.3 * sign)
        simulation.advance(500)
    assert abs(simulation.data.joint("torso_lift").qpos[0]) < 2e-3


def test_fingers_that_mimic_follow() -> None:
    simulation = simulation_of("franka_dual", "lift")
    column = simulation.joint_names.index("left_fr3_finger_joint1")
    target = simulation.home.copy()
    target[column] = 0.01
    simulation.command(target)
    simulation.advance(500)
    other = simulation.data.joint("left_fr3_finger_joint2").qpos[0]
    assert other == pytest.approx(0.01, abs=1e-3)


def test_each_camera_renders_the_robot(simulation: RobotSimulation) -> None:
    names = read_robot_of(simulation).camera_names
    with open_cameras(simulation.model, names, 48, 64, "raycast") as rig:
        for name in names:
            assert len(np.unique(rig.render_camera(name, simulation.qpos))) > 3, name


def test_meshes_and_inertias_are_not_needed() -> None:
    robot = read_robot("so101_dual")
    text = read_urdf(urdf_path("so101_dual")).text
    bare = text.replace("<inertial>", "<!--").replace("</inertial>", "-->")
    assert "<inertial>" not in bare
    impossible = text.replace('ixy="0"', 'ixy="1"')
    assert impossible != text
    for changed in (bare, impossible):
        simulation = RobotSimulation(robot, parse_urdf(changed))
        simulation.advance(100)
        np.testing.assert_allclose(simulation.positions, simulation.home, atol=1e-3)
