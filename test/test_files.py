import subprocess
import sys
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


def test_a_file_is_written_with_its_folder_and_nothing_beside_it(tmp_path: Path) -> None:
    write_text(tmp_path / "new" / "facts.txt", "one")
    assert (tmp_path / "new" / "facts.txt").read_text() == "one"
    assert len(list((tmp_path / "new").iterdir())) == 1


def test_an_error_leaves_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "facts.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError):
        fail_halfway(path)
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old"]


def fail_halfway(path: Path) -> None:
    with atomic_file(path) as aside:
        aside.write_text("half")
        raise RuntimeError


def write_folder(directory: Path, *names: str) -> None:
    with atomic_folder(directory) as aside:
        for name in names:
            write_text(aside / name, name)


def test_a_folder_is_written_with_the_one_above_it_and_nothing_beside_it(tmp_path: Path) -> None:
    write_folder(tmp_path / "models" / "toy", "one", "below/two")
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["toy"]
    assert (tmp_path / "models" / "toy" / "below" / "two").read_text() == "below/two"


def test_a_new_folder_holds_nothing_of_the_old_one(tmp_path: Path) -> None:
    write_folder(tmp_path / "toy", "old")
    write_folder(tmp_path / "toy", "new")
    assert [path.relative_to(tmp_path) for path in tmp_path.rglob("*")] == [
        Path("toy"),
        Path("toy/new"),
    ]


def test_an_error_leaves_the_old_folder_whole(tmp_path: Path) -> None:
    write_folder(tmp_path / "toy", "old")
    with pytest.raises(RuntimeError):
        write_half_a_folder(tmp_path / "toy")
    assert [path.name for path in tmp_path.rglob("*")] == ["toy", "old"]


def write_half_a_folder(directory: Path) -> None:
    with atomic_folder(directory) as aside:
        write_text(aside / "half", "half")
        assert (directory / "old").exists()
        raise RuntimeError


def test_a_folder_that_cannot_be_put_in_place_leaves_the_old_one(tmp_path: Path) -> None:
    write_folder(tmp_path / "toy", "old")
    with pytest.raises(FileNotFoundError):
        lose_what_was_written(tmp_path / "toy")
    assert [path.name for path in tmp_path.rglob("*")] == ["toy", "old"]


def lose_what_was_written(directory: Path) -> None:
    with atomic_folder(directory) as aside:
        aside.rmdir()


def test_a_lock_has_one_holder_and_ends_with_it_however_it_dies(tmp_path: Path) -> None:
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
