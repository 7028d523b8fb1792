"""Model bundles from other machines: hears of them, fetches them, proposes them."""

from collections import deque
from pathlib import Path

from rclpy.node import Node
from std_msgs.msg import String, UInt8MultiArray

from dbp_ros.bundle.bundle import sha256_of
from dbp_ros.bundle.manifest import MANIFEST
from dbp_ros.errors import BundleError
from dbp_ros.hotswap.swap import Swap
from dbp_ros.hotswap.swap_status import SwapPhase
from dbp_ros.hotswap.transfer.messages import WINDOW, Announcement, ChunkHeader
from dbp_ros.hotswap.transfer.receiver import Receiver, delivered, forget_old
from dbp_ros.nodes.ignored_messages import IgnoredMessages
from dbp_ros.nodes.qos import PIECES
from dbp_ros.nodes.stateful_topic import subscribe_stateful
from dbp_ros.types import NS_PER_S

TELL_NS = NS_PER_S // 2
# A sender that is started again is another one.
SENDERS_KNOWN = 16


class ModelReceiver:
    """Takes `model_announcement`, asks on `model_request`, puts together what `model_chunk` brings.

    Callbacks only leave their message; the work is done by `tick`, in the thread of the swap.
    """

    def __init__(self, node: Node, ignored: IgnoredMessages) -> None:
        self._ignored = ignored
        self._swap: Swap | None = None
        self._received = Path()
        self._news: deque[Announcement] = deque(maxlen=1)
        self._heard: dict[str, Announcement] = {}
        self._delivery: Receiver | None = None
        self._waiting = False
        self._told_ns = 0
        self._mail: deque[tuple[ChunkHeader, bytes]] = deque(maxlen=4 * WINDOW)
        self._requests = node.create_publisher(String, "model_request", PIECES)
        subscribe_stateful(node, String, "model_announcement", self._on_announcement)
        node.create_subscription(UInt8MultiArray, "model_chunk", self._on_chunk, PIECES)

    def begin(self, swap: Swap, received: Path) -> None:
        """Propose what is announced from now on, and what was announced last.

        Args:
            swap: Takes the proposals.
            received: Folder for bundles that have to be fetched.
        """
        self._delivery = None
        self._swap, self._received = swap, received
        self._news.extend(self._heard.values())

    def tick(self, now_ns: int) -> None:
        """Do what there is to do with what has arrived."""
        assert self._swap is not None
        news = self._news.pop() if self._news else None
        try:
            if news is not None and self._swap.wants(news.sha256):
                self._consider(news, now_ns)
            if self._delivery is not None:
                self._go_on(self._delivery, self._swap, now_ns)
        except (BundleError, OSError) as error:
            sha256 = self._delivery.announcement.sha256 if self._delivery else ""
            self._delivery = None
            self._swap.say(SwapPhase.REFUSED, sha256, f"not received: {error}")

    def _consider(self, news: Announcement, now_ns: int) -> None:
        assert self._swap is not None
        for folder in (Path(news.path), delivered(news, self._received)):
            manifest = folder / MANIFEST
            if folder.is_absolute() and manifest.is_file() and sha256_of(manifest) == news.sha256:
                self._delivery = None
                self._swap.propose(folder, announced=True)
                return
        if self._delivery and self._delivery.announcement.sha256 == news.sha256:
            self._delivery.resume(now_ns)
        else:
            self._mail.clear()
            self._delivery = Receiver(news, self._received, now_ns)
        self._waiting = True

    def _go_on(self, delivery: Receiver, swap: Swap, now_ns: int) -> None:
        while self._mail:
            label, data = self._mail.popleft()
            whole = delivery.take(label, data, now_ns)
            if whole is not None:
                self._delivery = None
                forget_old(self._received)
                swap.propose(whole, announced=True)
                return
        about = delivery.announcement
        if (request := delivery.request(now_ns)) is not None:
            self._requests.publish(String(data=request.to_json()))
        silent = delivery.silent(now_ns)
        if silent and self._waiting:
            swap.say(SwapPhase.REFUSED, about.sha256, f"{about.sender} is silent: waiting for it")
        self._waiting = not silent
        if not silent and now_ns - self._told_ns > TELL_NS:
            self._told_ns = now_ns
            arrived = f"{delivery.arrived_bytes / 1e6:.1f} of {about.size / 1e6:.1f} MB"
            swap.say(SwapPhase.RECEIVING, about.sha256, f"{arrived} from {about.sender}")

    def _on_announcement(self, message: String) -> None:
        try:
            news = Announcement.from_json(message.data)
        except BundleError as error:
            self._ignored.add("model_announcement", str(error))
            return
        before = self._heard.pop(news.sender, None)
        if before is None or news.sequence > before.sequence:
            before = news
            self._news.append(news)
        self._heard[news.sender] = before
        while len(self._heard) > SENDERS_KNOWN:
            del self._heard[next(iter(self._heard))]

    def _on_chunk(self, message: UInt8MultiArray) -> None:
        if self._delivery is None:
            # It is for another receiver.
            return
        try:
            if not message.layout.dim:
                raise BundleError("a piece of a model has no dimension with its label")
            self._mail.append(
                (ChunkHeader.from_json(message.layout.dim[0].label), bytes(message.data))
            )
        except BundleError as error:
            self._ignored.add("model_chunk", str(error))
