"""What an operator does from a shell: calls of the stack's services, without `ros2`."""

import time
from collections.abc import Callable
from typing import Any

import rclpy
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.experimental import EventsExecutor
from rclpy.node import Node, NodeNameNonExistentError
from std_srvs.srv import SetBool, Trigger

from dbp_ros.errors import DbpError
from dbp_ros.nodes.polled_subscriptions import STREAMS
from dbp_ros.nodes.stop_socket import listeners

# The next announcement of a participant whose first answer was lost comes within 3 s.
DISCOVERY_S = 3.5
# From the first service that is discovered to the last.
REST_S = 0.5
ANSWER_S = 5.0
# A transition may load a model.
TRANSITION_S = 60.0
NAMES_S = 2.0
SLICE_S = 0.02
UNKNOWN = "_NODE_NAME_UNKNOWN_"


class Operator:
    """A node that lives for one command of the shell. Not thread-safe.

    Attributes:
        node: The node, in the namespace of the stack.
        namespace: That namespace, with a slash at its start alone; empty for the root.
        place: Which ROS domain and which part of the network it is in, in words.
    """

    def __init__(self, node: Node, place: str) -> None:
        self.node = node
        self.place = place
        self.namespace = node.get_namespace().rstrip("/")
        self._executor = EventsExecutor()
        self._executor.add_node(node)

    def spin(self, duration_s: float) -> None:
        """Serve callbacks for some time, in [s]."""
        self.spin_until(lambda: False, duration_s)

    def spin_until(self, condition: Callable[[], bool], limit_s: float) -> bool:
        """Serve callbacks until a condition holds; return whether it does within `limit_s`."""
        deadline = time.monotonic() + limit_s
        while not condition():
            left_s = deadline - time.monotonic()
            if left_s <= 0.0:
                return False
            self._executor.spin_once(timeout_sec=min(SLICE_S, left_s))
        return True

    def call(self, kind: Any, service: str, request: Any, answer_s: float = ANSWER_S) -> Any:
        """Call a service once; return its response.

        Args:
            kind: Type of the service.
            service: Its name, relative to the namespace.
            request: The request.
            answer_s: How long to wait for the response, in [s].

        Raises:
            DbpError: If there is no such service, or it does not answer in time.
        """
        client = self.node.create_client(kind, service)
        name = self.node.resolve_service_name(service)
        try:
            if not self.spin_until(client.service_is_ready, DISCOVERY_S):
                raise DbpError(self._explain_absence(name))
            future = client.call_async(request)
            if not self.spin_until(future.done, answer_s):
                raise DbpError(
                    f"{name} did not answer within {answer_s:g} s: its process hangs, or was killed"
                    " and is listed for up to 20 s more; see dbp status"
                )
            return future.result()
        finally:
            self.node.destroy_client(client)

    def trigger(self, service: str, answer_s: float = ANSWER_S) -> str:
        """Call a Trigger service; return its sentence.

        Args:
            service: Its name, relative to the namespace.
            answer_s: How long to wait for the response, in [s].

        Raises:
            DbpError: If there is none, it does not answer, or it refuses.
        """
        return _sentence(service, self.call(Trigger, service, Trigger.Request(), answer_s))

    def set(self, service: str, data: bool) -> str:
        """Call a SetBool service; return its sentence.

        Raises:
            DbpError: If there is none, it does not answer, or it refuses.
        """
        return _sentence(service, self.call(SetBool, service, SetBool.Request(data=data)))

    def enable_control(self, enable: bool) -> str:
        """Let the guard command the arms, or bring them to rest; return its sentence.

        Raises:
            DbpError: If there is no guard, it does not answer, or it refuses.
        """
        return self.set("guard/enable_control", enable)

    def policy_state(self) -> int:
        """Return the lifecycle state of the policy, one of `lifecycle_msgs/msg/State`."""
        answer = self.call(GetState, "policy/get_state", GetState.Request())
        return int(answer.current_state.id)

    def activate_policy(self) -> None:
        """Let the policy publish chunks; it loads its model first where it has none.

        Raises:
            DbpError: If there is no policy, it does not answer, or it refuses.
        """
        state = self.policy_state()
        if state == State.PRIMARY_STATE_UNCONFIGURED:
            self._transition(Transition.TRANSITION_CONFIGURE, "configure")
        if state != State.PRIMARY_STATE_ACTIVE:
            self._transition(Transition.TRANSITION_ACTIVATE, "activate")

    def deactivate_policy(self) -> None:
        """Let the policy publish no more chunks, so that the guard brings the arms to rest.

        Raises:
            DbpError: If there is no policy, it does not answer, or it refuses.
        """
        if self.policy_state() == State.PRIMARY_STATE_ACTIVE:
            self._transition(Transition.TRANSITION_DEACTIVATE, "deactivate")

    def begin_episode(self) -> str:
        """Begin an episode of the policy and of the learner, those of the two that run.

        Raises:
            DbpError: If there is neither, or one does not answer or refuses.
        """
        names = ("policy", "learner")
        services = [f"{name}/begin_episode" for name in names]
        if not self.spin_until(lambda: any(map(self.offers, services)), DISCOVERY_S):
            raise DbpError(self._explain_absence(self.node.resolve_service_name(services[0])))
        # What is discovered is not discovered in one moment.
        self.spin_until(lambda: all(map(self.offers, services)), REST_S)
        running = [name for name in names if self.offers(f"{name}/begin_episode")]
        for name in running:
            self.trigger(f"{name}/begin_episode")
        return f"an episode has begun: {' and '.join(running)}"

    def publishers(self, topic: str) -> list[str]:
        """Return the full names of the nodes that publish a topic, once they are known."""
        name = self.node.resolve_topic_name(topic)

        def names() -> list[str]:
            found = self.node.get_publishers_info_by_topic(name)
            return [f"{info.node_namespace.rstrip('/')}/{info.node_name}" for info in found]

        # An endpoint is discovered a moment before the name of its node.
        self.spin_until(lambda: not any(UNKNOWN in name for name in names()), NAMES_S)
        return names()

    def offers(self, service: str) -> bool:
        """Return whether the node that a service, relative to the namespace, belongs to offers it.

        The list of all services would name those as well that only have a client.
        """
        owner, name = service.split("/")[0], self.node.resolve_service_name(service)
        try:
            offered = self.node.get_service_names_and_types_by_node(owner, self.namespace or "/")
        except NodeNameNonExistentError:
            return False
        return any(known == name for known, _ in offered)

    def close(self) -> None:
        """Leave the domain."""
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown()

    def _transition(self, transition: int, label: str) -> None:
        request = ChangeState.Request(transition=Transition(id=transition))
        if not self.call(ChangeState, "policy/change_state", request, TRANSITION_S).success:
            raise DbpError(f"the policy refused to {label}: see its state in dbp status")

    def _explain_absence(self, service: str) -> str:
        """Return where a service was looked for, what is there instead, and what to do."""
        wanted = service.removeprefix(self.namespace)
        elsewhere = sorted(
            name.removesuffix(wanted)
            for name, _ in self.node.get_service_names_and_types()
            if name.endswith(wanted) and name != service
        )
        lines = [f"no service {service} within {DISCOVERY_S:g} s, with {self.place}"]
        lines += [
            f"there is one in the namespace {name or '/'}: give --namespace {name or '/'}"
            for name in elsewhere
        ]
        own = self.node.context.get_domain_id()
        lines += [
            f"a guard runs on this computer in another domain: {guard}"
            for guard in listeners()
            if guard.domain != own
        ]
        here = sorted(
            name
            for name, namespace in self.node.get_node_names_and_namespaces()
            if namespace.rstrip("/") == self.namespace
            and not name.startswith("_")
            and not name.endswith(STREAMS)
        )
        if here:
            lines.append(f"nodes in the namespace {self.namespace or '/'}: {', '.join(here)}")
        elif len(lines) == 1:
            lines.append("no nodes were found: is the stack running? start it with dbp up")
        return "\n  ".join(lines)


def _sentence(service: str, response: Any) -> str:
    if not response.success:
        raise DbpError(f"{service} refused: {response.message or 'see its log'}")
    return str(response.message)
