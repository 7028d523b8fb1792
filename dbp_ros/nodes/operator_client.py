"""Service calls of an operator to a running stack, without the `ros2` command."""

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import rclpy
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.experimental import EventsExecutor
from rclpy.node import Node, NodeNameNonExistentError
from std_srvs.srv import SetBool, Trigger

from dbp_ros.errors import DbpError
from dbp_ros.nodes.endpoints import UNNAMED, publisher_names
from dbp_ros.nodes.polled_subscriptions import NODE_SUFFIX
from dbp_ros.runtime.stop_socket import local_guards

# A participant sends its next announcement within 3 s, in case the first was lost.
DISCOVERY_S = 3.5
# Time from the first discovered service to the last one.
DISCOVERY_SPREAD_S = 0.5
RESPONSE_S = 5.0
# A lifecycle transition may load a model.
TRANSITION_S = 60.0
NAMES_S = 2.0
SLICE_S = 0.02
# Nodes that record episodes.
LEARNER = "learner"
RECORDERS = (LEARNER, "recorder")
# Order in which an episode begins: if the recorder rejects it, none begins.
BEGIN_ORDER = ("recorder", "policy", LEARNER)


class OperatorClient:
    """A node for one shell command that operates a stack. Not thread-safe.

    Attributes:
        node: The node, in the namespace of the stack.
        while_waiting: Called while a condition is awaited; an exception ends the wait.
        namespace: That namespace, with a leading slash only; empty for the root.
        domain_and_range: ROS domain and discovery range, as text.
    """

    def __init__(self, node: Node, domain_and_range: str) -> None:
        self.node = node
        self.while_waiting: Callable[[], None] = lambda: None
        self.domain_and_range = domain_and_range
        self.namespace = node.get_namespace().rstrip("/")
        self._executor = EventsExecutor()
        self._executor.add_node(node)

    def spin(self, duration_s: float) -> None:
        """Process callbacks for `duration_s`."""
        self.spin_until(lambda: False, duration_s)

    def spin_until(self, condition: Callable[[], bool], limit_s: float) -> bool:
        """Process callbacks until a condition holds; return whether it did within `limit_s`.

        Callbacks that are ready are processed also with a limit of 0.
        """
        deadline = time.monotonic() + limit_s
        while not condition():
            remaining_s = max(0.0, deadline - time.monotonic())
            self._executor.spin_once(timeout_sec=min(SLICE_S, remaining_s))
            self.while_waiting()
            if not remaining_s:
                return condition()
        return True

    def call(self, kind: Any, service: str, request: Any, response_s: float = RESPONSE_S) -> Any:
        """Call a service once; return its response.

        Args:
            kind: Service type.
            service: Service name, relative to the namespace.
            request: The request.
            response_s: Timeout of the response, in [s].

        Raises:
            DbpError: If there is no such service, or no response in time.
        """
        client = self.node.create_client(kind, service)
        name = self.node.resolve_service_name(service)
        try:
            if not self.spin_until(client.service_is_ready, DISCOVERY_S):
                raise DbpError(self._explain_absence(name))
            future = client.call_async(request)
            if not self.spin_until(future.done, response_s):
                raise DbpError(
                    f"{name} did not respond within {response_s:g} s: its process hangs, or was "
                    "killed less than 20 s ago; see dbp status"
                )
            return future.result()
        finally:
            self.node.destroy_client(client)

    def trigger(self, service: str, response_s: float = RESPONSE_S) -> str:
        """Call a Trigger service; return its message.

        Args:
            service: Service name, relative to the namespace.
            response_s: Timeout of the response, in [s].

        Raises:
            DbpError: If there is no such service, no response, or the request is rejected.
        """
        return _message_of(service, self.call(Trigger, service, Trigger.Request(), response_s))

    def set_bool(self, service: str, data: bool) -> str:
        """Call a SetBool service; return its message.

        Raises:
            DbpError: If there is no such service, no response, or the request is rejected.
        """
        return _message_of(service, self.call(SetBool, service, SetBool.Request(data=data)))

    def enable_control(self, enable: bool) -> str:
        """Enable control, or bring the arms to rest and disable it; return the guard's message.

        Raises:
            DbpError: If there is no guard, no response, or the request is rejected.
        """
        return self.set_bool("guard/enable_control", enable)

    def give_back(self) -> str:
        """Return control from an operator to the policy; return the guard's message.

        Not by teleoperation, which may have ended: it follows the state of the guard.

        Raises:
            DbpError: If there is no guard, no response, or the request is rejected.
        """
        return self.set_bool("guard/operator_control", False)

    def policy_state(self) -> int:
        """Return the lifecycle state of the policy, one of `lifecycle_msgs/msg/State`."""
        response = self.call(GetState, "policy/get_state", GetState.Request())
        return int(response.current_state.id)

    def activate_policy(self) -> None:
        """Activate the policy, after configuring it if necessary.

        Raises:
            DbpError: If there is no policy, no response, or the request is rejected.
        """
        state = self.policy_state()
        if state == State.PRIMARY_STATE_UNCONFIGURED:
            self._transition(Transition.TRANSITION_CONFIGURE, "configure")
        if state != State.PRIMARY_STATE_ACTIVE:
            self._transition(Transition.TRANSITION_ACTIVATE, "activate")

    def deactivate_policy(self) -> None:
        """Deactivate the policy, so that the guard brings the arms to rest.

        Raises:
            DbpError: If there is no policy, no response, or the request is rejected.
        """
        if self.policy_state() == State.PRIMARY_STATE_ACTIVE:
            self._transition(Transition.TRANSITION_DEACTIVATE, "deactivate")

    def begin_episode(self) -> str:
        """Begin an episode of the policy, the learner and the recorder, as far as they run.

        Raises:
            DbpError: If none runs, or one does not respond or rejects the request.
        """
        owners = self._owners("begin_episode", ("policy", *RECORDERS))
        running = sorted(owners, key=BEGIN_ORDER.index)
        notes = [self._begin_episode(name) for name in running]
        return "; ".join(filter(None, (f"episode begun: {' and '.join(running)}", *notes)))

    def end_episode(self, outcome: str) -> str:
        """End the episode of the learner and the recorder, as far as they run.

        Args:
            outcome: `success` or `failure`.

        Raises:
            DbpError: If none runs, or all reject the request or do not respond.
        """
        service = f"end_{outcome}"
        notes: list[str] = []
        errors: list[str] = []
        for name in self._owners(service, RECORDERS):
            try:
                notes.append(self.trigger(f"{name}/{service}"))
            except DbpError as error:
                errors.append(str(error))
        if not notes:
            raise DbpError("; ".join(errors))
        return "; ".join(filter(None, (*notes, *errors)))

    def _owners(self, service: str, names: Sequence[str]) -> list[str]:
        """Return those nodes that offer a service.

        Raises:
            DbpError: If none does.
        """
        services = {name: f"{name}/{service}" for name in names}
        if not self.spin_until(lambda: any(map(self.offers, services.values())), DISCOVERY_S):
            raise DbpError(
                self._explain_absence(self.node.resolve_service_name(services[names[0]]))
            )
        # Services are discovered one after another.
        self.spin_until(lambda: all(map(self.offers, services.values())), DISCOVERY_SPREAD_S)
        return [name for name in names if self.offers(services[name])]

    def _begin_episode(self, name: str) -> str:
        try:
            return self.trigger(f"{name}/begin_episode")
        except DbpError:
            # A learner may have begun to record with the first decision of the policy.
            if name != LEARNER or not self._records(name):
                raise
            return ""

    def _records(self, name: str) -> bool:
        return bool(json.loads(self.trigger(f"{name}/statistics")).get("recording"))

    def publishers(self, topic: str) -> list[str]:
        """Return the full names of the nodes that publish a topic."""
        self.spin_until(lambda: UNNAMED not in publisher_names(self.node, topic), NAMES_S)
        return publisher_names(self.node, topic)

    def offers(self, service: str) -> bool:
        """Return whether a service, relative to the namespace, has a server.

        The list of all service names also contains services that only have a client.
        """
        owner, name = service.split("/")[0], self.node.resolve_service_name(service)
        try:
            offered = self.node.get_service_names_and_types_by_node(owner, self.namespace or "/")
        except NodeNameNonExistentError:
            return False
        return any(known == name for known, _ in offered)

    def close(self) -> None:
        """Destroy the node and shut rclpy down."""
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown()

    def _transition(self, transition: int, label: str) -> None:
        request = ChangeState.Request(transition=Transition(id=transition))
        if not self.call(ChangeState, "policy/change_state", request, TRANSITION_S).success:
            raise DbpError(f"the policy did not {label}: see its state in dbp status")

    def _explain_absence(self, service: str) -> str:
        """Return where a service was searched for, similar services, and the remedy."""
        relative = service.removeprefix(self.namespace)
        elsewhere = sorted(
            name.removesuffix(relative)
            for name, _ in self.node.get_service_names_and_types()
            if name.endswith(relative) and name != service
        )
        lines = [f"no service {service} within {DISCOVERY_S:g} s, with {self.domain_and_range}"]
        lines += [
            f"found in the namespace {name or '/'}: use --namespace {name or '/'}"
            for name in elsewhere
        ]
        own = self.node.context.get_domain_id()
        lines += [
            f"this computer runs a guard in another domain: {guard}"
            for guard in local_guards()
            if guard.domain != own
        ]
        here = sorted(
            name
            for name, namespace in self.node.get_node_names_and_namespaces()
            if namespace.rstrip("/") == self.namespace
            and not name.startswith("_")
            and not name.endswith(NODE_SUFFIX)
        )
        if here:
            lines.append(f"nodes in the namespace {self.namespace or '/'}: {', '.join(here)}")
        elif len(lines) == 1:
            lines.append("no nodes were found: start the stack with dbp up")
        return "\n  ".join(lines)


def _message_of(service: str, response: Any) -> str:
    if not response.success:
        raise DbpError(f"{service} rejected the request: {response.message or 'see its log'}")
    return str(response.message)
