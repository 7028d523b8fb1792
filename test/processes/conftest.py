"""The robot and the guard as fixtures."""

import subprocess
from collections.abc import Iterator

import pytest
from processes.robot import Robot, process

from dbp_ros.nodes.process import spinning


@pytest.fixture
def robot(domain: int) -> Iterator[Robot]:
    """The robot, its sensors on."""
    with spinning(Robot) as node:
        for loop in node.loops:
            loop.start()
        yield node
        for loop in node.loops:
            loop.stop()


@pytest.fixture
def guard(robot: Robot) -> Iterator[subprocess.Popen[str]]:
    """The guard, with control enabled."""
    with process("guard_node", enable_control="true") as child:
        robot.wait_for_state("guard", "holding")
        yield child
