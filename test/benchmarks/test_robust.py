"""Rows and summary of the robustness benchmark."""

from pathlib import Path

import pytest

from benchmarks.robust import (
    COLUMNS,
    DISTURBANCES,
    KEY,
    NAME,
    NOMINAL_ROW,
    RobustConfig,
    missing_episodes,
    names_of,
    plot,
    summary,
)
from dbp_ros.evaluation.result_table import ResultTable


@pytest.fixture
def table(tmp_path: Path) -> ResultTable:
    table = ResultTable(tmp_path, NAME, COLUMNS, KEY)
    for name in DISTURBANCES:
        for seed in (0, 1):
            row = names_of(RobustConfig(model="lift")) | {"disturbance": name, "seed": seed}
            row |= {"variant": "", "duration_s": 3.0, "moved": "left", "decisions": 9}
            table.add(row | {"success": int(seed == 0 or name == NOMINAL_ROW)})
    return table


def test_only_missing_episodes_are_run(table: ResultTable) -> None:
    config = RobustConfig(task="lift", model="models/lift", seed=0, episodes=2)
    assert missing_episodes(config, table) == []
    other = RobustConfig(task="lift", model="transport", seed=0, episodes=2)
    assert len(missing_episodes(other, table)) == 2 * len(DISTURBANCES)


def test_the_table_is_summarised_and_plotted(table: ResultTable) -> None:
    rows = summary(table)
    assert [row["disturbance"] for row in rows] == list(DISTURBANCES)
    assert rows[0]["lift"].startswith("1.00 (")
    assert rows[1]["lift"].startswith("0.50 (")
    assert plot(table).stat().st_size > 0


def test_the_first_disturbance_is_none_and_the_others_differ_from_one_another() -> None:
    assert next(iter(DISTURBANCES)) == NOMINAL_ROW
    assert len(set(DISTURBANCES.values())) == len(DISTURBANCES)
