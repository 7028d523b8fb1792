"""A change of a model's folder is detected once, by polling once a second."""

import os
import shutil
from pathlib import Path

import pytest

from dbp_ros.hotswap.folder_watcher import PERIOD_NS, FolderWatcher


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "toy"
    made.mkdir()
    (made / "manifest.yaml").write_text("one")
    (made / "head.onnx").write_text("head")
    return made


def poller(watched: FolderWatcher):
    """Return a function that polls when the next poll is due."""
    times = iter(range(0, 100 * PERIOD_NS, PERIOD_NS))
    return lambda: watched.changed(next(times))


def test_the_first_files_are_a_change_once(folder: Path) -> None:
    changed = poller(FolderWatcher(folder))
    assert [changed(), changed(), changed()] == [True, False, False]


@pytest.mark.parametrize("name", ["manifest.yaml", "head.onnx", "new.onnx"])
def test_a_written_file_is_detected_once(folder: Path, name: str) -> None:
    changed = poller(FolderWatcher(folder))
    changed()
    (folder / name).write_text("two")
    assert [changed(), changed()] == [True, False]


def test_a_copy_with_the_same_size_and_times_is_detected(folder: Path) -> None:
    changed = poller(FolderWatcher(folder))
    changed()
    file, status = folder / "head.onnx", (folder / "head.onnx").stat()
    (folder.parent / "other").write_text("daeh")
    os.utime(folder.parent / "other", ns=(status.st_atime_ns, status.st_mtime_ns))
    shutil.copy2(folder.parent / "other", file)
    assert file.stat().st_mtime_ns == status.st_mtime_ns
    assert changed()


def test_a_briefly_missing_folder_is_not_a_change(folder: Path) -> None:
    changed = poller(FolderWatcher(folder))
    changed()
    folder.rename(folder.with_name("aside"))
    assert not changed()
    folder.with_name("aside").rename(folder)
    assert not changed()


def test_nothing_is_read_between_two_polls(folder: Path) -> None:
    watched = FolderWatcher(folder)
    assert watched.changed(0)
    (folder / "head.onnx").write_text("two")
    assert not watched.changed(PERIOD_NS - 1)
    assert watched.changed(PERIOD_NS)


def test_a_dangling_link_does_not_stop_the_watch(folder: Path) -> None:
    (folder / "link").symlink_to(folder / "nowhere")
    changed = poller(FolderWatcher(folder))
    assert [changed(), changed()] == [True, False]
    (folder / "head.onnx").write_text("two")
    assert changed()
