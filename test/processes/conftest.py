"""The robot and the guard as fixtures."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes.rig import Rig, running_rig
from processes.robot import Robot, driving_in_real_time, process

from dbp_ros.nodes.process import spinning
from dbp_ros.runtime.ros_domain import lease_domain


@pytest.fixture
def robot(domain: int) -> Iterator[Robot]:
    """The robot, its sensors on, as urgent as a real one's driver."""
    with spinning(Robot) as node:
        for loop in node.loops:
            loop.start()
        with driving_in_real_time():
            yield node
        for loop in node.loops:
            loop.stop()


@pytest.fixture
def guard(robot: Robot) -> Iterator[subprocess.Popen[str]]:
    """The guard, with control enabled."""
    with process("guard_node", enable_control="true") as child:
        robot.wait_for_state("guard", "holding")
        yield child


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
def imitated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, and the bundle that was exported from it."""
    # PyTorch takes seconds to import, and few tests need it.
    from processes.learning import imitate

    return imitate(tmp_path_factory.mktemp("imitated"))
