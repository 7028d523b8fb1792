"""The benchmark of falls during online learning: runs, table and plot."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.rl import falls
from benchmarks.rl.envs import OBSTACLE
from benchmarks.rl.obstacle import imitate
from dbp_ros.evaluation.result_table import ResultTable
from dbp_ros.learning.checkpoint import Checkpoint


def untrained(method: str, seed: int, folder: Path) -> Checkpoint:
    return imitate(method, seed, 1)


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ResultTable:
    """A table with one run of two variants, in a toy instead of the cell."""
    monkeypatch.setattr(falls, "REACH", replace(OBSTACLE, imitate=untrained))
    monkeypatch.setattr(falls, "DECISIONS_PER_UPDATE", 8)
    monkeypatch.setattr(falls, "EVALUATED", 4)
    table = ResultTable(tmp_path, falls.NAME, falls.COLUMNS, falls.KEY)
    for job in falls.falls_jobs(("demo-learn", "large updates"), 1, 60, table):
        for row in falls.run_falls(job):
            table.add(row)
    return table


def test_a_run_is_described_and_not_repeated(table: ResultTable) -> None:
    assert falls.falls_jobs(("demo-learn", "large updates"), 1, 60, table) == []
    assert len(falls.falls_jobs(("demo-learn",), 3, 60, table)) == 2
    [row, _] = falls.summary(table)
    assert row["variant"] == "demo-learn"
    assert 0.0 <= float(str(row["largest fall"])) <= 1.0
    assert falls.plot(table).stat().st_size > 0


def test_the_last_variant_has_all_changes() -> None:
    together = {key for change in falls.CHANGES.values() for key in change}
    assert set(falls.VARIANTS["all of these"]) == together
    assert falls.VARIANTS["demo-learn"] == {}
