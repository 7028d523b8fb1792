"""A lifecycle node whose transitions are refused with a reason, and fail with one."""

from collections.abc import Callable
from functools import partial

from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from dbp_ros.nodes.process import failure_of

Transition = Callable[[LifecycleState], TransitionCallbackReturn]
Answer = Callable[[ChangeState.Request, ChangeState.Response], ChangeState.Response]


class ManagedNode(LifecycleNode):  # type: ignore[misc]
    """A lifecycle node that answers every request for a transition.

    rclpy raises out of its service where a transition is not possible in the present state, and
    drops the exception of a transition's callback. Here the first is answered with
    `success: false`, and both are logged.

    Attributes:
        transition_failure: The exception that left the last transition that failed, in words.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.transition_failure = ""
        service = self._service_change_state
        service.callback = partial(self._answer_change_state, service.callback)
        for state, callback in self._callbacks.items():
            self._callbacks[state] = partial(self._run_transition, callback)

    def _answer_change_state(
        self, answer: Answer, request: ChangeState.Request, response: ChangeState.Response
    ) -> ChangeState.Response:
        try:
            return answer(request, response)
        except RuntimeError:
            # That of rcl. The state machine is as it was.
            state = self._state_machine.current_state[1]
            possible = [transition[1] for transition in self._state_machine.available_transitions]
            wanted = request.transition.label or f"transition {request.transition.id}"
            self.get_logger().warning(
                f"{wanted} is refused: not possible while {state}, possible are "
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
            self.transition_failure = failure_of(error)
            self.get_logger().error(f"a transition failed: {self.transition_failure}")
            return TransitionCallbackReturn.ERROR
