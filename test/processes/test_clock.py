"""A simulated cell that runs faster than ours: real nodes on its clock, over real DDS."""

import time
from contextlib import ExitStack

import pytest
from processes.robot import Robot, process, wait_until
from rclpy.qos import qos_profile_sensor_data
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from stamps import stamp_to_ns

from dbp_ros.contract import NS_PER_S

SPEED = 2.0


class Watcher:
    """Notes what the world's clock and its joint states say, beside ours."""

    def __init__(self, robot: Robot) -> None:
        self.clock: list[tuple[int, int]] = []
        self.stamps: list[tuple[int, int]] = []
        robot.create_subscription(Clock, "/clock", self._hear_clock, qos_profile_sensor_data)
        robot.create_subscription(JointState, "joint_states", self._hear, qos_profile_sensor_data)

    def _hear_clock(self, message: Clock) -> None:
        self.clock.append((time.monotonic_ns(), stamp_to_ns(message.clock)))

    def _hear(self, message: JointState) -> None:
        self.stamps.append((time.monotonic_ns(), stamp_to_ns(message.header.stamp)))


def rate(seen: list[tuple[int, int]]) -> float:
    """Return how many seconds passed there in one of ours."""
    (ours, theirs), (ours_later, theirs_later) = seen[0], seen[-1]
    return (theirs_later - theirs) / (ours_later - ours)


@pytest.fixture
def listener(robot: Robot) -> Robot:
    """A node that only listens and asks: the robot is the simulated one."""
    robot.measures, robot.camera = False, "off"
    for loop in robot.loops:
        loop.stop()
    return robot


@pytest.mark.timeout(120)
def test_clock_and_stamps_run_at_the_speed_of_the_world(listener: Robot) -> None:
    watcher = Watcher(listener)
    with process("sim_node", task="reach", speed=SPEED):
        wait_until(
            lambda: (
                len(watcher.clock) > 20
                and watcher.clock[-1][0] - watcher.clock[0][0] > 3 * NS_PER_S
                and len(watcher.stamps) > 100
            ),
            "three seconds of the clock",
        )
    assert rate(watcher.clock) == pytest.approx(SPEED, rel=0.1)
    assert rate(watcher.stamps) == pytest.approx(SPEED, rel=0.1)


@pytest.mark.timeout(120)
def test_the_guard_holds_when_the_world_and_its_clock_end(listener: Robot) -> None:
    with ExitStack() as world:
        world.enter_context(process("sim_node", task="reach", speed=SPEED))
        with process("guard_node", enable_control="true", speed=SPEED, use_sim_time="true"):
            listener.wait_for_state("guard", "holding: waiting for a chunk")
            world.close()
            listener.wait_for_state("guard", "holding: joint states are stale")
