"""Cameras draw the same picture whatever draws it."""

import os
import subprocess
import sys

import numpy as np
import pytest

from dbp_ros.errors import ConfigError
from dbp_ros.settings.robot import CAMERAS
from dbp_ros.sim import gl
from dbp_ros.sim.camera import open_cameras
from dbp_ros.sim.control_loop import ControlLoop
from dbp_ros.sim.expert import make_expert
from dbp_ros.sim.simulation import Simulation
from dbp_ros.sim.tasks.registry import TASKS

needs_egl = pytest.mark.skipif(not gl.loadable("egl"), reason="this machine has no EGL")
WHICH = (
    "from dbp_ros.sim.simulation import Simulation\n"
    "from dbp_ros.sim.camera import open_cameras\n"
    "print(open_cameras(Simulation('lift').model, ('head_camera',), 8, 8).backend)\n"
)


def run_with(mujoco_gl):
    """Open cameras in a process of its own, where MuJoCo is not imported yet."""
    return subprocess.run(
        [sys.executable, "-c", WHICH],
        env={**os.environ, "MUJOCO_GL": mujoco_gl, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def grasping():
    """Return a simulation with the cube between the fingers of the left arm."""
    simulation = Simulation("lift")
    environment = ControlLoop(simulation)
    environment.reset(1)
    expert = make_expert(simulation, "left", np.random.default_rng(0))
    while not simulation.success:
        environment.step(expert.command())
    return simulation


@needs_egl
@pytest.mark.parametrize("seed", [0, 4])
@pytest.mark.parametrize("task", sorted(TASKS))
def test_cast_pictures_match_gl_pictures_at_the_start(task, seed):
    simulation = Simulation(task)
    simulation.reset(seed)
    compare(simulation)


@needs_egl
def test_cast_pictures_match_gl_pictures_while_grasping(grasping):
    compare(grasping)


def compare(simulation):
    """Draw with both and compare."""
    with open_cameras(simulation.model, CAMERAS, 84, 84, "egl") as rig:
        drawn = rig.render(simulation.data)
    with open_cameras(simulation.model, CAMERAS, 84, 84, "raycast") as rig:
        cast = rig.render(simulation.data)
    for name in CAMERAS:
        assert np.ptp(drawn[name]) > 100
        assert np.abs(drawn[name].astype(float) - cast[name]).mean() < 1.0


def red(image):
    """Return how many pixels are as red as the cube."""
    r, g, b = np.moveaxis(image.astype(int), -1, 0)
    return int(((r > 100) & (g < 60) & (b < 60)).sum())


def test_the_head_camera_sees_the_cube_and_not_a_cell_without_it():
    simulation = Simulation("lift")
    with open_cameras(simulation.model, CAMERAS, 84, 84, "raycast") as rig:
        for seed in range(5):
            simulation.reset(seed)
            assert red(rig.render(simulation.data)["head_camera"]) >= 6


def test_the_wrist_camera_sees_what_its_fingers_hold(grasping):
    with open_cameras(grasping.model, CAMERAS, 84, 84, "raycast") as rig:
        assert red(rig.render(grasping.data)["left_wrist_camera"]) > 200


def test_pictures_have_the_size_asked_for(grasping):
    with open_cameras(grasping.model, ("head_camera",), 24, 40, "raycast") as rig:
        picture = rig.render(grasping.data)["head_camera"]
    assert (picture.shape, picture.dtype) == ((24, 40, 3), np.uint8)


def test_a_picture_is_not_overwritten_by_the_next(grasping):
    with open_cameras(grasping.model, ("head_camera",), 8, 8) as rig:
        first = rig.render(grasping.data)["head_camera"]
        second = rig.render(grasping.data)["head_camera"]
    assert not np.shares_memory(first, second)


def test_an_unknown_backend_is_refused(grasping):
    with pytest.raises(ConfigError, match=r"vulkan.*raycast"):
        open_cameras(grasping.model, CAMERAS, 8, 8, "vulkan")


def test_an_unknown_camera_is_refused_with_the_known_ones(grasping):
    with pytest.raises(ConfigError, match="head_camera"):
        open_cameras(grasping.model, ("foot_camera",), 8, 8)


def test_without_gl_the_cameras_fall_back_to_ray_casting():
    assert run_with("disable").stdout.strip() == "raycast"


@pytest.mark.skipif(gl.loadable("osmesa"), reason="this machine has OSMesa")
def test_a_gl_that_the_user_chose_and_is_missing_is_an_error_with_the_fix():
    answer = run_with("osmesa")
    assert answer.returncode != 0
    assert "ConfigError" in answer.stderr
    assert "install libosmesa6" in answer.stderr


@pytest.mark.skipif(gl.loadable("osmesa"), reason="this machine has OSMesa")
def test_a_backend_asked_for_and_missing_is_an_error_with_the_fix(grasping):
    with pytest.raises(ConfigError, match="install libosmesa6"):
        open_cameras(grasping.model, CAMERAS, 8, 8, "osmesa")
