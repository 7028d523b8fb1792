"""Actions of the operator's page as services and topics of the stack."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from geometry_msgs.msg import Point, Pose, PoseStamped, Quaternion
from rclpy.node import Node
from std_msgs.msg import Empty, Float64, String
from std_srvs.srv import Trigger

from dbp_ros.errors import DbpError
from dbp_ros.nodes.endpoints import publisher_names
from dbp_ros.nodes.operator_client import DISCOVERY_SPREAD_S, OperatorClient
from dbp_ros.nodes.qos import COMMAND, LATCHED
from dbp_ros.nodes.ros_graph import TRAJECTORY, RosGraph
from dbp_ros.panel.links import ALWAYS, Action, Report
from dbp_ros.panel.stop_path import StopPath
from dbp_ros.types import Array

STOP_RESPONSE_S = 2.0
TAKE_OVER_S = 10.0
NEW_EPISODE_S = 90.0
# Time in which a motion to the start pose ends, in [s].
HOMING_END_S = 3.0
# Time in which a running request may end when the page closes, in [s].
CLOSE_S = 2.0
HIDDEN = "_dbp_panel_"


class _Caller:
    """Client with a node of its own, as requests wait for responses in their threads."""

    def __init__(self, name: str, namespace: str, domain: int) -> None:
        self._node = Node(
            name,
            namespace=namespace,
            use_global_arguments=False,
            enable_rosout=False,
            start_parameter_services=False,
        )
        self._operator = OperatorClient(self._node, f"ROS_DOMAIN_ID={domain}")
        self._lock = threading.Lock()

    def request(self, action: Action) -> str:
        """Make a request after those that run; return its result."""
        with self._lock:
            return REQUESTS[action](self._operator)

    def close(self) -> None:
        """Destroy the node, unless a request hangs, which ends with the process."""
        if self._lock.acquire(timeout=CLOSE_S):
            self._node.destroy_node()
            self._lock.release()


class PanelLink:
    """Publishers and clients of the page; a `StackLink`."""

    def __init__(self, node: Node, arms: list[str], root: str) -> None:
        """Create publishers and clients.

        Args:
            node: Node of the page.
            arms: Names of the arms.
            root: Root link of the robot, the frame of the targets.
        """
        self._node, self._root = node, root
        self._namespace = node.get_namespace().strip("/")
        # A hold does not wait for the response to another request.
        self._callers = {
            urgent: _Caller(f"{HIDDEN}{os.getpid()}_{int(urgent)}", self._namespace, self.domain)
            for urgent in (False, True)
        }
        self._homing: subprocess.Popen[str] | None = None
        self._stop_client = node.create_client(Trigger, "guard/emergency_stop")
        self._stop_path = StopPath(self.domain, self._namespace, self._call_stop)
        self._speed = node.create_publisher(Float64, "guard/speed_scaling", LATCHED)
        self._task = node.create_publisher(String, "recorder/task", LATCHED)
        self._alive = {
            arm: node.create_publisher(Empty, f"teleop/{arm}/alive", COMMAND) for arm in arms
        }
        self._hands = {
            arm: node.create_publisher(PoseStamped, f"teleop/{arm}/hand_target", COMMAND)
            for arm in arms
        }
        self._grippers = {
            arm: node.create_publisher(Float64, f"teleop/{arm}/gripper", COMMAND) for arm in arms
        }

    @property
    def domain(self) -> int:
        """ROS domain."""
        return int(self._node.context.get_domain_id())

    def request(self, action: Action, report: Report) -> str:
        """Make one request and wait for its result; see `StackLink`."""
        if action == "home":
            return self._home(report)
        return self._callers[action in ALWAYS].request(action)

    def cancel_home(self) -> None:
        """End a motion to the start pose, as Ctrl-C does: the guard holds the arms."""
        if (homing := self._homing) is not None and homing.poll() is None:
            homing.send_signal(signal.SIGINT)

    def emergency_stop(self, report: Report) -> None:
        """Stop the arms; see `StackLink`."""
        self._stop_path.stop(report)

    def set_speed_scaling(self, factor: float) -> None:
        """Publish the factor on the velocity limits of the guard."""
        self._speed.publish(Float64(data=float(factor)))

    def set_task(self, text: str) -> None:
        """Publish the task of the next episodes of the recorder."""
        self._task.publish(String(data=text))

    def send_hand_target(self, arm: str, position: Array, wxyz: Array) -> None:
        """Publish the target pose of a hand; see `StackLink`."""
        x, y, z = map(float, position)
        w, i, j, k = map(float, wxyz / np.linalg.norm(wxyz))
        pose = Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(x=i, y=j, z=k, w=w))
        message = PoseStamped(pose=pose)
        message.header.frame_id = self._root
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._hands[arm].publish(message)

    def send_gripper(self, arm: str, opening: float) -> None:
        """Publish the target of a gripper, from 0 for closed to 1 for open."""
        self._grippers[arm].publish(Float64(data=float(opening)))

    def send_alive(self, arm: str) -> None:
        """Publish that the operator who drives an arm is connected."""
        self._alive[arm].publish(Empty())

    def close(self) -> None:
        """End a motion to the start pose, and the requests."""
        self.cancel_home()
        for caller in self._callers.values():
            caller.close()

    def _home(self, report: Report) -> str:
        """Run `dbp home`, and report its lines.

        Raises:
            DbpError: If it fails.
        """
        words = [sys.executable, "-m", "dbp_ros.cli", "home", "--enable"]
        words += ["--namespace", self._namespace] if self._namespace else []
        self._homing = subprocess.Popen(
            words,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "ROS_DOMAIN_ID": str(self.domain)},
        )
        assert self._homing.stdout is not None
        last = ""
        for line in self._homing.stdout:
            last = line.strip() or last
            report(last)
        if status := self._homing.wait():
            raise DbpError(last if last.startswith("error") else f"home ended ({status}): {last}")
        return last

    def _call_stop(self) -> str:
        """Call the stop service; return its error, empty for success."""
        if not self._stop_client.service_is_ready():
            return "no guard was found, neither on this computer nor by its service"
        done = threading.Event()
        future = self._stop_client.call_async(Trigger.Request())
        future.add_done_callback(lambda _: done.set())
        if not done.wait(STOP_RESPONSE_S):
            return f"the guard did not respond within {STOP_RESPONSE_S:g} s"
        response = future.result()
        return "" if response.success else f"the guard rejected it: {response.message}"


def _activate(operator: OperatorClient) -> str:
    operator.activate_policy()
    return "the policy is active"


def _hold(operator: OperatorClient) -> str:
    """Deactivate the policy, if it runs, and return control from an operator; return a message.

    Raises:
        DbpError: If the policy or the guard does not respond, or another node publishes chunks,
            which the guard would follow in place of those of the operator.
    """
    policy = f"{operator.namespace}/policy"
    runs = operator.spin_until(
        lambda: operator.offers("policy/get_state") or policy in _chunk_publishers(operator),
        DISCOVERY_SPREAD_S,
    )
    if runs:
        operator.deactivate_policy()
    if not operator.spin_until(lambda: _chunk_publishers(operator) <= {policy}, HOMING_END_S):
        others = ", ".join(sorted(_chunk_publishers(operator) - {policy}))
        raise DbpError(
            f"the guard may follow {others}, which publishes action chunks: end it, or press the "
            "emergency stop"
        )
    operator.give_back()
    state = "the policy is inactive" if runs else "no policy runs"
    return f"{state}, and no operator drives: the guard holds the arms"


def _chunk_publishers(operator: OperatorClient) -> set[str]:
    """Return the full names of the nodes whose chunks the guard follows without an operator."""
    topics = RosGraph(operator.node, operator.namespace).inputs_of_guard(TRAJECTORY)
    return {name for topic in topics for name in publisher_names(operator.node, topic)}


def _trigger(service: str, response_s: float, operator: OperatorClient) -> str:
    return operator.trigger(service, response_s)


REQUESTS: dict[Action, Callable[[OperatorClient], str]] = {
    "enable": lambda operator: operator.enable_control(True) or "control is enabled",
    "activate": _activate,
    "hold": _hold,
    "reset": lambda operator: operator.trigger("guard/reset") or "no stop is latched",
    "new_episode": partial(_trigger, "simulation/new_episode", NEW_EPISODE_S),
    "reset_simulation": partial(_trigger, "simulation/reset", NEW_EPISODE_S),
    "begin_episode": lambda operator: operator.begin_episode(),
    "end_success": lambda operator: operator.end_episode("success"),
    "end_failure": lambda operator: operator.end_episode("failure"),
    "discard_episode": lambda operator: operator.trigger("recorder/discard_episode"),
    "keep_last": lambda operator: operator.trigger("recorder/keep_last"),
    "take_over": partial(_trigger, "teleop/take_over", TAKE_OVER_S),
    "give_back": lambda operator: operator.give_back(),
    "rollback": lambda operator: operator.trigger("policy/rollback"),
}


def swap_of(text: str) -> dict[str, Any]:
    """Return the swap status in a message of the policy; empty if it is malformed."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) and {"name", "version", "phase"} <= set(found) else {}
