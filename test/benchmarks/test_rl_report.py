"""Of runs of online learning is told what was asked: whether it is solved, and stays so."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.rl.run import draw, gains, summary
from benchmarks.rl.training import COLUMNS, KEY, NAME
from dbp_ros.evaluation.result_table import ResultTable, Row


@pytest.fixture
def table(tmp_path: Path) -> ResultTable:
    return ResultTable(tmp_path, NAME, COLUMNS, KEY)


def run(table: ResultTable, env: str, seed: int, success: Sequence[float]) -> None:
    """Add a run of dbpo, judged every hundred steps."""
    for index, solved in enumerate(success):
        blank: Row = dict.fromkeys(COLUMNS, 0.0)
        key = {"method": "dbpo", "env": env, "seed": seed, "env_steps": 100 * index}
        table.add({**blank, **key, "success": solved, "cpu_s": 2.0 * index})


def test_a_run_is_solved_from_when_on_it_was_never_below(table: ResultTable) -> None:
    run(table, "obstacle", 0, [0.5, 0.96, 0.94, 0.95, 0.97, 1.0, 0.99, 1.0, 1.0, 1.0])
    (row,) = summary(table)
    assert row["solved after"] == 300
    assert row["held"] == 2.0
    assert row["lowest since half way"] == 0.99


def test_the_slowest_seed_tells_when_all_are_solved(table: ResultTable) -> None:
    run(table, "obstacle", 0, [0.5, 0.96, 1.0, 1.0, 1.0])
    run(table, "obstacle", 1, [0.7, 0.94, 1.0, 1.0, 1.0])
    (row,) = summary(table)
    assert row["solved after"] == 200
    assert row["held"] == 1.0
    assert row["highest start"] == 0.7


def test_a_seed_that_falls_back_at_the_end_leaves_it_unsolved(table: ResultTable) -> None:
    run(table, "obstacle", 0, [0.5, 1.0, 1.0])
    run(table, "obstacle", 1, [0.5, 1.0, 0.9])
    (row,) = summary(table)
    assert row["solved after"] == row["held"] == ""
    assert row["lowest at the end"] == 0.9


def test_gains_are_of_the_mean_over_tasks_of_seeds_that_have_them_all(table: ResultTable) -> None:
    run(table, "push_2", 0, [0.2, 0.4, 0.8])
    run(table, "assembly_2", 0, [0.4, 0.4, 0.6])
    run(table, "push_2", 1, [0.0, 0.0, 0.0])
    (row,) = gains(table)
    assert row["seeds"] == 1
    assert row["tasks"] == row["demonstrations"] == 2
    assert row["gain"] == row["lowest gain"] == pytest.approx(0.4)


def test_where_nothing_can_be_solved_the_return_is_shown(table: ResultTable) -> None:
    run(table, "Hopper-v5", 0, [0.0, 0.0])
    (row,) = summary(table)
    assert row["measure"] == "return"
    assert row["solved after"] == ""
    assert gains(table) == []
    assert draw(table).stat().st_size > 0
