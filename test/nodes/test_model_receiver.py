"""An announced bundle is read from a folder that has it undamaged, or else transferred."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from processes.fake_robot import wait_until
from rclpy.node import Node
from std_msgs.msg import String
from toy_bundle import write_toy_bundle

from dbp_ros.hotswap.swap_status import SwapPhase
from dbp_ros.hotswap.transfer.messages import Announcement
from dbp_ros.hotswap.transfer.receiver import received_bundle
from dbp_ros.hotswap.transfer.sender import Sender
from dbp_ros.nodes.ignored_messages import IgnoredMessages
from dbp_ros.nodes.model_receiver import ModelReceiver
from dbp_ros.nodes.process import spinning
from dbp_ros.nodes.qos import LATCHED


class FakeSwap:
    """Swap that records its candidates and reports."""

    def __init__(self, error: Exception | None = None) -> None:
        self.submitted: list[Path] = []
        self.reports: list[tuple[SwapPhase, str]] = []
        self._error = error

    def accepts(self, sha256: str) -> bool:
        return True

    def submit(self, directory: Path, announced: bool = False) -> None:
        if self._error:
            raise self._error
        self.submitted.append(directory)

    def report(self, phase: SwapPhase, candidate: str = "", reason: str = "") -> None:
        self.reports.append((phase, reason))


def announce(
    announcement: Announcement, swap: FakeSwap, received: Path, condition: Callable[[], object]
) -> None:
    """Announce a bundle to a receiver until a condition holds."""
    with spinning(lambda: Node("policy")) as node:
        receiver = ModelReceiver(node, IgnoredMessages(print))
        receiver.start(swap, received)
        publisher = node.create_publisher(String, "model_announcement", LATCHED)
        publisher.publish(String(data=announcement.to_json()))

        def poll() -> bool:
            receiver.tick(time.monotonic_ns())
            return bool(condition())

        wait_until(poll, "the receiver")


def test_a_damaged_folder_of_the_sender_is_replaced_by_a_received_one(
    domain: int, tmp_path: Path
) -> None:
    sent = write_toy_bundle(tmp_path / "sent")
    announcement = Sender(sent, 1, "learner:1", share_path=True).announcement
    copy = received_bundle(announcement, tmp_path / "received")
    shutil.copytree(sent, copy)
    os.truncate(sent / "head.onnx", 10)
    swap = FakeSwap()
    announce(announcement, swap, tmp_path / "received", lambda: swap.submitted)
    assert swap.submitted == [copy]


def test_a_damaged_received_bundle_is_transferred_again(domain: int, tmp_path: Path) -> None:
    sent = write_toy_bundle(tmp_path / "sent")
    announcement = Sender(sent, 1, "learner:1", share_path=False).announcement
    copy = received_bundle(announcement, tmp_path / "received")
    shutil.copytree(sent, copy)
    os.truncate(copy / "head.onnx", 10)
    swap = FakeSwap()
    announce(announcement, swap, tmp_path / "received", lambda: swap.submitted or swap.reports)
    assert [phase for phase, _ in swap.reports] == [SwapPhase.RECEIVING]


def test_an_error_of_a_value_refuses_the_bundle(domain: int, tmp_path: Path) -> None:
    sent = write_toy_bundle(tmp_path / "sent")
    announcement = Sender(sent, 1, "learner:1", share_path=True).announcement
    swap = FakeSwap(ValueError("surrogates not allowed"))
    announce(announcement, swap, tmp_path / "received", lambda: swap.reports)
    assert swap.reports == [(SwapPhase.REFUSED, "not received: surrogates not allowed")]
