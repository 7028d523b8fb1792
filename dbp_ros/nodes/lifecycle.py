"""Lifecycle node that reports refused and failed transitions."""

from collections.abc import Callable
from functools import partial

from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from dbp_ros.nodes.process import describe_failure

Transition = Callable[[LifecycleState], TransitionCallbackReturn]
Service = Callable[[ChangeState.Request, ChangeState.Response], ChangeState.Response]


class ManagedNode(LifecycleNode):  # type: ignore[misc]
    """Lifecycle node that responds to every transition request.

    rclpy raises out of its service if a transition is not possible in the present state, and drops
    exceptions of transition callbacks. This node responds with `success: false` to the former, and
    logs both.

    Attributes:
        transition_failure: Exception of the last transition that failed, as text.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.transition_failure = ""
        service = self._service_change_state
        service.callback = partial(self._on_change_state, service.callback)
        for state, callback in self._callbacks.items():
            self._callbacks[state] = partial(self._run_transition, callback)

    def _on_change_state(
        self, service: Service, request: ChangeState.Request, response: ChangeState.Response
    ) -> ChangeState.Response:
        try:
            return service(request, response)
        except RuntimeError:
            # Raised by rcl, which has not changed the state.
            state = self._state_machine.current_state[1]
            possible = [transition[1] for transition in self._state_machine.available_transitions]
            requested = request.transition.label or f"transition {request.transition.id}"
            self.get_logger().warning(
                f"{requested} is refused: not possible while {state}, possible are "
                f"{', '.join(possible) or 'none'}"
            )
            response.success = False
            return response

    def _run_transition(
        self, callback: Transition, state: LifecycleState
    ) -> TransitionCallbackReturn:
        try:
            return callback(state)
        except Exception as error:
            self.transition_failure = describe_failure(error)
            self.get_logger().error(f"a transition failed: {self.transition_failure}")
            return TransitionCallbackReturn.ERROR
