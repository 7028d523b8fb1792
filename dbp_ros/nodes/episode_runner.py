"""Episodes on a running stack, through its services with timeouts."""

import json
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParameters
from rclpy.node import Node
from rclpy.parameter import Parameter
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
from dbp_ros.telemetry.trace import Recording, parse_recording
from dbp_ros.types import Image

POLL_S = 0.01
# Time after a reset until all topics show the new episode.
SETTLE_S = 0.3


class EpisodeRunner(Node):  # type: ignore[misc]
    """A node that resets the simulation and rolls out the policy.

    Methods block: call them from a thread that does not spin the node.

    Attributes:
        processes: Nodes whose states it subscribes to.
        refusal_limit_s: Time for which a rejected call is repeated, in [s].
    """

    refusal_limit_s = 10.0
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
        """Whether the task has been solved since the last `reset`."""
        return self._succeeded.is_set()

    def statistics(self, name: str) -> dict[str, Any]:
        """Return the statistics of a process of the stack.

        Raises:
            DbpError: If there is no response in time, or it is no JSON object.
        """
        text = self._calls.call(Trigger, f"{name}/statistics", Trigger.Request()).message
        try:
            values = json.loads(text)
        except ValueError as error:
            raise DbpError(f"{name}/statistics is no JSON ({error}): {text[:80]!r}") from error
        if not isinstance(values, dict):
            raise DbpError(f"{name}/statistics is {text[:80]!r}, expected a JSON object")
        return values

    def recording(self, name: str) -> Recording:
        """Return the recent trace of a process of the stack.

        Raises:
            DbpError: If there is no response in time.
        """
        text = self._calls.call(Trigger, f"{name}/trace", Trigger.Request()).message
        return parse_recording(text)

    def trigger(self, service: str) -> None:
        """Call a Trigger service.

        Raises:
            DbpError: If there is no response in time, or the request is rejected.
        """
        self._calls.call(Trigger, service, Trigger.Request())

    def enable_control(self, enable: bool) -> None:
        """Enable or disable control.

        The guard rejects the request while joint states are late, e.g. on a busy machine, so it is
        repeated. It is not repeated after a stop: a reset must not start the arms.

        Raises:
            DbpError: If there is no response in time, or the request is rejected until the limit.
        """
        request = SetBool.Request(data=enable)
        self._retry(
            SetBool,
            "guard/enable_control",
            request,
            lambda: self._guard.mode is not GuardMode.STOPPED,
        )

    def activate_policy(self, activate: bool) -> None:
        """Activate or deactivate the policy.

        Raises:
            DbpError: If there is no response in time, or the policy rejects it.
        """
        goal = State.PRIMARY_STATE_ACTIVE if activate else State.PRIMARY_STATE_INACTIVE
        transition = (
            Transition.TRANSITION_ACTIVATE if activate else Transition.TRANSITION_DEACTIVATE
        )
        request = ChangeState.Request(transition=Transition(id=transition))
        try:
            self._calls.call(ChangeState, "policy/change_state", request)
        except DbpError:
            # A repeated request is rejected if the first one succeeded without a response.
            response = self._calls.call(GetState, "policy/get_state", GetState.Request())
            if response.current_state.id != goal:
                raise

    def set_task(self, task: str) -> None:
        """Set the task of the simulated cell from the next `reset` on.

        Raises:
            DbpError: If there is no such task, or no response in time.
        """
        request = SetParameters.Request(
            parameters=[Parameter("task", value=task).to_parameter_msg()]
        )
        (result,) = self._calls.call(SetParameters, "simulation/set_parameters", request).results
        if not result.successful:
            raise DbpError(f"the task of the cell was not set: {result.reason}")

    def reset(self) -> None:
        """Bring the arms to rest and reset the simulation for the next episode.

        A stop that the guard latched by itself is reset. An emergency stop is not.

        Raises:
            DbpError: If an emergency stop is latched, or the stack does not respond in time.
        """
        self.enable_control(False)
        self.wait_for(lambda: self._guard.inactive, "the guard to disable")
        if self._guard.emergency_stop:
            raise DbpError("the emergency stop was pressed: call guard/reset and start again")
        if self._guard.mode is GuardMode.STOPPED:
            self._retry(
                Trigger, "guard/reset", Trigger.Request(), lambda: not self._guard.emergency_stop
            )
            self.wait_for(lambda: self._guard.mode is GuardMode.DISABLED, "the guard to be reset")
        self.trigger("simulation/reset")
        time.sleep(SETTLE_S)
        self._succeeded.clear()

    def run_episode(self, time_limit_s: float, on_poll: Callable[[], None]) -> tuple[bool, float]:
        """Roll out the policy until the task is solved or the time limit is reached.

        Args:
            time_limit_s: Time limit, in [s] of the steady clock.
            on_poll: Called repeatedly during the episode.

        Returns:
            Whether the task was solved, and the duration in [s].
        """
        self.enable_control(True)
        self.activate_policy(True)
        start = time.monotonic()
        while not self._succeeded.wait(POLL_S) and time.monotonic() - start < time_limit_s:
            on_poll()
        duration_s = time.monotonic() - start
        succeeded = self._succeeded.is_set()
        self.activate_policy(False)
        return succeeded, duration_s

    def wait_for(
        self, condition: Callable[[], bool], what: str, limit_s: float = CALL_LIMIT_S
    ) -> None:
        """Wait until a condition holds.

        Raises:
            DbpError: If it does not hold in time.
        """
        deadline = time.monotonic() + limit_s
        while not condition():
            if time.monotonic() > deadline:
                raise DbpError(f"waited {limit_s:.0f} s for {what}; states: {self.states}")
            time.sleep(POLL_S)

    def record_frames(self, camera: str) -> None:
        """Start to append the images of a camera to `frames`."""
        self._camera = self.create_subscription(
            ImageMessage,
            f"{camera}/image_raw",
            partial(self._on_image, camera),
            SENSOR,
        )

    def stop_recording(self) -> None:
        """Stop appending images to `frames`."""
        if self._camera is not None:
            self.destroy_subscription(self._camera)
            self._camera = None

    @property
    def _guard(self) -> GuardState:
        return GuardState.parse(self.states.get("guard", ""))

    def _retry(
        self, kind: Any, service: str, request: Any, repeat: Callable[[], bool] = lambda: True
    ) -> None:
        """Repeat a service call until it succeeds, while `repeat` holds and within the limit."""
        deadline = time.monotonic() + self.refusal_limit_s
        while True:
            try:
                self._calls.call(kind, service, request)
                return
            except DbpError:
                if not repeat() or time.monotonic() > deadline:
                    raise
                time.sleep(POLL_S)

    def parse_swap_status(self, message: String) -> SwapStatus | None:
        """Return the status in a message of policy/model; None if it is malformed."""
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
