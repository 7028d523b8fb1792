"""The services that reset the simulated cell: `~/reset`, and `~/new_episode` for the whole stack.

A reset moves the arms at once from one place to another. Under control the guard would take that
for arms that do not follow, and a learner for a motion. So `~/reset` refuses while the arms are
commanded, and `~/new_episode` does what belongs before and after a reset, in this order:

1. the learner ends its episode, which counts as cut short;
2. control is disabled, and the arms come to rest;
3. the cell is reset;
4. the policy begins an episode;
5. control is enabled again, if it was enabled before;
6. the learner begins an episode, if it was recording one before and does not record one by then.
"""

import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from rclpy.node import Node
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger

from dbp_ros.errors import CommandError, DbpError
from dbp_ros.guard_state import GuardMode, GuardState
from dbp_ros.nodes.background_spinner import BackgroundSpinner
from dbp_ros.nodes.qos import LATCHED
from dbp_ros.nodes.service_calls import CALL_LIMIT_S, ServiceCalls
from dbp_ros.runtime.sim_clock import SimClock

GUARD, POLICY, LEARNER = "guard/state", "policy/state", "learner/state"
ENABLE, GUARD_RESET, BEGIN = "guard/enable_control", "guard/reset", "policy/begin_episode"
RECORDING = "learner/statistics"
END_RECORDING, BEGIN_RECORDING = "learner/end_episode", "learner/begin_episode"
# The guard publishes its state 20 times a second.
QUIET_LIMIT_S = 0.5
QUIET_S = 0.1
# After a reset: until every topic is about the new episode.
SETTLE_S = 0.3
REFUSAL_LIMIT_S = 10.0
DISCOVERY_LIMIT_S = 5.0
POLL_S = 0.02


class Cell(Protocol):
    """What is reset."""

    def reset(self) -> str:
        """Begin the next episode of the cell, and return a few words on it."""

    def commanded_within(self, seconds: float) -> str:
        """Return the controller that received a command in the last seconds; empty if none did."""


class CellOperator:
    """Offers the services on a node of its own, whose thread may wait for other processes."""

    def __init__(self, owner: Node, cell: Cell, sim_clock: SimClock) -> None:
        """Create the services.

        Args:
            owner: Node of the cell; its callbacks run in another thread. It calls the others.
            cell: What is reset.
            sim_clock: Clock of the cell.
        """
        self._owner, self._cell = owner, cell
        self._settle_s = SETTLE_S / min(1.0, sim_clock.real_time_factor)
        self._guard = GuardState()
        self._services = ServiceCalls(owner)
        self._services.client(SetBool, ENABLE)
        for service in (GUARD_RESET, BEGIN, RECORDING, END_RECORDING, BEGIN_RECORDING):
            self._services.client(Trigger, service)
        owner.create_subscription(String, GUARD, self._on_guard_state, LATCHED)
        self._node = Node(
            f"{owner.get_name()}_operator",
            namespace=owner.get_namespace(),
            use_global_arguments=False,
            start_parameter_services=False,
            enable_rosout=False,
        )
        for name, act in (("reset", self.reset), ("new_episode", self.new_episode)):
            service = owner.resolve_service_name(f"~/{name}")
            self._node.create_service(Trigger, service, partial(self._answer, act))
        self._spinner = BackgroundSpinner("operator", (self._node,))

    def close(self) -> None:
        """End the services."""
        self._spinner.close()

    def reset(self) -> str:
        """Reset the cell, after the end of the episode that the learner records.

        Raises:
            DbpError: If the arms are commanded, or the learner does not end its episode.
        """
        self._require_quiet()
        self._end_recording()
        return self._cell.reset()

    def new_episode(self) -> str:
        """Reset the cell and begin an episode in the whole stack; return what was done.

        Raises:
            DbpError: If a process does not answer in time, or refuses. Then control is disabled,
                or it was not touched.
        """
        if self._present(GUARD):
            self._wait_for(lambda: self._guard != GuardState(), "the guard to publish its state")
        if self._present(GUARD) and self._guard.emergency_stop:
            raise CommandError("the emergency stop is latched: call guard/reset first")
        enabled = self._present(GUARD) and not self._guard.inactive
        recording = self._end_recording()
        why_not = self._disable()
        self._require_quiet()
        done = self._cell.reset()
        try:
            time.sleep(self._settle_s)
            if self._present(POLICY):
                self._call(Trigger, BEGIN, Trigger.Request())
            if enabled and not why_not:
                self._enable()
            if recording:
                self._begin_recording()
        except DbpError as error:
            raise CommandError(f"the cell was reset ({done}), but {error}") from error
        if why_not:
            return f"{done}; control stays disabled: the guard had stopped the arms ({why_not})"
        return f"{done}; control is {'enabled again' if enabled else 'disabled, as before'}"

    def _present(self, state: str) -> bool:
        """Return whether a node runs, by the topic of its state."""
        return bool(self._owner.count_publishers(self._owner.resolve_topic_name(state)))

    def _guard_is(self, *modes: GuardMode) -> bool:
        return self._present(GUARD) and self._guard.mode in modes

    def _call(self, kind: Any, service: str, request: Any) -> Any:
        return self._services.call(kind, service, request, discovery_limit_s=DISCOVERY_LIMIT_S)

    def _disable(self) -> str:
        """Bring the arms to rest, and clear a stop of the guard's own; return its reason."""
        if not self._present(GUARD):
            return ""
        self._call(SetBool, ENABLE, SetBool.Request(data=False))
        self._wait_for(
            lambda: self._guard_is(GuardMode.DISABLED, GuardMode.STOPPED),
            "the guard to disable control",
        )
        if self._guard_is(GuardMode.DISABLED):
            return ""
        reason = self._guard.reason
        if self._guard.emergency_stop:
            raise CommandError("the emergency stop was pressed: call guard/reset first")
        self._insist(Trigger, GUARD_RESET, Trigger.Request())
        self._wait_for(lambda: self._guard_is(GuardMode.DISABLED), "the guard to clear its stop")
        return reason

    def _enable(self) -> None:
        """Enable control; arms that still settle after the reset are refused for a moment."""
        try:
            self._insist(SetBool, ENABLE, SetBool.Request(data=True))
        except DbpError as error:
            raise CommandError(f"control stays disabled: {error}") from error

    def _is_recording(self) -> bool:
        answer = self._call(Trigger, RECORDING, Trigger.Request()).message
        try:
            return bool(json.loads(answer)["recording"])
        except (ValueError, KeyError, TypeError) as error:
            raise CommandError(
                f"{RECORDING} answered {answer[:40]!r}, expected JSON with the key recording"
            ) from error

    def _end_recording(self) -> bool:
        """End the episode of the learner, and return whether there was one."""
        if not self._present(LEARNER) or not self._is_recording():
            return False
        try:
            self._call(Trigger, END_RECORDING, Trigger.Request())
        except DbpError:
            # It may have ended by itself just before.
            if self._is_recording():
                raise
        return True

    def _begin_recording(self) -> None:
        try:
            self._call(Trigger, BEGIN_RECORDING, Trigger.Request())
        except DbpError:
            # A policy that explores has begun it already.
            if not self._is_recording():
                raise

    def _insist(self, kind: Any, service: str, request: Any) -> None:
        """Call a service until it no longer refuses, unless the guard stops."""
        deadline_s = time.monotonic() + REFUSAL_LIMIT_S
        while True:
            try:
                self._call(kind, service, request)
                return
            except DbpError:
                stopped = service == ENABLE and self._guard_is(GuardMode.STOPPED)
                if stopped or time.monotonic() > deadline_s:
                    raise
            time.sleep(POLL_S)

    def _require_quiet(self) -> None:
        """Wait a moment for the last command.

        Raises:
            CommandError: If the arms go on being commanded.
        """
        deadline_s = time.monotonic() + QUIET_LIMIT_S
        while problem := self._commanded():
            if time.monotonic() > deadline_s:
                raise CommandError(problem)
            time.sleep(POLL_S)

    def _commanded(self) -> str:
        known = self._present(GUARD) and self._guard != GuardState()
        if known and self._guard.mode is not GuardMode.DISABLED:
            return (
                f"the guard commands the arms ({self._guard}): call "
                f"{self._owner.get_name()}/new_episode (dbp episode new) instead, which disables "
                "and enables control around the reset, or disable control first"
            )
        if controller := self._cell.commanded_within(QUIET_S):
            return f"commands arrive on {controller}/commands: stop what publishes them first"
        return ""

    def _wait_for(self, condition: Callable[[], bool], what: str) -> None:
        deadline_s = time.monotonic() + CALL_LIMIT_S
        while not condition():
            if time.monotonic() > deadline_s:
                raise CommandError(
                    f"waited {CALL_LIMIT_S:.0f} s for {what}; its state is {str(self._guard)!r}"
                )
            time.sleep(POLL_S)

    def _on_guard_state(self, message: String) -> None:
        self._guard = GuardState.parse(message.data)

    def _answer(
        self, act: Callable[[], str], _: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        try:
            response.success, response.message = True, act()
            self._owner.get_logger().info(response.message)
        except DbpError as error:
            response.success, response.message = False, str(error)
            self._owner.get_logger().warning(response.message)
        return response
