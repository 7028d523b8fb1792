from pathlib import Path

import pytest

from dbp_ros.files import write_text, written_aside


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
    with written_aside(path) as aside:
        aside.write_text("half")
        raise RuntimeError
