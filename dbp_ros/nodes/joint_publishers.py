"""Other publishers of the simulated cell's joints, before it starts and while it runs.

Simulated joint states in the domain of a robot are dangerous: a guard may take either for the
other. So the cell does not start where there are others, and ends when there are some.
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

from dbp_ros.nodes.cdr import UNREADABLE, CdrReader, Names

# A participant that loses the answers of others discovers them seconds later, see `discovery`: in
# half of the cases on an idle computer. The search is repeated with new participants.
PARTICIPANT_EVERY_S = 0.15
POLL_S = 0.01
# Until a publisher's node is known by its name.
NAME_LIMIT_S = 1.0
UNKNOWN = "_NODE_NAME_UNKNOWN_"
QUEUE = 500
FULL_QUEUE = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=QUEUE, reliability=ReliabilityPolicy.BEST_EFFORT
)
# Own messages are recognised by their stamps. Kept are more than can be under way.
KNOWN_STAMPS = 8 * QUEUE


class JointStateReader:
    """A subscription to joint states that is read on demand."""

    def __init__(self, topic: str, joints: Sequence[str], context: rclpy.Context) -> None:
        """Subscribe on a node of its own, which nothing spins.

        Args:
            topic: Full name.
            joints: Which joints to look for.
            context: Participant.
        """
        self.node = Node(
            "joint_publisher_search",
            context=context,
            use_global_arguments=False,
            start_parameter_services=False,
            enable_rosout=False,
        )
        self._topic, self._joints, self._names = topic, set(joints), Names()
        self._subscription: Subscription = self.node.create_subscription(
            JointState, topic, lambda _: None, FULL_QUEUE, raw=True
        )

    def joints_of_others(self, ours: Collection[int]) -> list[str]:
        """Return which of the joints other publishers have published since the last call.

        Args:
            ours: Stamps of our own messages in [ns], which may grow during the call.
        """
        messages = list(iter(self._take, None))
        # What was published before it was taken has its stamp in the collection by now.
        known = set(ours)
        named = (joints for stamp_ns, joints in messages if stamp_ns not in known)
        return sorted(set[str]().union(*named))

    def _take(self) -> tuple[int, set[str]] | None:
        """Return stamp and joints of the next message that can be read, None where none waits."""
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
    """Search of the domain for other publishers of the joints, in a thread of its own."""

    def __init__(
        self, context: rclpy.Context, topic: str, joints: Sequence[str], duration_s: float
    ) -> None:
        """Start to search.

        Args:
            context: Participant of the process.
            topic: Full name of the topic.
            joints: Whose publishers to look for.
            duration_s: How long to search.
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
        """End the search, whether its result was read or not."""
        self._cancelled.set()
        self._thread.join()

    def problem(self) -> str:
        """Wait for the end of the search; return what was found in a sentence, empty if nothing."""
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
                elif age_s >= len(readers) * PARTICIPANT_EVERY_S:
                    contexts.append(rclpy.Context())
                    contexts[-1].init()
                    readers.append(JointStateReader(self._topic, self._joints, contexts[-1]))
                for reader in readers:
                    if joints := reader.joints_of_others(()):
                        others = publishers_of(reader.node, self._topic)
                        self._problem = sentence(self._topic, joints, others)
                        break
        finally:
            for reader in readers:
                reader.node.destroy_node()
            for context in contexts:
                context.try_shutdown()


class JointPublisherWatch:
    """Watch for other publishers of the joints while the cell publishes them."""

    def __init__(self, node: Node, topic: str, joints: Sequence[str]) -> None:
        """Prepare.

        Args:
            node: Publishes the joints; `problem` is called by the thread that spins it.
            topic: Full name of the topic.
            joints: Those that we publish.
        """
        self._node, self._topic, self._joints = node, topic, joints
        self._stamps: deque[int] = deque(maxlen=KNOWN_STAMPS)
        self._reader: JointStateReader | None = None

    def publishing(self, stamp_ns: int) -> None:
        """Note the stamp of a message of ours, before it is published. Any thread may call it."""
        self._stamps.append(stamp_ns)

    def problem(self) -> str:
        """Return in a sentence what others published since the last call; empty if nothing.

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
        # Another simulated cell may have our very name.
        if (ours := self._node.get_fully_qualified_name()) in others:
            others.remove(ours)
        return sentence(self._topic, joints, others)

    def close(self) -> None:
        """Read no more."""
        if self._reader is not None:
            self._reader.node.destroy_node()
            self._reader = None


def publishers_of(node: Node, topic: str) -> list[str]:
    """Return the full names of the nodes that publish a topic; wait until they are known."""
    deadline_s = time.monotonic() + NAME_LIMIT_S
    while True:
        found = node.get_publishers_info_by_topic(topic)
        if all(info.node_name != UNKNOWN for info in found) or time.monotonic() > deadline_s:
            break
        time.sleep(POLL_S)
    return sorted(
        f"{info.node_namespace.rstrip('/')}/{info.node_name}"
        if info.node_name != UNKNOWN
        else "a node of unknown name"
        for info in found
    )


def sentence(topic: str, joints: Sequence[str], publishers: Sequence[str]) -> str:
    """Return what is wrong and what to do.

    Args:
        topic: Full name.
        joints: Those of ours that others publish.
        publishers: Their nodes; empty where these are gone by now.
    """
    more = f" and {len(joints) - 1} more joints" if len(joints) > 1 else ""
    return (
        f"{' or '.join(publishers) or 'a node that is gone'} publishes {joints[0]}{more} of the "
        f"simulated cell on {topic}: end it, or give the simulation another ROS_DOMAIN_ID or "
        "namespace"
    )
