"""Runs episodes on the stack as an operator would: through services, with a deadline on each."""

import json
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.node import Node
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Bool, String
from std_srvs.srv import SetBool, Trigger

from dbp_ros.errors import BundleError, DbpError, ObservationError
from dbp_ros.guard_state import GuardMode, GuardState
from dbp_ros.hotswap.swap_status import SwapStatus
from dbp_ros.nodes.ignored_messages import IgnoredMessages
from dbp_ros.nodes.qos import LATCHED, SENSOR
from dbp_ros.nodes.service_calls import CALL_LIMIT_S, ServiceCalls
from dbp_ros.nodes.stateful_topic import subscribe_stateful
from dbp_ros.sensing.image_decoding import decode_raw
from dbp_ros.telemetry.trace import Recording, recording_of
from dbp_ros.types import Image

POLL_S = 0.01
REFUSAL_LIMIT_S = 10.0
# After a reset: until every stream tells of the new episode.
SETTLE_S = 0.3


class EpisodeRunner(Node):  # type: ignore[misc]
    """Resets the simulation, lets the policy act, and tells how each episode ended.

    Its methods block: call them from a thread that does not spin the node.

    Attributes:
        processes: Whose states it hears.
    """

    processes: tuple[str, ...] = ("guard", "policy", "simulation")

    def __init__(self) -> None:
        super().__init__("episode_runner")
        self.diagnostics: dict[str, dict[str, str]] = {}
        self.states: dict[str, str] = {}
        self.frames: list[Image] = []
        self._ignored = IgnoredMessages(self.get_logger().warning)
        self._succeeded = threading.Event()
        self._calls = ServiceCalls(self)
        self._camera: Any = None
        subscribe_stateful(self, Bool, "success", self._on_success)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        for name in self.processes:
            self.create_subscription(
                String, f"{name}/state", lambda m, n=name: self.states.update({n: m.data}), LATCHED
            )

    @property
    def succeeded(self) -> bool:
        """Whether the task has been solved since the last `prepare`."""
        return self._succeeded.is_set()

    def statistics(self, name: str) -> dict[str, Any]:
        """Return all numbers of one process of the stack.

        Raises:
            DbpError: If it does not answer in time, or not with a JSON object.
        """
        text = self._calls.call(Trigger, f"{name}/statistics", Trigger.Request()).message
        try:
            numbers = json.loads(text)
        except ValueError as error:
            raise DbpError(f"{name}/statistics is no JSON ({error}): {text[:80]!r}") from error
        if not isinstance(numbers, dict):
            raise DbpError(f"{name}/statistics is {text[:80]!r}, expected a JSON object")
        return numbers

    def recording(self, name: str) -> Recording:
        """Return what one process of the stack did of late.

        Raises:
            DbpError: If it does not answer in time.
        """
        return recording_of(self._calls.call(Trigger, f"{name}/trace", Trigger.Request()).message)

    def trigger(self, service: str) -> None:
        """Call a Trigger service.

        Raises:
            DbpError: If it does not answer in time, or refuses.
        """
        self._calls.call(Trigger, service, Trigger.Request())

    def enable_control(self, enable: bool) -> None:
        """Let the guard command the arms, or no more.

        It refuses while it hears nothing new of the arms, as on a busy machine: it is asked again.
        Not after a stop: whoever resets that must not see arms start by themselves.

        Raises:
            DbpError: If the guard does not answer in time, is stopped, or refuses for too long.
        """
        request = SetBool.Request(data=enable)
        self._insist(
            SetBool,
            "guard/enable_control",
            request,
            lambda: self._guard.mode is not GuardMode.STOPPED,
        )

    def activate_policy(self, activate: bool) -> None:
        """Let the policy decide, or fall silent.

        Raises:
            DbpError: If the policy does not answer in time, or refuses.
        """
        wanted = State.PRIMARY_STATE_ACTIVE if activate else State.PRIMARY_STATE_INACTIVE
        transition = (
            Transition.TRANSITION_ACTIVATE if activate else Transition.TRANSITION_DEACTIVATE
        )
        request = ChangeState.Request(transition=Transition(id=transition))
        try:
            self._calls.call(ChangeState, "policy/change_state", request)
        except DbpError:
            # Asked twice, it refuses the second time what it did the first time.
            answer = self._calls.call(GetState, "policy/get_state", GetState.Request())
            if answer.current_state.id != wanted:
                raise

    def prepare(self) -> None:
        """Bring the arms to rest and reset the simulation to its next episode.

        A guard that stopped arms which did not follow is reset, as by an operator who has looked
        at them. What a person stopped stays stopped.

        Raises:
            DbpError: If somebody pressed the emergency stop, or the stack does not answer in time.
        """
        self.enable_control(False)
        self.wait_for(lambda: self._guard.inactive, "the guard to disable")
        if self._guard.emergency_stop:
            raise DbpError("somebody pressed the emergency stop: call guard/reset and start again")
        if self._guard.mode is GuardMode.STOPPED:
            self._insist(Trigger, "guard/reset", Trigger.Request())
            self.wait_for(lambda: self._guard.mode is GuardMode.DISABLED, "the guard to be reset")
        self.trigger("simulation/reset")
        time.sleep(SETTLE_S)
        self._succeeded.clear()

    def run_episode(self, time_limit_s: float, watch: Callable[[], None]) -> tuple[bool, float]:
        """Let the policy act until the task is solved or the time is up.

        Args:
            time_limit_s: Longest duration, in [s] of the steady clock.
            watch: Called again and again meanwhile.

        Returns:
            Whether the task was solved, and how long it took in [s].
        """
        self.enable_control(True)
        self.activate_policy(True)
        start = time.monotonic()
        while not self._succeeded.wait(POLL_S) and time.monotonic() - start < time_limit_s:
            watch()
        duration_s = time.monotonic() - start
        succeeded = self._succeeded.is_set()
        self.activate_policy(False)
        return succeeded, duration_s

    def wait_for(
        self, condition: Callable[[], bool], what: str, limit_s: float = CALL_LIMIT_S
    ) -> None:
        """Wait until a condition holds.

        Raises:
            DbpError: If it does not in time.
        """
        deadline = time.monotonic() + limit_s
        while not condition():
            if time.monotonic() > deadline:
                raise DbpError(f"waited {limit_s:.0f} s for {what}; states: {self.states}")
            time.sleep(POLL_S)

    def film(self, camera: str) -> None:
        """Keep the pictures of a camera from now on."""
        self._camera = self.create_subscription(
            ImageMessage,
            f"{camera}/image_raw",
            partial(self._on_image, camera),
            SENSOR,
        )

    def stop_filming(self) -> None:
        """Keep no more pictures."""
        if self._camera is not None:
            self.destroy_subscription(self._camera)
            self._camera = None

    @property
    def _guard(self) -> GuardState:
        return GuardState.parse(self.states.get("guard", ""))

    def _insist(
        self, kind: Any, service: str, request: Any, wanted: Callable[[], bool] = lambda: True
    ) -> None:
        """Call a service until it no longer refuses, for as long as that is wanted."""
        deadline_s = time.monotonic() + REFUSAL_LIMIT_S
        while True:
            try:
                self._calls.call(kind, service, request)
                return
            except DbpError:
                if not wanted() or time.monotonic() > deadline_s:
                    raise
                time.sleep(POLL_S)

    def model_state(self, message: String) -> SwapStatus | None:
        """Return what a message of policy/model holds, None where it is malformed."""
        try:
            return SwapStatus.from_json(message.data)
        except BundleError as error:
            self._ignored.add("policy/model", str(error))
            return None

    def _on_image(self, camera: str, message: ImageMessage) -> None:
        try:
            self.frames.append(decode_raw(message).copy())
        except ObservationError as error:
            self._ignored.add(f"{camera}/image_raw", str(error))

    def _on_success(self, message: Bool) -> None:
        if message.data:
            self._succeeded.set()

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.diagnostics[status.name.rpartition("/")[2]] = {
                item.key: item.value for item in status.values
            }
