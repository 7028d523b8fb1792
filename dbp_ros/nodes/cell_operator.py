"""Services that reset the simulated cell: `~/reset`, and `~/new_episode` for the whole stack.

A reset moves the arms instantly. Under control, the guard would report a tracking error, and a
learner would record a motion. So `~/reset` is rejected while the arms are commanded, and
`~/new_episode` performs these steps:

1. the learner ends its episode as truncated;
2. control is disabled, and the arms come to rest;
3. the cell is reset;
4. the policy begins an episode;
5. control is enabled again, if it was enabled before;
6. the learner begins an episode, if it was recording one before and is not recording now.

With `auto_reset` it does so by itself when an episode is over, or the guard has stopped the arms.
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
from dbp_ros.nodes.auto_reset import AutoReset
from dbp_ros.nodes.background_spinner import BackgroundSpinner
from dbp_ros.nodes.qos import LATCHED
from dbp_ros.nodes.service_calls import CALL_LIMIT_S, ServiceCalls
from dbp_ros.runtime.sim_clock import SimClock

GUARD, POLICY, LEARNER = "guard/state", "policy/state", "learner/state"
ENABLE, GUARD_RESET, BEGIN = "guard/enable_control", "guard/reset", "policy/begin_episode"
RECORDING = "learner/statistics"
END_RECORDING, BEGIN_RECORDING = "learner/end_episode", "learner/begin_episode"
# The guard publishes its state 20 times a second.
IDLE_TIMEOUT_S = 0.5
IDLE_S = 0.1
# After a reset, until every topic has a message of the new episode.
SETTLE_S = 0.3
POLL_S = 0.02


class Cell(Protocol):
    """The cell that is reset."""

    @property
    def episode_over(self) -> bool:
        """Whether the task is solved or the time limit is reached."""

    def reset(self) -> str:
        """Reset the cell to the next seed, and return a message."""

    def commanded_within(self, seconds: float) -> str:
        """Return a controller that received a command in the last seconds; empty if none did."""


class CellOperator:
    """Services on a separate node, whose thread may block on other processes.

    Attributes:
        refusal_limit_s: Time for which a rejected call is repeated, in [s].
        discovery_limit_s: Time in which a service must be discovered, in [s].
    """

    refusal_limit_s = 10.0
    discovery_limit_s = 5.0

    def __init__(
        self, owner: Node, cell: Cell, sim_clock: SimClock, auto_reset: bool = False
    ) -> None:
        """Create the services.

        Args:
            owner: Node of the cell, spun by another thread; its clients call the other nodes.
            cell: The cell that is reset.
            sim_clock: Clock of the cell.
            auto_reset: Whether to begin the next episode when one is over.
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
        for name, action in (("reset", self.reset), ("new_episode", self.new_episode)):
            service = owner.resolve_service_name(f"~/{name}")
            self._node.create_service(Trigger, service, partial(self._handle, action))
        self._auto_reset: AutoReset | None = None
        if auto_reset:
            begin = partial(self.new_episode, enable=True)
            self._auto_reset = AutoReset(self._node, self._is_due, self._is_blocked, begin)
        self._spinner = BackgroundSpinner("operator", (self._node,))

    def close(self) -> None:
        """End the services."""
        self._spinner.close()

    def reset(self) -> str:
        """Reset the cell after ending the episode of the learner.

        Raises:
            DbpError: If the arms are commanded, or the learner does not end its episode.
        """
        self._require_idle()
        self._end_recording()
        return self._cell.reset()

    def new_episode(self, enable: bool = False) -> str:
        """Reset the cell and begin an episode in the whole stack; return a message.

        Args:
            enable: Whether to enable control even if it is disabled or the guard has stopped.

        Raises:
            DbpError: If a process does not respond in time, or rejects a call. Then control is
                disabled or unchanged.
        """
        if self._present(GUARD):
            self._wait_for(lambda: self._guard != GuardState(), "the guard to publish its state")
        if self._present(GUARD) and self._guard.emergency_stop:
            raise CommandError("the emergency stop is latched: call guard/reset first")
        enabled = self._present(GUARD) and (enable or not self._guard.inactive)
        recording = self._end_recording()
        stop_reason = self._disable()
        self._require_idle()
        done = self._cell.reset()
        try:
            time.sleep(self._settle_s)
            if self._present(POLICY):
                self._call(Trigger, BEGIN, Trigger.Request())
            if enabled and (enable or not stop_reason):
                self._enable()
            if recording:
                self._begin_recording()
        except DbpError as error:
            raise CommandError(f"the cell was reset ({done}), but {error}") from error
        if stop_reason and not enable:
            return f"{done}; control stays disabled: the guard had stopped the arms ({stop_reason})"
        return f"{done}; control is {'enabled again' if enabled else 'disabled, as before'}"

    @property
    def problem(self) -> str:
        """Why no episode begins by itself any more; empty if there is no problem."""
        return self._auto_reset.problem if self._auto_reset is not None else ""

    def _is_blocked(self) -> bool:
        return self._guard.emergency_stop

    def _is_due(self) -> bool:
        """Return whether an episode is over, or the guard stopped the arms."""
        over = self._guard.enabled and self._cell.episode_over
        return over or self._guard_is(GuardMode.STOPPED)

    def _present(self, state: str) -> bool:
        """Return whether a node is running, by the topic of its state."""
        return bool(self._owner.count_publishers(self._owner.resolve_topic_name(state)))

    def _guard_is(self, *modes: GuardMode) -> bool:
        return self._present(GUARD) and self._guard.mode in modes

    def _call(self, kind: Any, service: str, request: Any) -> Any:
        return self._services.call(kind, service, request, discovery_limit_s=self.discovery_limit_s)

    def _disable(self) -> str:
        """Disable control, and clear a stop of the guard; return its reason."""
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
        self._call_until_accepted(Trigger, GUARD_RESET, Trigger.Request())
        self._wait_for(lambda: self._guard_is(GuardMode.DISABLED), "the guard to clear its stop")
        return reason

    def _enable(self) -> None:
        """Enable control, which the guard rejects while the arms settle."""
        try:
            self._call_until_accepted(SetBool, ENABLE, SetBool.Request(data=True))
        except DbpError as error:
            raise CommandError(f"control stays disabled: {error}") from error

    def _is_recording(self) -> bool:
        response = self._call(Trigger, RECORDING, Trigger.Request()).message
        try:
            return bool(json.loads(response)["recording"])
        except (ValueError, KeyError, TypeError) as error:
            raise CommandError(
                f"{RECORDING} returned {response[:40]!r}, expected JSON with the key recording"
            ) from error

    def _end_recording(self) -> bool:
        """End the episode of the learner, and return whether there was one."""
        if not self._present(LEARNER) or not self._is_recording():
            return False
        try:
            self._call(Trigger, END_RECORDING, Trigger.Request())
        except DbpError:
            # The episode may have ended since the query.
            if self._is_recording():
                raise
        return True

    def _begin_recording(self) -> None:
        try:
            self._call(Trigger, BEGIN_RECORDING, Trigger.Request())
        except DbpError:
            # The policy may have begun the episode.
            if not self._is_recording():
                raise

    def _call_until_accepted(self, kind: Any, service: str, request: Any) -> None:
        """Repeat a call until it is accepted, the guard stops or `refusal_limit_s` is over.

        After an emergency stop it is never repeated.
        """
        deadline_s = time.monotonic() + self.refusal_limit_s
        while True:
            try:
                self._call(kind, service, request)
                return
            except DbpError:
                stopped = service == ENABLE and self._guard_is(GuardMode.STOPPED)
                if stopped or self._guard.emergency_stop or time.monotonic() > deadline_s:
                    raise
            time.sleep(POLL_S)

    def _require_idle(self) -> None:
        """Wait for the last command.

        Raises:
            CommandError: If commands continue to arrive.
        """
        deadline_s = time.monotonic() + IDLE_TIMEOUT_S
        while problem := self._command_source():
            if time.monotonic() > deadline_s:
                raise CommandError(problem)
            time.sleep(POLL_S)

    def _command_source(self) -> str:
        known = self._present(GUARD) and self._guard != GuardState()
        if known and self._guard.mode is not GuardMode.DISABLED:
            return (
                f"the guard commands the arms ({self._guard}): call "
                f"{self._owner.get_name()}/new_episode (dbp episode new) instead, which disables "
                "and enables control around the reset, or disable control first"
            )
        if controller := self._cell.commanded_within(IDLE_S):
            return f"commands arrive on {controller}/commands: stop their publisher first"
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

    def _handle(
        self, action: Callable[[], str], _: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        try:
            response.success, response.message = True, action()
            self._owner.get_logger().info(response.message)
        except DbpError as error:
            response.success, response.message = False, str(error)
            self._owner.get_logger().warning(response.message)
        return response
