"""Detection of other publishers of the simulated cell's joints, at its start and at run time.

Simulated joint states in the domain of a robot are dangerous: a guard cannot distinguish the two.
The cell refuses to start if there are other publishers, and shuts down if one appears.
"""

import threading
import time
from collections import deque
from collections.abc import Collection, Sequence

import rclpy
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import JointState

from dbp_ros.nodes.cdr import UNREADABLE, CachedNames, CdrReader
from dbp_ros.nodes.endpoints import UNNAMED, publisher_names

# A participant may discover the others only after seconds, see `discovery`. The search therefore
# adds a participant in this interval.
PARTICIPANT_INTERVAL_S = 0.15
POLL_S = 0.01
# Limit for the discovery of the name of a publisher's node.
NAME_LIMIT_S = 1.0
QUEUE = 500
FULL_QUEUE = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=QUEUE, reliability=ReliabilityPolicy.BEST_EFFORT
)
# Own messages are recognised by their stamps; the queue holds fewer.
OWN_STAMPS = 8 * QUEUE


class JointStateReader:
    """Polled subscription to joint states."""

    def __init__(self, topic: str, joints: Sequence[str], context: rclpy.Context) -> None:
        """Subscribe on a separate node, which no executor spins.

        Args:
            topic: Full name of the topic.
            joints: Names of the joints.
            context: Context, that is a DDS participant.
        """
        self.node = Node(
            "joint_publisher_search",
            context=context,
            use_global_arguments=False,
            start_parameter_services=False,
            enable_rosout=False,
        )
        self._topic, self._joints, self._names = topic, set(joints), CachedNames()
        self._subscription: Subscription = self.node.create_subscription(
            JointState, topic, lambda _: None, FULL_QUEUE, raw=True
        )

    def joints_of_others(self, own_stamps: Collection[int]) -> list[str]:
        """Return the joints that other publishers have published since the last call.

        Args:
            own_stamps: Stamps of own messages in [ns], which may grow during the call.
        """
        messages = list(iter(self._take, None))
        # Copied last: the stamp of a message is added before its publication.
        known = set(own_stamps)
        others = (joints for stamp_ns, joints in messages if stamp_ns not in known)
        return sorted(set[str]().union(*others))

    def _take(self) -> tuple[int, set[str]] | None:
        """Return the stamp and the joints of the next valid message, None if the queue is empty."""
        while True:
            with self._subscription.handle:
                taken = self._subscription.handle.take_message(JointState, True)
            if taken is None:
                return None
            try:
                reader = CdrReader(taken[0])
                return reader.header(), self._joints.intersection(reader.names(self._names))
            except UNREADABLE:
                continue


class JointPublisherSearch:
    """Search of the domain for other publishers of the joints, in its own thread."""

    def __init__(
        self, context: rclpy.Context, topic: str, joints: Sequence[str], duration_s: float
    ) -> None:
        """Start the search.

        Args:
            context: Context of the process.
            topic: Full name of the topic.
            joints: Names of the joints.
            duration_s: Duration of the search.
        """
        self._own, self._topic, self._joints = context, topic, joints
        self._duration_s = duration_s
        self._problem = ""
        self._cancelled = threading.Event()
        self._thread = threading.Thread(target=self._run, name="search", daemon=True)
        self._thread.start()

    def __enter__(self) -> "JointPublisherSearch":
        """Return the search."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the search."""
        self._cancelled.set()
        self._thread.join()

    def problem(self) -> str:
        """Wait for the end of the search; return the conflict, empty if there is none."""
        self._thread.join()
        return self._problem

    def _run(self) -> None:
        start_s = time.monotonic()
        contexts: list[rclpy.Context] = []
        readers: list[JointStateReader] = []
        try:
            while not self._problem and not self._cancelled.wait(POLL_S):
                if (age_s := time.monotonic() - start_s) > self._duration_s:
                    break
                if not readers:
                    readers.append(JointStateReader(self._topic, self._joints, self._own))
                elif age_s >= len(readers) * PARTICIPANT_INTERVAL_S:
                    contexts.append(rclpy.Context())
                    contexts[-1].init()
                    readers.append(JointStateReader(self._topic, self._joints, contexts[-1]))
                for reader in readers:
                    if joints := reader.joints_of_others(()):
                        others = publishers_of(reader.node, self._topic)
                        self._problem = conflict(self._topic, joints, others)
                        break
        finally:
            for reader in readers:
                reader.node.destroy_node()
            for context in contexts:
                context.try_shutdown()


class JointPublisherWatch:
    """Detection of other publishers of the joints while the cell runs."""

    def __init__(self, node: Node, topic: str, joints: Sequence[str]) -> None:
        """Prepare without a subscription.

        Args:
            node: Node that publishes the joints; its executor thread calls `problem`.
            topic: Full name of the topic.
            joints: Names of the joints.
        """
        self._node, self._topic, self._joints = node, topic, joints
        self._stamps: deque[int] = deque(maxlen=OWN_STAMPS)
        self._reader: JointStateReader | None = None

    def add_own_stamp(self, stamp_ns: int) -> None:
        """Add the stamp of an own message before its publication. Thread-safe."""
        self._stamps.append(stamp_ns)

    def problem(self) -> str:
        """Return the conflict since the last call, empty if there is none.

        Messages are only read while there is another publisher on the topic.
        """
        if self._node.count_publishers(self._topic) < 2:
            self.close()
            return ""
        if self._reader is None:
            self._reader = JointStateReader(self._topic, self._joints, self._node.context)
        joints = self._reader.joints_of_others(self._stamps)
        if not joints:
            return ""
        others = publishers_of(self._node, self._topic)
        # Once: another simulated cell may have the same name.
        if (own := self._node.get_fully_qualified_name()) in others:
            others.remove(own)
        return conflict(self._topic, joints, others)

    def close(self) -> None:
        """End the subscription."""
        if self._reader is not None:
            self._reader.node.destroy_node()
            self._reader = None


def publishers_of(node: Node, topic: str) -> list[str]:
    """Return the full names of the nodes that publish a topic, after their discovery."""
    deadline_s = time.monotonic() + NAME_LIMIT_S
    while UNNAMED in (found := publisher_names(node, topic)) and time.monotonic() < deadline_s:
        time.sleep(POLL_S)
    return found


def conflict(topic: str, joints: Sequence[str], publishers: Sequence[str]) -> str:
    """Return the description of a conflict, and its fix.

    Args:
        topic: Full name of the topic.
        joints: Joints that others publish.
        publishers: Names of their nodes; empty if these have ended.
    """
    more = f" and {len(joints) - 1} more joints" if len(joints) > 1 else ""
    return (
        f"{' or '.join(publishers) or 'a node that has ended'} publishes {joints[0]}{more} of the "
        f"simulated cell on {topic}: end it, or give the simulation another ROS_DOMAIN_ID or "
        "namespace"
    )
