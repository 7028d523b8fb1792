"""What is measured beside a stack runs before the block does, or is said not to."""

import json
from pathlib import Path

import pytest

from dbp_ros.errors import DbpError
from dbp_ros.evaluation.running_stack import read_reference_loops, reference_loop_beside


def test_the_floor_runs_when_the_block_begins_and_is_told_when_it_ends(tmp_path: Path) -> None:
    with reference_loop_beside(tmp_path) as files:
        assert [json.loads(file.read_text()) for file in files] == [{}] * len(files)
        with pytest.raises(DbpError, match=r"floor\.json is empty: the empty loop was ended"):
            read_reference_loops(files)
    told = read_reference_loops(files)
    assert len(told) >= 2
    assert all("period_error_ms" in numbers for numbers in told), told


def test_a_floor_that_cannot_be_measured_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dbp_ros.evaluation.running_stack.START_LIMIT_S", 0.0)
    with (
        pytest.raises(DbpError, match=r"the floor was not measured; the end of .*floor\.log"),
        reference_loop_beside(tmp_path),
    ):
        pass
