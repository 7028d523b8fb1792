"""Simulation time: the clocks of the simulated cell and of other simulators."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from processes.fake_robot import (
    FakeRobot,
    driving_in_real_time,
    moves,
    process,
    wait_until,
)
from processes.foreign_simulator import AMPLITUDE_RAD, ForeignSimulator
from processes.turner import write_turner
from rclpy.qos import qos_profile_sensor_data
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from stamps import stamp_to_ns

from dbp_ros.nodes.process import spinning
from dbp_ros.types import NS_PER_S

FACTOR = 2.0


class Watcher:
    """Records `/clock` and the stamps of joint states with their arrivals."""

    def __init__(self, robot: FakeRobot) -> None:
        self.clock: list[tuple[int, int]] = []
        self.stamps: list[tuple[int, int]] = []
        robot.create_subscription(Clock, "/clock", self._on_clock, qos_profile_sensor_data)
        robot.create_subscription(
            JointState, "joint_states", self._on_joint_state, qos_profile_sensor_data
        )

    def _on_clock(self, message: Clock) -> None:
        self.clock.append((time.monotonic_ns(), stamp_to_ns(message.clock)))

    def _on_joint_state(self, message: JointState) -> None:
        self.stamps.append((time.monotonic_ns(), stamp_to_ns(message.header.stamp)))


def rate(seen: list[tuple[int, int]]) -> float:
    """Return the real-time factor of recorded times."""
    (wall_0, time_0), (wall_1, time_1) = seen[0], seen[-1]
    return (time_1 - time_0) / (wall_1 - wall_0)


@pytest.fixture
def listener(robot: FakeRobot) -> FakeRobot:
    """A node without its own sensors: the robot is the simulated one."""
    robot.measures, robot.camera = False, "off"
    for loop in robot.loops:
        loop.stop()
    return robot


@pytest.mark.timeout(120)
def test_clock_and_stamps_run_at_the_real_time_factor(listener: FakeRobot) -> None:
    watcher = Watcher(listener)
    with process("sim_node", task="reach", real_time_factor=FACTOR):
        wait_until(
            lambda: (
                len(watcher.clock) > 20
                and watcher.clock[-1][0] - watcher.clock[0][0] > 3 * NS_PER_S
                and len(watcher.stamps) > 100
            ),
            "three seconds of the clock",
        )
    assert rate(watcher.clock) == pytest.approx(FACTOR, rel=0.1)
    assert rate(watcher.stamps) == pytest.approx(FACTOR, rel=0.1)


@pytest.mark.timeout(120)
def test_the_guard_holds_when_the_simulation_and_its_clock_end(listener: FakeRobot) -> None:
    with ExitStack() as simulation:
        simulation.enter_context(process("sim_node", task="reach", real_time_factor=FACTOR))
        with process(
            "guard_node", enable_control="true", real_time_factor=FACTOR, use_sim_time="true"
        ):
            listener.wait_for_state("guard", "holding: waiting for a chunk")
            simulation.close()
            listener.wait_for_state("guard", "control was disabled by a fault")


@pytest.fixture
def turner(tmp_path: Path) -> Path:
    """A model that turns both shoulders at a constant speed in the foreign simulation."""
    return write_turner(tmp_path / "turner", mean_pixel=0.5)


@pytest.fixture
def foreign(domain: int) -> Iterator[ForeignSimulator]:
    """Another simulator, at half of real time."""
    with spinning(ForeignSimulator) as node:
        node.loops[0].start()
        with driving_in_real_time():
            yield node
        node.loops[0].stop()


def refused_in(robot: FakeRobot, seconds: float) -> int:
    """Return the number of refused decisions in some time."""
    robot.call_service("policy/clear_statistics")
    time.sleep(seconds)
    return int(json.loads(robot.call_service("policy/statistics")[1])["refused_decisions"])


@pytest.mark.timeout(120)
def test_a_policy_uses_the_clock_of_another_simulator(
    foreign: ForeignSimulator, turner: Path
) -> None:
    with (
        process("guard_node", enable_control="true", use_sim_time="true"),
        process("policy_node", model=turner, use_sim_time="true"),
    ):
        wait_until(lambda: moves(foreign), "the arms to move", lambda: str(foreign.states))
        for factor in (0.5, 0.95):
            foreign.real_time_factor = factor
            time.sleep(0.8)
            assert refused_in(foreign, 1.0) == 0, foreign.states
            assert foreign.states["guard"].startswith("tracking")
        foreign.time_ns -= 50 * NS_PER_S
        time.sleep(0.5)
        assert refused_in(foreign, 0.5) == 0, foreign.states
        foreign.real_time_factor = 0.0
        foreign.wait_for_state("guard", "holding: joint states are stale")
        foreign.real_time_factor = 0.95
        wait_until(lambda: moves(foreign), "the arms to move when the simulator continues")
        foreign.clock_frozen = True
        foreign.wait_for_state("policy", "/clock has stalled")
        foreign.wait_for_state("guard", "/clock has stalled")
        assert "control was disabled by a fault" in foreign.states["guard"]
        foreign.clock_frozen = False
        foreign.wait_for_state("policy", "deciding")
        enable = partial(foreign.call_service, "guard/enable_control", True)
        # Until the speed of the arms is known again.
        wait_until(lambda: enable()[0], "control to be enabled")
        wait_until(lambda: moves(foreign), "the arms to move when the clock continues")


@pytest.mark.timeout(120)
def test_the_arms_move_at_the_rate_of_another_simulator(
    foreign: ForeignSimulator,
) -> None:
    foreign.plans = True
    with process("guard_node", enable_control="true", use_sim_time="true"):
        foreign.wait_for_state("guard", "tracking")
        for factor in (0.5, 0.95):
            foreign.real_time_factor = factor
            time.sleep(0.8)
            foreign.errors_rad.clear()
            time.sleep(1.5)
            assert len(foreign.errors_rad) > 500
            # The motion in 50 ms at the highest speed.
            assert np.abs(foreign.errors_rad).max() < 0.05 * AMPLITUDE_RAD
        assert foreign.states["guard"].startswith("tracking")


@pytest.mark.timeout(120)
def test_invalid_stamps_are_reported_with_their_cause(robot: FakeRobot, turner: Path) -> None:
    stamps = {
        "head_camera is not stamped: its stamp is zero": lambda: 0,
        "head_camera's stamps are of another clock": time.monotonic_ns,
        "head_camera is stamped in the past, 10 s": lambda: time.time_ns() - 10 * NS_PER_S,
        "head_camera is stamped in the future, 0.3 s": lambda: time.time_ns() + 3 * NS_PER_S // 10,
    }
    with process("policy_node", model=turner):
        robot.wait_for_state("policy", "deciding")
        for words, stamp_ns in stamps.items():
            robot.unusual_stamp_ns = stamp_ns
            robot.wait_for_state("policy", words)
        robot.unusual_stamp_ns = None
        robot.wait_for_state("policy", "deciding")
        robot.camera = "off"
        robot.wait_for_state("policy", "head_camera is stale")
    with process("policy_node", model=turner, use_sim_time="true"):
        robot.wait_for_state("policy", "use_sim_time is true, but nothing arrives on /clock")
