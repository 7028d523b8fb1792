import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dbp_ros.files import atomic_file, atomic_folder, locked, write_text

HOLD = """
import sys, time
from pathlib import Path
from dbp_ros.files import locked
with locked(Path(sys.argv[1]), 0.0):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_file_is_written_with_its_folder_and_no_other_file(tmp_path: Path) -> None:
    write_text(tmp_path / "new" / "facts.txt", "one")
    assert (tmp_path / "new" / "facts.txt").read_text() == "one"
    assert len(list((tmp_path / "new").iterdir())) == 1


def test_an_error_leaves_the_old_file_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "facts.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError):
        fail_halfway(path)
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old"]


def fail_halfway(path: Path) -> None:
    with atomic_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError


def write_folder(directory: Path, *names: str) -> None:
    with atomic_folder(directory) as temporary:
        for name in names:
            write_text(temporary / name, name)


def test_a_folder_is_written_with_its_parent_and_no_other_folder(tmp_path: Path) -> None:
    write_folder(tmp_path / "models" / "toy", "one", "below/two")
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["toy"]
    assert (tmp_path / "models" / "toy" / "below" / "two").read_text() == "below/two"


def test_a_new_folder_contains_no_file_of_the_old_folder(tmp_path: Path) -> None:
    write_folder(tmp_path / "toy", "old")
    write_folder(tmp_path / "toy", "new")
    assert [path.relative_to(tmp_path) for path in tmp_path.rglob("*")] == [
        Path("toy"),
        Path("toy/new"),
    ]


def test_an_error_leaves_the_old_folder_unchanged(tmp_path: Path) -> None:
    write_folder(tmp_path / "toy", "old")
    with pytest.raises(RuntimeError):
        write_half_a_folder(tmp_path / "toy")
    assert [path.name for path in tmp_path.rglob("*")] == ["toy", "old"]


def write_half_a_folder(directory: Path) -> None:
    with atomic_folder(directory) as temporary:
        write_text(temporary / "half", "half")
        assert (directory / "old").exists()
        raise RuntimeError


def test_a_failed_rename_leaves_the_old_folder(tmp_path: Path) -> None:
    write_folder(tmp_path / "toy", "old")
    with pytest.raises(FileNotFoundError):
        delete_the_temporary_folder(tmp_path / "toy")
    assert [path.name for path in tmp_path.rglob("*")] == ["toy", "old"]


def delete_the_temporary_folder(directory: Path) -> None:
    with atomic_folder(directory) as temporary:
        temporary.rmdir()


KILLED = """
import os, signal, sys
from pathlib import Path
from dbp_ros.files import atomic_file, atomic_folder
write = atomic_folder if sys.argv[2] == "folder" else atomic_file
with write(Path(sys.argv[1])) as temporary:
    (temporary / "half" if temporary.is_dir() else temporary).write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("kind", "write"), [("file", write_text), ("folder", write_folder)])
def test_what_a_killed_process_was_writing_is_removed(
    tmp_path: Path, kind: str, write: Callable[[Path, str], None]
) -> None:
    target = tmp_path / "toy"
    subprocess.run([sys.executable, "-c", KILLED, str(target), kind])
    write(tmp_path / "other", "new")
    left = {path.name for path in tmp_path.iterdir()}
    assert len(left) == 2
    write(target, "new")
    assert {path.name for path in tmp_path.iterdir()} == {"toy", "other"}


def test_what_another_process_or_machine_writes_stays(tmp_path: Path) -> None:
    others = {f".toy.{os.uname().nodename}.{os.getppid()}", ".toy.elsewhere.99999999", ".toy.yaml"}
    for name in others:
        (tmp_path / name).touch()
    write_text(tmp_path / "toy", "new")
    assert {path.name for path in tmp_path.iterdir()} == {"toy", *others}


def test_the_old_folder_of_a_process_killed_between_two_renames_is_restored(tmp_path: Path) -> None:
    write_folder(tmp_path / f".toy.{os.uname().nodename}.99999999.old", "old")
    with pytest.raises(RuntimeError):
        write_half_a_folder(tmp_path / "toy")
    assert [path.name for path in tmp_path.rglob("*")] == ["toy", "old"]


def test_a_lock_is_exclusive_and_ends_with_a_killed_process(tmp_path: Path) -> None:
    path = tmp_path / "new" / "lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(TimeoutError, match="another process still holds"), locked(path, 0.2):
            pass
        holder.kill()
    with locked(path, 1.0):
        pass
