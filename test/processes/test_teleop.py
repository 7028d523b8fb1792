"""Teleoperation over DDS: guard, policy and teleoperation as processes, take-overs and a kill."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from geometry_msgs.msg import TwistStamped
from processes.chunk_publisher import ChunkPublisher
from processes.fake_robot import process, wait_until
from processes.rig import Rig, running_rig
from std_msgs.msg import Bool, Float64

from dbp_ros.guard_state import NO_FRESH_OPERATOR_CHUNK, OPERATOR_CONTROL
from dbp_ros.nodes.qos import COMMAND, LATCHED
from dbp_ros.runtime.rate_loop import RateThread
from dbp_ros.settings.guard import GuardConfig

TAKE_OVERS = 5
SCALING = 0.05


class Operator:
    """Moves the left hand up and down while it drives."""

    def __init__(self, rig: Rig):
        self.rig, self.drives = rig, False
        self.interventions: list[bool] = []
        node = rig.guard
        self.twists = node.create_publisher(TwistStamped, "teleop/left/twist", COMMAND)
        node.create_subscription(
            Bool, "intervention", lambda m: self.interventions.append(m.data), LATCHED
        )
        self.loop = RateThread("operator", 50.0, self._publish)

    def _publish(self, now_ns: int) -> None:
        if self.drives:
            message = TwistStamped()
            message.twist.linear.z = 0.15 * math.sin(4e-9 * now_ns)
            message.twist.angular.y = 0.5 * math.sin(3e-9 * now_ns)
            self.twists.publish(message)

    def take_over(self) -> None:
        assert self.rig.guard._call("teleop/take_over")[0]
        self.drives = True
        self.rig.guard.wait_for("tracking", OPERATOR_CONTROL)
        wait_until(self.moves, "the hand to move", lambda: self.rig.guard.state)

    def give_back(self) -> None:
        self.drives = False
        assert self.rig.guard._call("teleop/give_back")[0]
        wait_until(lambda: self.rig.guard.state == "tracking", "the policy to drive")

    def moves(self) -> bool:
        return bool(np.ptp(recent(self.rig, 0.2), axis=0)[:6].max() > 0.005)


def recent(rig: Rig, seconds: float) -> np.ndarray:
    return rig.robot.hardware.recorded(-round(500 * seconds))[1]


@contextmanager
def driving(rig: Rig) -> Iterator[Operator]:
    operator = Operator(rig)
    operator.loop.start()
    try:
        yield operator
    finally:
        operator.loop.stop()


def test_take_overs_and_a_killed_teleoperation_never_let_the_arms_jump(domain: int) -> None:
    rng = np.random.default_rng(5)
    with running_rig() as rig, driving(rig) as operator:
        with process("teleop_node") as teleop:
            wait_until(lambda: rig.guard.count_publishers("teleop/state"), "teleoperation to start")
            rig.track()
            for _ in range(TAKE_OVERS):
                time.sleep(rng.uniform(0.1, 0.4))
                operator.take_over()
                time.sleep(rng.uniform(0.1, 0.4))
                operator.give_back()
            wait_until(lambda: len(operator.interventions) > 2 * TAKE_OVERS, "all messages")
            assert operator.interventions == [False, *[True, False] * TAKE_OVERS]
            operator.take_over()
            teleop.kill()
            rig.wait_for_rest()
            rig.guard.wait_for("holding", NO_FRESH_OPERATOR_CHUNK, OPERATOR_CONTROL)
            # The policy publishes, and does not drive.
            time.sleep(0.5)
            assert rig.rests(0.4)
            rig.guard.stop()
            rig.guard.engage()
            time.sleep(0.3)
            assert rig.rests(0.2)
        statistics = rig.guard.statistics()
        assert statistics["operator_control"]
        assert rig.guard._call("guard/operator_control", False)[0]
        wait_until(lambda: rig.guard.state == "tracking", "the policy to drive")
        scale_speed(rig)
        rig.assert_no_jump()


def scale_speed(rig: Rig) -> None:
    """Check that the policy is slowed down, and that invalid factors are refused."""
    factors = rig.guard.create_publisher(Float64, "guard/speed_scaling", LATCHED)
    factors.publish(Float64(data=SCALING))
    wait_until(lambda: rig.guard.statistics()["speed_scaling"] == SCALING, "the speed to scale")
    time.sleep(0.6)
    limit = SCALING * np.array(GuardConfig.velocity_limit)
    # The fake hardware applies the last command of each of its cycles.
    assert (np.ptp(recent(rig, 0.4), axis=0) <= 1.1 * 0.4 * limit).all()
    for wrong in (math.nan, 0.0, 1.5):
        factors.publish(Float64(data=wrong))
        rig.guard.wait_for(f"speed_scaling is {wrong:g}, expected 0.05 to 1")
    assert rig.guard.statistics()["speed_scaling"] == SCALING
    factors.publish(Float64(data=1.0))
    wait_until(lambda: rig.guard.state == "tracking", "full speed")


def test_a_second_publisher_of_operator_chunks_stops_the_arms(domain: int) -> None:
    with running_rig() as rig:
        rig.track()
        assert rig.guard._call("guard/operator_control", True)[0]
        others = [
            ChunkPublisher(rig.policy.centre, f"operator_{k}", "/operator_chunk") for k in range(2)
        ]
        for other in others:
            other.start()
        try:
            rig.guard.wait_for("stopped", "operator_chunk", OPERATOR_CONTROL, since=0)
        finally:
            for other in others:
                other.close()
        rig.wait_for_rest()
        rig.assert_no_jump()
