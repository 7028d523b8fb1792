"""Objects inside and outside of the bin."""

import mujoco
import pytest

from dbp_ros.sim.scene import cell_spec
from dbp_ros.sim.tasks.bin import WALL_M, Bin, touched_by_arm
from dbp_ros.sim.tasks.task import place

BIN = Bin(length_m=0.2, width_m=0.3, height_m=0.06)
HALF_M = 0.02


@pytest.fixture(scope="module")
def scene():
    spec = cell_spec()
    BIN.build(spec, 0.1, -0.05)
    ball = spec.worldbody.add_body(name="ball")
    ball.add_freejoint()
    ball.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[HALF_M, 0, 0], mass=0.1)
    model = spec.compile()
    return model, mujoco.MjData(model)


@pytest.mark.parametrize(
    ("x", "y", "z", "inside"),
    [
        (0.10, -0.05, WALL_M + HALF_M, True),
        (0.19, 0.09, WALL_M + HALF_M, True),
        (0.10, -0.05, 0.10, False),
        (0.21, -0.05, WALL_M + HALF_M, False),
        (0.10, 0.11, WALL_M + HALF_M, False),
    ],
)
def test_an_object_is_in_the_bin_between_its_walls_and_near_its_floor(scene, x, y, z, inside):
    model, data = scene
    place(model, data, "ball", x, y, z, 0.0)
    mujoco.mj_forward(model, data)
    assert BIN.contains(data, "ball", HALF_M) == inside


def test_an_object_dropped_over_the_bin_stays_in_it(scene):
    model, data = scene
    place(model, data, "ball", 0.1, -0.05, 0.15, 0.0)
    mujoco.mj_step(model, data, 1000)
    assert BIN.contains(data, "ball", HALF_M)
    assert not touched_by_arm(model, data, "ball")


def test_contact_with_a_gripper_is_detected(scene):
    model, data = scene
    x, y, z = data.body("left_finger_1").xpos + data.body("left_gripper").xmat.reshape(3, 3) @ (
        (0, 0, 0.14)
    )
    place(model, data, "ball", x, y, z, 0.0)
    mujoco.mj_forward(model, data)
    assert touched_by_arm(model, data, "ball")
