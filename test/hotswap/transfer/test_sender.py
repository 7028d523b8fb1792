"""Chunks of an announced bundle are sent on request."""

import os
from pathlib import Path

import pytest

from dbp_ros.bundle.manifest import MANIFEST
from dbp_ros.errors import BundleError
from dbp_ros.hotswap.transfer.messages import WINDOW, Request, num_chunks
from dbp_ros.hotswap.transfer.sender import Sender


def test_at_most_a_window_is_sent(sender: Sender) -> None:
    sha256 = sender.announcement.sha256
    assert len(sender.chunks(Request(sha256, "big.bin", 0, 10**9))) == WINDOW
    assert len(sender.chunks(Request(sha256, "big.bin", 20, 10**9))) == WINDOW * 3 // 2 + 1 - 20


def test_a_request_beyond_the_end_returns_the_last_chunk(sender: Sender) -> None:
    [(header, _)] = sender.chunks(Request(sender.announcement.sha256, "big.bin", 10**9, WINDOW))
    assert header.index == num_chunks(header.size) - 1


@pytest.mark.parametrize("name", ["../secret", "secret", "/etc/passwd", "", "."])
def test_only_files_of_the_bundle_are_sent(sender: Sender, bundle: Path, name: str) -> None:
    (bundle / "secret").write_text("a key")
    assert sender.chunks(Request(sender.announcement.sha256, name, 0, 1)) == []


def test_another_bundle_is_not_sent(sender: Sender) -> None:
    assert sender.chunks(Request("0" * 64, MANIFEST, 0, 1)) == []


def test_a_deleted_file_is_an_error(sender: Sender, bundle: Path) -> None:
    (bundle / "big.bin").unlink()
    with pytest.raises(BundleError, match=r"big.bin cannot be sent"):
        sender.chunks(Request(sender.announcement.sha256, "big.bin", 0, 1))


def test_a_damaged_bundle_is_not_announced(bundle: Path) -> None:
    os.truncate(bundle / "big.bin", 10)
    with pytest.raises(BundleError, match=r"big.bin was changed or truncated"):
        Sender(bundle, 1, "learner:1", share_path=False)
