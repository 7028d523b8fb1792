"""A bundle of several windows, its sender, and a folder for received bundles."""

from pathlib import Path

import numpy as np
import pytest
from hotswap.transfer.transfers import rename
from toy_bundle import write_toy_bundle

from dbp_ros.hotswap.transfer.messages import CHUNK_BYTES, WINDOW
from dbp_ros.hotswap.transfer.sender import Sender


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle with a file of one and a half windows, and an empty one."""
    directory = write_toy_bundle(tmp_path / "sent" / "toy")
    big = np.random.default_rng(0).bytes(CHUNK_BYTES * WINDOW * 3 // 2 + 5)
    (directory / "big.bin").write_bytes(big)
    (directory / "empty.bin").write_bytes(b"")
    rename(directory, "head.onnx", "head.onnx", "big.bin", "empty.bin")
    return directory


@pytest.fixture
def sender(bundle: Path) -> Sender:
    return Sender(bundle, 1, "learner:1", share_path=False)


@pytest.fixture
def received(tmp_path: Path) -> Path:
    return tmp_path / "models" / ".received"
