"""The robot and the guard as fixtures."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from processes.fake_robot import (
    CAMERA,
    CONFIG,
    FakeRobot,
    driving_in_real_time,
    process,
    wait_until,
)
from processes.rig import Rig, running_rig
from processes.swap_listener import NOISE_MEAN, SwapListener, moves
from toy_bundle import FEATURE_GAIN, write_toy_bundle

from dbp_ros.nodes.process import spinning
from dbp_ros.runtime.ros_domain import lease_domain


@pytest.fixture
def robot(domain: int) -> Iterator[FakeRobot]:
    """The fake robot, with all sensors and the priority of a robot driver."""
    with spinning(FakeRobot) as node:
        for loop in node.loops:
            loop.start()
        with driving_in_real_time():
            yield node
        for loop in node.loops:
            loop.stop()


@pytest.fixture
def guard(robot: FakeRobot) -> Iterator[subprocess.Popen[str]]:
    """The guard, with control enabled."""
    with process("guard_node", enable_control="true") as child:
        robot.wait_for_state("guard", "holding")
        yield child


@pytest.fixture
def write_model(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a version of a model that oscillates about one pose."""

    def write(folder: str, version: int, **changes: Any) -> Path:
        return write_toy_bundle(
            tmp_path / folder / "oscillator",
            version=version,
            graph_joints=CONFIG.joints,
            graph_cameras=(CAMERA,),
            ramp=np.full((8, 1), -FEATURE_GAIN * NOISE_MEAN),
            step_s=1 / 30,
            **changes,
        )

    return write


@pytest.fixture
def swaps(
    robot: FakeRobot, guard: subprocess.Popen[str], write_model: Callable[..., Path], tmp_path: Path
) -> Iterator[SwapListener]:
    """The swap status of a running policy with version 1 and a short shadow test."""
    listener = SwapListener(robot)
    quick = {"shadow_decisions": 10, "received_models": tmp_path / "received"}
    with process("policy_node", model=write_model("models", 1), inference_budget=10.0, **quick):
        wait_until(lambda: moves(robot), "the arms to move", lambda: str(robot.states))
        yield listener


@pytest.fixture(scope="module")
def shared_rig() -> Iterator[Rig]:
    """The fake of ros2_control with one guard for all scenarios of a file, in its own domain."""
    with lease_domain() as domain_id, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_DOMAIN_ID", str(domain_id))
        patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        with running_rig() as rig:
            yield rig


@pytest.fixture
def rig(shared_rig: Rig) -> Iterator[Rig]:
    """The shared rig without any fault, control disabled."""
    shared_rig.restore()
    yield shared_rig
    print(f"largest step: {shared_rig.robot.largest_step(shared_rig.first_cycle)}")


@pytest.fixture(scope="session")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, and the bundle that was exported from it."""
    # PyTorch takes seconds to import, and few tests need it.
    from processes.learner_setup import imitate

    return imitate(tmp_path_factory.mktemp("pretrained"))
