"""Images of the OpenGL and the ray-cast renderer."""

import os
import subprocess
import sys

import numpy as np
import pytest

from dbp_ros.errors import ConfigError
from dbp_ros.settings.dual_ur5e import CAMERAS
from dbp_ros.sim import gl
from dbp_ros.sim.camera import open_cameras
from dbp_ros.sim.control_loop import ControlLoop
from dbp_ros.sim.expert import Expert
from dbp_ros.sim.simulation import Simulation
from dbp_ros.sim.tasks.registry import TASKS

needs_egl = pytest.mark.skipif(not gl.loadable("egl"), reason="this machine has no EGL")
OPEN_CAMERAS = (
    "from dbp_ros.sim.simulation import Simulation\n"
    "from dbp_ros.sim.camera import open_cameras\n"
    "print(open_cameras(Simulation('lift').model, ('head_camera',), 8, 8).backend)\n"
)


def run_with(mujoco_gl):
    """Open cameras in a new process, where MuJoCo is not imported yet."""
    return subprocess.run(
        [sys.executable, "-c", OPEN_CAMERAS],
        env={**os.environ, "MUJOCO_GL": mujoco_gl, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def grasping():
    """Return a simulation with the cube between the fingers of the left arm."""
    simulation = Simulation("lift")
    loop = ControlLoop(simulation)
    loop.reset(1)
    expert = Expert(simulation, "left")
    while not simulation.success:
        loop.step(expert.command())
    return simulation


@needs_egl
@pytest.mark.parametrize("seed", [0, 4])
@pytest.mark.parametrize("task", sorted(TASKS))
def test_ray_cast_images_match_gl_images_at_the_start(task, seed):
    simulation = Simulation(task)
    simulation.reset(seed)
    assert_equal_images(simulation)


@needs_egl
def test_ray_cast_images_match_gl_images_while_grasping(grasping):
    assert_equal_images(grasping)


def assert_equal_images(simulation):
    """Assert that the images of both renderers match."""
    with open_cameras(simulation.model, CAMERAS, 84, 84, "egl") as rig:
        gl_images = rig.render(simulation.data)
    with open_cameras(simulation.model, CAMERAS, 84, 84, "raycast") as rig:
        cast_images = rig.render(simulation.data)
    for name in CAMERAS:
        assert np.ptp(gl_images[name]) > 100
        assert np.abs(gl_images[name].astype(float) - cast_images[name]).mean() < 1.0


def count_red_pixels(image):
    """Return the number of pixels in the colour of the cube."""
    r, g, b = np.moveaxis(image.astype(int), -1, 0)
    return int(((r > 100) & (g < 60) & (b < 60)).sum())


def test_the_cube_is_in_the_image_of_the_head_camera():
    simulation = Simulation("lift")
    with open_cameras(simulation.model, CAMERAS, 84, 84, "raycast") as rig:
        for seed in range(5):
            simulation.reset(seed)
            assert count_red_pixels(rig.render(simulation.data)["head_camera"]) >= 6


def test_a_grasped_cube_is_in_the_image_of_the_wrist_camera(grasping):
    with open_cameras(grasping.model, CAMERAS, 84, 84, "raycast") as rig:
        assert count_red_pixels(rig.render(grasping.data)["left_wrist_camera"]) > 200


def test_images_have_the_requested_size(grasping):
    with open_cameras(grasping.model, ("head_camera",), 24, 40, "raycast") as rig:
        image = rig.render(grasping.data)["head_camera"]
    assert (image.shape, image.dtype) == ((24, 40, 3), np.uint8)


def test_an_image_is_not_overwritten_by_the_next(grasping):
    with open_cameras(grasping.model, ("head_camera",), 8, 8) as rig:
        first = rig.render(grasping.data)["head_camera"]
        second = rig.render(grasping.data)["head_camera"]
    assert not np.shares_memory(first, second)


def test_an_unknown_backend_is_rejected(grasping):
    with pytest.raises(ConfigError, match=r"vulkan.*raycast"):
        open_cameras(grasping.model, CAMERAS, 8, 8, "vulkan")


def test_an_unknown_camera_is_rejected_with_the_known_ones(grasping):
    with pytest.raises(ConfigError, match="head_camera"):
        open_cameras(grasping.model, ("foot_camera",), 8, 8)


def test_without_gl_the_cameras_fall_back_to_ray_casting():
    assert run_with("disable").stdout.strip() == "raycast"


@pytest.mark.skipif(gl.loadable("osmesa"), reason="this machine has OSMesa")
def test_a_missing_mujoco_gl_backend_is_an_error_with_the_fix():
    result = run_with("osmesa")
    assert result.returncode != 0
    assert "ConfigError" in result.stderr
    assert "install libosmesa6" in result.stderr


@pytest.mark.skipif(gl.loadable("osmesa"), reason="this machine has OSMesa")
def test_a_missing_camera_backend_is_an_error_with_the_fix(grasping):
    with pytest.raises(ConfigError, match="install libosmesa6"):
        open_cameras(grasping.model, CAMERAS, 8, 8, "osmesa")
