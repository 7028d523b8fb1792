"""Model bundles from other machines: receives announced bundles as swap candidates."""

from collections import deque
from pathlib import Path

from rclpy.node import Node
from std_msgs.msg import String, UInt8MultiArray

from dbp_ros.bundle.bundle import read_bundle, sha256_of
from dbp_ros.bundle.manifest import MANIFEST
from dbp_ros.errors import BundleError
from dbp_ros.hotswap.swap_status import DEFERRED, SwapPhase
from dbp_ros.hotswap.swap_transaction import SwapTransaction
from dbp_ros.hotswap.transfer.messages import WINDOW, Announcement, ChunkHeader
from dbp_ros.hotswap.transfer.receiver import (
    Receiver,
    delete_incomplete,
    delete_old,
    received_bundle,
)
from dbp_ros.nodes.ignored_messages import IgnoredMessages
from dbp_ros.nodes.qos import MODEL_CHUNKS
from dbp_ros.nodes.stateful_topic import subscribe_stateful
from dbp_ros.types import NS_PER_S

REPORT_INTERVAL_NS = NS_PER_S // 2
# Each start of a sender counts as a new one.
MAX_SENDERS = 16
# Errors of one bundle, which do not end the swap thread; the last is that of a text without UTF-8.
BUNDLE_ERRORS = (BundleError, OSError, ValueError)


class ModelReceiver:
    """Receiver of `model_announcement` and `model_chunk`, which publishes `model_request`.

    Callbacks queue their messages; `tick` processes them in the swap thread.
    """

    def __init__(self, node: Node, ignored: IgnoredMessages) -> None:
        self._ignored = ignored
        self._swap: SwapTransaction | None = None
        self._received = Path()
        self._new: deque[Announcement] = deque(maxlen=1)
        self._announcements: dict[str, Announcement] = {}
        self._receiver: Receiver | None = None
        self._is_receiving = False
        self._reported_ns = 0
        self._chunks: deque[tuple[ChunkHeader, bytes]] = deque(maxlen=4 * WINDOW)
        self._requests = node.create_publisher(String, "model_request", MODEL_CHUNKS)
        subscribe_stateful(node, String, "model_announcement", self._on_announcement)
        node.create_subscription(UInt8MultiArray, "model_chunk", self._on_chunk, MODEL_CHUNKS)

    def start(self, swap: SwapTransaction, received: Path) -> None:
        """Submit the bundles announced last and from now on.

        Args:
            swap: Receives the candidates.
            received: Folder for transferred bundles.
        """
        self._end_transfer()
        delete_incomplete(received)
        self._swap, self._received = swap, received
        self._new.extend(self._announcements.values())

    def tick(self, now_ns: int) -> None:
        """Process the queued messages."""
        assert self._swap is not None
        announcement = self._new.pop() if self._new else None
        if announcement is not None and self._swap.accepts(announcement.sha256):
            try:
                self._receive(announcement, now_ns)
            except BUNDLE_ERRORS as error:
                self._refuse(announcement, error)
        if (receiver := self._receiver) is not None:
            try:
                self._transfer(receiver, self._swap, now_ns)
            except BUNDLE_ERRORS as error:
                self._end_transfer()
                self._refuse(receiver.announcement, error)

    def _refuse(self, announcement: Announcement, error: Exception) -> None:
        assert self._swap is not None
        self._swap.report(SwapPhase.REFUSED, announcement.sha256, f"not received: {error}")

    def _receive(self, announcement: Announcement, now_ns: int) -> None:
        assert self._swap is not None
        for folder in (Path(announcement.path), received_bundle(announcement, self._received)):
            if _holds(folder, announcement.sha256):
                self._end_transfer()
                self._swap.submit(folder, announced=True)
                return
        if self._receiver and self._receiver.announcement.sha256 == announcement.sha256:
            self._receiver.resume(now_ns)
        else:
            self._end_transfer()
            self._receiver = Receiver(announcement, self._received, now_ns)
            self._chunks.clear()
        self._is_receiving = True

    def _end_transfer(self) -> None:
        """Discard the incomplete bundle, if any."""
        if self._receiver is not None:
            self._receiver.discard()
            self._receiver = None

    def _transfer(self, receiver: Receiver, swap: SwapTransaction, now_ns: int) -> None:
        while self._chunks:
            header, data = self._chunks.popleft()
            bundle = receiver.add(header, data, now_ns)
            if bundle is not None:
                self._receiver = None
                delete_old(self._received)
                swap.submit(bundle, announced=True)
                return
        sha256, sender = receiver.announcement.sha256, receiver.announcement.sender
        if (request := receiver.request(now_ns)) is not None:
            self._requests.publish(String(data=request.to_json()))
        silent = receiver.silent(now_ns)
        if silent and self._is_receiving:
            # Deferred: the transfer continues when it replies.
            swap.report(SwapPhase.REFUSED, sha256, f"{DEFERRED}: {sender} does not reply")
        self._is_receiving = not silent
        if not silent and now_ns - self._reported_ns > REPORT_INTERVAL_NS:
            self._reported_ns = now_ns
            total, count = receiver.announcement.size, receiver.received_bytes
            progress = f"{count / 1e6:.1f} of {total / 1e6:.1f} MB"
            swap.report(SwapPhase.RECEIVING, sha256, f"{progress} from {sender}")

    def _on_announcement(self, message: String) -> None:
        try:
            announcement = Announcement.from_json(message.data)
        except BundleError as error:
            self._ignored.add("model_announcement", str(error))
            return
        last = self._announcements.pop(announcement.sender, None)
        if last is None or announcement.sequence > last.sequence:
            last = announcement
            self._new.append(announcement)
        self._announcements[announcement.sender] = last
        while len(self._announcements) > MAX_SENDERS:
            del self._announcements[next(iter(self._announcements))]

    def _on_chunk(self, message: UInt8MultiArray) -> None:
        if self._receiver is None:
            # The chunk is for another receiver.
            return
        try:
            if not message.layout.dim:
                raise BundleError("a chunk of a model has no dimension with its header")
            self._chunks.append(
                (ChunkHeader.from_json(message.layout.dim[0].label), bytes(message.data))
            )
        except BundleError as error:
            self._ignored.add("model_chunk", str(error))


def _holds(folder: Path, sha256: str) -> bool:
    """Return whether a folder has the announced bundle, undamaged, and may be read.

    The path is that of the sender, which may be on another machine or of another user.
    """
    manifest = folder / MANIFEST
    try:
        return (
            folder.is_absolute()
            and manifest.is_file()
            and sha256_of(manifest) == sha256
            and read_bundle(folder).sha256 == sha256
        )
    except BUNDLE_ERRORS:
        return False
