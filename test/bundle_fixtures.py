"""The toy bundle as fixtures, and functions that damage it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import yaml
from toy_bundle import write_toy_bundle

from dbp_ros.bundle.bundle import read_bundle, sha256_of
from dbp_ros.bundle.golden import read_golden
from dbp_ros.bundle.manifest import MANIFEST
from dbp_ros.errors import BundleError
from dbp_ros.policy.model import Model


@pytest.fixture
def make_bundle(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a bundle and returns its folder."""
    return partial(write_toy_bundle, tmp_path / "models" / "toy")


@pytest.fixture
def model(make_bundle: Callable[..., Path]) -> Model:
    """Return the loaded toy model."""
    return Model(read_bundle(make_bundle()))


def refusal(directory: Path) -> str:
    """Return the error text for a damaged bundle or its golden cases."""
    with pytest.raises(BundleError) as caught:
        read_golden(read_bundle(directory))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def edit(directory: Path, **changes: object) -> None:
    """Change keys of a manifest on disk; None removes one."""
    path = directory / MANIFEST
    document = {**yaml.safe_load(path.read_text()), **changes}
    path.write_text(yaml.safe_dump({k: v for k, v in document.items() if v is not None}))


def rewrite_golden(directory: Path, **changes: object) -> None:
    """Change arrays of the golden cases and their sha256; None removes one."""
    path = directory / "proof.npz"
    arrays = {**np.load(path), **changes}
    np.savez(path, **{k: v for k, v in arrays.items() if v is not None})
    files = yaml.safe_load((directory / MANIFEST).read_text())["files"]
    edit(directory, files={**files, path.name: sha256_of(path)})
