"""The robot and the guard as fixtures."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes.robot import Robot, driving_in_real_time, process

from dbp_ros.nodes.process import spinning


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


@pytest.fixture(scope="session")
def imitated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, and the bundle that was exported from it."""
    # PyTorch takes seconds to import, and few tests need it.
    from processes.learning import imitate

    return imitate(tmp_path_factory.mktemp("imitated"))
