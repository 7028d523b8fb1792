from pathlib import Path

import pytest

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.bundle.manifest import MANIFEST
from dbp_ros.errors import BundleError
from dbp_ros.hotswap.folder_watcher import FolderWatcher
from dbp_ros.resources import resource_directory
from dbp_ros.teach.deployment import deploy

MODEL = resource_directory() / "models" / "lift"
SECOND_NS = 1_000_000_000


def test_a_deployed_bundle_is_complete_and_the_watcher_finds_it(tmp_path: Path) -> None:
    live = tmp_path / "models" / "live"
    watcher = FolderWatcher(live)
    assert not watcher.changed(0)
    assert "as the first model" in deploy(MODEL, live)
    assert watcher.changed(2 * SECOND_NS)
    assert read_bundle(live).sha256 == read_bundle(MODEL).sha256
    assert "swaps it in" in deploy(MODEL, live)
    assert watcher.changed(4 * SECOND_NS)


def test_a_damaged_bundle_leaves_the_deployed_one_unchanged(tmp_path: Path) -> None:
    live, damaged = tmp_path / "live", tmp_path / "damaged"
    deploy(MODEL, live)
    deploy(MODEL, damaged)
    file = next(path for path in damaged.iterdir() if path.name != MANIFEST)
    file.write_bytes(b"damaged")
    with pytest.raises(BundleError):
        deploy(damaged, live)
    assert read_bundle(live).sha256 == read_bundle(MODEL).sha256
