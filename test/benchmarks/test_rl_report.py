"""Summary of online learning: when a task is solved, and the gain over tasks."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.rl.run import gains, plot, summary
from benchmarks.rl.training import COLUMNS, KEY, NAME
from dbp_ros.evaluation.result_table import ResultTable, Row


@pytest.fixture
def table(tmp_path: Path) -> ResultTable:
    return ResultTable(tmp_path, NAME, COLUMNS, KEY)


def run(table: ResultTable, env: str, seed: int, success: Sequence[float]) -> None:
    """Add a run of dbpo with an evaluation every hundred steps."""
    for index, solved in enumerate(success):
        blank: Row = dict.fromkeys(COLUMNS, 0.0)
        key = {"method": "dbpo", "env": env, "seed": seed, "env_steps": 100 * index}
        table.add({**blank, **key, "success": solved, "cpu_s": 2.0 * index})


def test_a_run_is_solved_once_success_stays_above_the_limit(table: ResultTable) -> None:
    run(table, "obstacle", 0, [0.5, 0.96, 0.94, 0.95, 0.97, 1.0, 0.99, 1.0, 1.0, 1.0])
    (row,) = summary(table)
    assert row["solved after"] == 300
    assert row["stable for"] == 2.0
    assert row["lowest in the second half"] == 0.99


def test_solved_after_is_that_of_the_slowest_seed(table: ResultTable) -> None:
    run(table, "obstacle", 0, [0.5, 0.96, 1.0, 1.0, 1.0])
    run(table, "obstacle", 1, [0.7, 0.94, 1.0, 1.0, 1.0])
    (row,) = summary(table)
    assert row["solved after"] == 200
    assert row["stable for"] == 1.0
    assert row["highest start"] == 0.7


def test_a_seed_that_drops_at_the_end_is_not_solved(table: ResultTable) -> None:
    run(table, "obstacle", 0, [0.5, 1.0, 1.0])
    run(table, "obstacle", 1, [0.5, 1.0, 0.9])
    (row,) = summary(table)
    assert row["solved after"] == row["stable for"] == ""
    assert row["lowest at the end"] == 0.9


def test_gains_average_over_tasks_for_seeds_with_all_tasks(table: ResultTable) -> None:
    run(table, "push_2", 0, [0.2, 0.4, 0.8])
    run(table, "assembly_2", 0, [0.4, 0.4, 0.6])
    run(table, "push_2", 1, [0.0, 0.0, 0.0])
    (row,) = gains(table)
    assert row["seeds"] == 1
    assert row["tasks"] == row["demonstrations"] == 2
    assert row["gain"] == row["lowest gain"] == pytest.approx(0.4)


def test_without_a_success_criterion_the_return_is_reported(table: ResultTable) -> None:
    run(table, "Hopper-v5", 0, [0.0, 0.0])
    (row,) = summary(table)
    assert row["metric"] == "return"
    assert row["solved after"] == ""
    assert gains(table) == []
    assert plot(table).stat().st_size > 0
