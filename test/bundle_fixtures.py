"""The toy bundle as fixtures."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from toy_bundle import write_toy_bundle

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.policy.model import Model


@pytest.fixture
def make_bundle(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a bundle and returns its folder."""
    return partial(write_toy_bundle, tmp_path / "models" / "toy")


@pytest.fixture
def model(make_bundle: Callable[..., Path]) -> Model:
    """The tiny model, loaded."""
    return Model(read_bundle(make_bundle()))
