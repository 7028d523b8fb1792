"""Fixtures of the hot swap."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bundle_fixtures import make_bundle, model
from hotswap.swap_harness import SwapHarness
from toy_bundle import write_toy_bundle

from dbp_ros.hotswap.model_history import ModelHistory

__all__ = ["harness", "history", "make_bundle", "model", "write"]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a bundle of a version into a folder of its own."""
    return lambda version, **changes: write_toy_bundle(
        tmp_path / f"toy{version}", version=version, **changes
    )


@pytest.fixture
def harness(write: Callable[..., Path]) -> Iterator[SwapHarness]:
    harness = SwapHarness(write(1))
    yield harness
    harness.slot.close()


@pytest.fixture
def history(tmp_path: Path) -> ModelHistory:
    return ModelHistory(tmp_path / "history", 3, 10.0)
