"""Test rig: the fake robot, a guard process, an operator and a policy."""

import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from processes.chunk_publisher import ChunkPublisher
from processes.fake_hardware import UPDATE_RATE_HZ
from processes.fake_robot import driving_in_real_time, process, wait_until
from processes.fake_ros2_control import START, FakeRos2Control
from processes.guard_client import GuardClient

from dbp_ros.nodes.process import spinning

AT_REST_RAD = 1e-6
NEAR_RAD = 0.02
REST_S = 0.05
# Longest time from discovery to the first joint states.
ARRIVAL_S = 0.03
# States of the guard within this time are part of a failure message.
AROUND_NS = 3_000_000_000


@dataclass
class Rig:
    """Parts of a scenario.

    Attributes:
        robot: Fake of ros2_control.
        guard: Client of the guard.
        policy: Publisher of chunks.
        child: Process of the guard.
        first_cycle: First cycle of the scenario.
        first_sentence: Index of the first state of the guard in the scenario.
    """

    robot: FakeRos2Control
    guard: GuardClient
    policy: ChunkPublisher
    child: subprocess.Popen[str]
    first_cycle: int = 0
    first_sentence: int = 0

    def restore(self) -> None:
        """End all faults and check that control can be enabled."""
        assert self.child.poll() is None, "the guard has ended"
        self.guard.disable()
        self.policy.reset(START)
        self.policy.publishes = False
        self.robot.repair()
        self.wait_for_discovery()
        self.guard.engage()
        self.guard.disable()
        self.guard.wait_for("disabled: control is not enabled")
        self.policy.publishes = True
        self.first_cycle = self.robot.hardware.cycles
        self.first_sentence = len(self.guard.sentences)

    def track(self) -> None:
        """Enable control, and wait until all joints follow the policy.

        Control may have to be enabled again, after the effects of an earlier fault.
        """
        self.wait_for_discovery()
        self.guard.engage()
        wait_until(
            lambda: self.guard.state.startswith("tracking") and self.follows(),
            "the arms to follow the policy",
            lambda: f"{self.guard.sentences[-8:]}, error {self.error().round(3)}",
            15.0,
        )

    def wait_for_discovery(self) -> None:
        """Wait until commands and joint states arrive; those before discovery are lost."""
        wait_until(
            lambda: all(c.is_matched for c in self.robot.controllers.values()),
            "the controllers and the guard to discover each other",
        )
        time.sleep(ARRIVAL_S)

    def broadcast(
        self, broadcasters: Mapping[str, Sequence[str]], rate_hz: float = UPDATE_RATE_HZ
    ) -> None:
        """Replace the broadcasters of joint states, and wait for their messages."""
        self.robot.broadcast(broadcasters, rate_hz)
        self.wait_for_discovery()

    def error(self) -> np.ndarray:
        """Return the distance of each joint from the policy's target."""
        return np.abs(self.robot.hardware.positions - self.policy.target(time.monotonic_ns()))

    def follows(self) -> bool:
        """Whether each joint is at the policy's target."""
        return bool((self.error() < NEAR_RAD).all())

    def settle(self) -> None:
        """Wait until the guard has no warning."""
        wait_until(lambda: self.guard.state == "tracking", "no warning", lambda: self.guard.state)

    def drive_away(self) -> None:
        """Move the policy's target of a joint of the left arm far away."""
        self.policy.centre = self.policy.centre + 0.8 * (np.arange(len(START)) == 0)

    def hide(self, *controllers: str) -> None:
        """Suppress the transition events of controllers, and the activity of all."""
        self.robot.manager.publishes_activity = False
        for name in controllers:
            self.robot.controllers[name].publishes_transitions = False

    def rests(self, seconds: float = REST_S) -> bool:
        """Whether no joint has moved recently."""
        positions = self.robot.hardware.recorded(-round(500 * seconds))[1]
        return bool(np.ptp(positions, axis=0).max() < AT_REST_RAD)

    def wait_for_rest(self) -> None:
        wait_until(self.rests, "the arms to come to rest", lambda: self.guard.state, 5.0)

    def wait_for_fault(self, *words: str) -> None:
        """Wait until a fault with all words disabled control."""
        self.guard.wait_for("disabled", "disabled by a fault", *words, since=self.first_sentence)

    def assert_no_jump(self) -> None:
        """Check the steps of all joints in all cycles of the scenario."""
        step = self.robot.largest_step(self.first_cycle)
        sentences = [
            f"{(ns - step.time_ns) / 1e6:.0f} ms: {s}"
            for ns, s in self.guard.sentences
            if abs(ns - step.time_ns) < AROUND_NS
        ]
        assert step.ratio <= 1.0, (
            f"{step.joint} jumped by {step.size:.3f}, expected at most {step.allowed:.3f}; "
            f"states around: {sentences}"
        )

    def assert_nothing_moved(self) -> None:
        """Check that the arms did not move in the scenario."""
        positions = self.robot.hardware.recorded(self.first_cycle + 1)[1]
        assert np.ptp(positions, axis=0).max() < AT_REST_RAD

    def refuses_to_enable(self, *words: str) -> str:
        """Check that enabling is refused with all words; return the reason."""
        granted, why = self.guard.enable()
        assert not granted, f"enabled in spite of {words}"
        missing = [word for word in words if word not in why]
        assert not missing, f"{why!r} does not name {missing}"
        return why


@contextmanager
def running_rig(**parameters: object) -> Iterator[Rig]:
    """Run the rig with parameters of the guard; control is disabled."""
    with spinning(GuardClient) as guard:
        robot, policy = FakeRos2Control(), ChunkPublisher(START)
        robot.start()
        policy.start()
        try:
            with driving_in_real_time(), process("guard_node", **parameters) as child:
                guard.wait_for("disabled", limit_s=30.0)
                yield Rig(robot, guard, policy, child)
        finally:
            policy.close()
            robot.stop()
