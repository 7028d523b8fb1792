"""Sender of model bundles: announces a bundle and serves its chunks."""

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
from dbp_ros.nodes.qos import LATCHED, MODEL_CHUNKS
from dbp_ros.settings.policy import ModelSenderConfig


class ModelSender:
    """Sender of model bundles; it serves the bundle announced last."""

    def __init__(self, node: Node, share_path: bool = True) -> None:
        """Create the topics.

        Args:
            node: Owner of the topics.
            share_path: Whether receivers on this machine may read the bundle's folder directly.
        """
        self._ignored = IgnoredMessages(node.get_logger().warning)
        self._share_path = share_path
        self._name = f"{node.get_fully_qualified_name()}:{uuid.uuid4().hex[:8]}"
        self._sequence = 0
        self._sender: Sender | None = None
        self._announcements = node.create_publisher(String, "model_announcement", LATCHED)
        self._chunks = node.create_publisher(UInt8MultiArray, "model_chunk", MODEL_CHUNKS)
        node.create_subscription(String, "model_request", self._on_request, MODEL_CHUNKS)

    def announce(self, directory: Path) -> Announcement:
        """Announce a bundle. Its files must not change.

        Raises:
            BundleError: If it is damaged.
        """
        self._sequence += 1
        self._sender = Sender(directory, self._sequence, self._name, self._share_path)
        announcement = self._sender.announcement
        self._announcements.publish(String(data=announcement.to_json()))
        return announcement

    def _on_request(self, message: String) -> None:
        if self._sender is None:
            return
        try:
            chunks = self._sender.chunks(Request.from_json(message.data))
        except BundleError as error:
            self._ignored.add("model_request", str(error))
            return
        for header, data in chunks:
            self._chunks.publish(chunk_message(header, data))


def chunk_message(header: ChunkHeader, data: bytes) -> UInt8MultiArray:
    """Return a chunk as a message, with its header in the label of the array's dimension."""
    message = UInt8MultiArray(data=array("B", data))
    dimension = MultiArrayDimension(label=header.to_json(), size=len(data), stride=len(data))
    message.layout.dim = [dimension]
    return message


class ModelSenderNode(Node):  # type: ignore[misc]
    """Node that announces one bundle and serves it."""

    def __init__(self) -> None:
        super().__init__("model_sender")
        config = load_settings(self, ModelSenderConfig)
        sender = ModelSender(self, config.share_path)
        announcement = sender.announce(bundle_directory(config.model))
        self.get_logger().info(f"announced {announcement.name} ({announcement.sha256[:12]})")

    def close(self) -> None:
        """Do nothing: the node has no thread to stop."""


def main() -> int:
    """Run the sender."""
    return run_node(ModelSenderNode)


if __name__ == "__main__":
    sys.exit(main())
