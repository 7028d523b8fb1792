"""Announces a model bundle and hands it out to whoever asks: from a learner, or by itself."""

import sys
import uuid
from array import array
from pathlib import Path

from rclpy.node import Node
from std_msgs.msg import MultiArrayDimension, String, UInt8MultiArray

from dbp_ros.bundle.bundle import bundle_directory
from dbp_ros.errors import BundleError
from dbp_ros.hotswap.transfer.messages import Announcement, ChunkHeader, Request
from dbp_ros.hotswap.transfer.sender import Sender
from dbp_ros.nodes.ignored_messages import IgnoredMessages
from dbp_ros.nodes.parameters import load_settings
from dbp_ros.nodes.process import run_node
from dbp_ros.nodes.qos import LATCHED, PIECES
from dbp_ros.settings.policy import ModelSenderConfig


class ModelSender:
    """The sending side of a node. It offers one bundle at a time, the one announced last."""

    def __init__(self, node: Node, share_path: bool = True) -> None:
        """Create the topics.

        Args:
            node: The node to send for.
            share_path: Whether receivers on this machine may read the bundle's folder.
        """
        self._ignored = IgnoredMessages(node.get_logger().warning)
        self._share_path = share_path
        self._sender = f"{node.get_fully_qualified_name()}:{uuid.uuid4().hex[:8]}"
        self._sequence = 0
        self._offer: Sender | None = None
        self._announcements = node.create_publisher(String, "model_announcement", LATCHED)
        self._chunks = node.create_publisher(UInt8MultiArray, "model_chunk", PIECES)
        node.create_subscription(String, "model_request", self._on_request, PIECES)

    def announce(self, directory: Path) -> Announcement:
        """Offer a bundle from now on. Its files must stay as they are.

        Raises:
            BundleError: If it is damaged.
        """
        self._sequence += 1
        self._offer = Sender(directory, self._sequence, self._sender, self._share_path)
        announcement = self._offer.announcement
        self._announcements.publish(String(data=announcement.to_json()))
        return announcement

    def _on_request(self, message: String) -> None:
        if self._offer is None:
            return
        try:
            pieces = self._offer.pieces(Request.from_json(message.data))
        except BundleError as error:
            self._ignored.add("model_request", str(error))
            return
        for label, data in pieces:
            self._chunks.publish(chunk_message(label, data))


def chunk_message(label: ChunkHeader, data: bytes) -> UInt8MultiArray:
    """Return a piece as a message: what it is, is the label of the array's one dimension."""
    message = UInt8MultiArray(data=array("B", data))
    dimension = MultiArrayDimension(label=label.to_json(), size=len(data), stride=len(data))
    message.layout.dim = [dimension]
    return message


class ModelSenderNode(Node):  # type: ignore[misc]
    """Announces one bundle and hands it out until it is told to end."""

    def __init__(self) -> None:
        super().__init__("model_sender")
        config = load_settings(self, ModelSenderConfig)
        sender = ModelSender(self, config.share_path)
        announcement = sender.announce(bundle_directory(config.model))
        self.get_logger().info(f"announced {announcement.name} ({announcement.sha256[:12]})")

    def close(self) -> None:
        """Stop: there is nothing to stop."""


def main() -> int:
    """Run the sender."""
    return run_node(ModelSenderNode)


if __name__ == "__main__":
    sys.exit(main())
