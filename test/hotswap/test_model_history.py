"""The last good bundles are copied completely and within limits."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from toy_bundle import write_toy_bundle

from dbp_ros.bundle.bundle import Bundle, read_bundle
from dbp_ros.bundle.manifest import MANIFEST
from dbp_ros.errors import BundleError
from dbp_ros.files import write_text
from dbp_ros.hotswap.blocklist import MAX_SAVED, Blocklist
from dbp_ros.hotswap.initial_model import load_initial_model
from dbp_ros.hotswap.model_history import BYTES_PER_MB, GOOD, ModelHistory
from dbp_ros.settings.policy import PolicyConfig

NONE = Blocklist()


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Bundle]:
    """Write a version into the one folder of the model, as a user would."""
    folder = tmp_path / "models" / "toy"
    return lambda version, **changes: read_bundle(
        write_toy_bundle(folder, version=version, **changes)
    )


@pytest.fixture
def warned() -> list[str]:
    return []


@pytest.fixture
def history(tmp_path: Path, warned: list[str]) -> ModelHistory:
    return ModelHistory(tmp_path / "history", 2, 10.0, warned.append)


def store_good(history: ModelHistory, bundle: Bundle) -> None:
    """Store a bundle and mark it as good."""
    history.store(bundle)
    history.mark_good(bundle.sha256)


def version_of(history: ModelHistory, blocklist: Blocklist = NONE) -> int | None:
    bundle = history.last_good(blocklist)
    return bundle.manifest.version if bundle else None


def test_an_overwritten_bundle_is_still_in_the_history(history, write):
    first = write(1)
    store_good(history, first)
    write(2, gain=3.0)
    stored = history.last_good(NONE)
    assert stored.sha256 == first.sha256
    assert {path.name for path in stored.directory.iterdir()} == {MANIFEST, *first.manifest.files}


def test_a_bundle_is_a_fallback_once_it_is_marked_good(history, write):
    store_good(history, write(1))
    history.store(write(2))
    assert version_of(history) == 1


def test_the_newest_good_bundle_that_is_not_blocked_is_the_fallback(history, write):
    first, second = write(1), None
    store_good(history, first)
    second = write(2)
    store_good(history, second)
    assert version_of(history) == 2
    blocklist = Blocklist()
    blocklist.add(second.sha256, "rolled back")
    assert version_of(history, blocklist) == 1
    history.mark_good(first.sha256)
    assert version_of(history) == 1
    history.drop(first.sha256)
    assert version_of(history) == 2


def test_a_damaged_copy_is_skipped(history, write):
    store_good(history, write(1))
    second = write(2)
    store_good(history, second)
    (history.path(second.sha256) / "head.onnx").write_bytes(b"half")
    assert version_of(history) == 1
    store_good(history, second)
    assert version_of(history) == 2


def test_a_bundle_that_changed_after_loading_is_not_stored(history, write, warned):
    first = write(1)
    write(2, gain=3.0)
    store_good(history, first)
    assert version_of(history) is None
    assert "has changed since it was loaded" in warned[0]


def test_bundles_beyond_the_limit_are_deleted(history, write, tmp_path):
    (tmp_path / "history" / ".left-by-a-kill.123").mkdir(parents=True)
    for version in range(1, 8):
        store_good(history, write(version))
    for version in range(8, 20):
        history.store(write(version))
    # Two good bundles, the active bundle and the previous bundle.
    assert len([path for path in (tmp_path / "history").iterdir() if path.is_dir()]) == 4
    assert version_of(history) == 7


def test_the_total_size_is_limited_but_the_newest_stays(write, tmp_path, warned):
    size = sum(path.stat().st_size for path in write(1).directory.iterdir())
    small = ModelHistory(tmp_path / "history", 9, 1.5 * size / BYTES_PER_MB, warned.append)
    first = write(1)
    store_good(small, first)
    store_good(small, write(2))
    store_good(small, write(3))
    assert version_of(small) == 3
    assert not small.path(first.sha256).exists()
    tiny = ModelHistory(tmp_path / "tiny", 9, 0.5 * size / BYTES_PER_MB, warned.append)
    store_good(tiny, first := write(4))
    assert not tiny.path(first.sha256).exists()
    assert "more than model_history_mb" in warned[-1]


def test_a_limit_of_zero_disables_the_history(write, tmp_path, warned):
    nothing = ModelHistory(tmp_path / "history", 0, 10.0, warned.append)
    store_good(nothing, write(1))
    assert not (tmp_path / "history").exists()
    assert warned == []


def test_a_limit_of_zero_neither_uses_nor_changes_an_earlier_history(history, write, tmp_path):
    store_good(history, first := write(1))
    store_good(history, second := write(2))
    nothing = ModelHistory(tmp_path / "history", 0, 10.0)
    assert version_of(nothing) is None
    nothing.mark_good(first.sha256)
    nothing.drop(second.sha256)
    assert version_of(history) == 2


def test_a_folder_that_cannot_be_written_is_a_warning(write, tmp_path, warned):
    (tmp_path / "file").write_text("no folder")
    store_good(ModelHistory(tmp_path / "file" / "history", 2, 10.0, warned.append), write(1))
    assert "model toy is not stored for a restart" in warned[0]


def test_immutable_files_are_linked(write, tmp_path, warned):
    first = write(1)
    limits = (2, 10.0, warned.append)
    history = ModelHistory(tmp_path / "history", *limits, tmp_path / "models")
    store_good(history, first)
    copy = history.path(first.sha256) / "head.onnx"
    assert copy.samefile(first.path("head.onnx"))
    shutil.rmtree(first.directory)
    assert version_of(history) == 1


def test_a_damaged_list_is_an_error(history, write, tmp_path):
    store_good(history, write(1))
    (tmp_path / "history" / GOOD).write_text("{")
    with pytest.raises(BundleError, match=r"good.json cannot be read .*: delete it"):
        history.last_good(NONE)


def load(history: ModelHistory, bundle: Bundle, blocklist: Blocklist = NONE):
    config = PolicyConfig(joints=bundle.manifest.joints)
    return load_initial_model(bundle.directory, config, blocklist, history)


def test_the_configured_bundle_is_the_initial_model(history, write):
    store_good(history, write(1))
    first = load(history, write(2))
    assert (first.model.manifest.version, first.fallback, first.refused) == (2, "", "")


def test_the_last_good_bundle_replaces_a_blocked_configured_one(history, write):
    store_good(history, write(1))
    second, blocklist = write(2), Blocklist()
    blocklist.add(second.sha256, "rolled back: requested")
    first = load(history, second, blocklist)
    assert first.model.manifest.version == 1
    assert first.refused == second.sha256
    assert first.fallback == "not tried again: rolled back: requested"


@pytest.mark.parametrize("lost", ["head.onnx", MANIFEST])
def test_the_last_good_bundle_replaces_an_incomplete_configured_one(history, write, lost):
    one = write(1)
    store_good(history, one)
    (one.directory / lost).unlink()
    first = load(history, one)
    assert first.model.bundle.sha256 == one.sha256
    assert first.model.bundle.directory == history.path(one.sha256)
    assert lost in first.fallback


def test_without_a_good_bundle_the_configured_one_is_refused(history, write):
    one = write(1)
    history.store(one)
    (one.directory / "head.onnx").unlink()
    with pytest.raises(BundleError, match=r"head.onnx is missing"):
        load(history, one)


def test_if_neither_can_be_used_both_reasons_are_given(history, write):
    one = write(1)
    store_good(history, one)
    config = PolicyConfig(joints=("elbow",))
    with pytest.raises(
        BundleError, match=r"the robot lacks .*; the last good model cannot be used"
    ):
        load_initial_model(one.directory, config, NONE, history)


def test_two_processes_merge_their_block_lists(tmp_path):
    one, other = (Blocklist(tmp_path / "failed.json") for _ in range(2))
    one.add("ab", "slow")
    other.add("cd", "not finite")
    found = Blocklist(tmp_path / "failed.json")
    assert (found.reason("ab"), found.reason("cd")) == ("slow", "not finite")


def test_a_deleted_entry_is_no_longer_blocked_while_the_list_is_in_use(tmp_path: Path) -> None:
    path = tmp_path / "failed.json"
    blocklist = Blocklist(path)
    for sha256 in ("ab", "cd"):
        blocklist.add(sha256, "slow")
    write_text(path, json.dumps({"cd": "slow"}))
    os.utime(path, ns=(1, 1))
    assert (blocklist.reason("ab"), blocklist.reason("cd")) == ("", "slow")
    blocklist.add("ef", "slow")
    assert sorted(json.loads(path.read_text())) == ["cd", "ef"]


def test_a_repeated_failure_becomes_the_newest_of_the_list(tmp_path: Path) -> None:
    blocklist = Blocklist(tmp_path / "failed.json")
    for number in range(MAX_SAVED):
        blocklist.add(str(number), "nan")
    blocklist.add("0", "nan again")
    blocklist.add("new", "nan")
    found = Blocklist(tmp_path / "failed.json")
    assert (found.reason("0"), found.reason("1")) == ("nan again", "")
