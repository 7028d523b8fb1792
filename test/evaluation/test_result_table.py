"""Benchmark results survive a kill, so the benchmark can resume."""

import math
from pathlib import Path

import pytest

from dbp_ros.errors import ConfigError
from dbp_ros.evaluation.result_table import ResultTable, command_line, standard_error


def table(folder: Path) -> ResultTable:
    return ResultTable(folder, "toy", ("method", "seed", "success"), ("method", "seed"))


def test_rows_are_read_back_and_found_by_their_key(tmp_path: Path) -> None:
    table(tmp_path).add({"method": "dbp", "seed": 1, "success": 0.75})
    again = table(tmp_path)
    assert again.has({"method": "dbp", "seed": 1})
    assert not again.has({"method": "dbp", "seed": 2})
    assert again.numbers("success", method="dbp") == [0.75]


@pytest.mark.parametrize("torn", ["dbp,2", "dbp,2,0.2"])
def test_an_incomplete_row_is_dropped(tmp_path: Path, torn: str) -> None:
    first = table(tmp_path)
    first.add({"method": "dbp", "seed": 1, "success": 0.75})
    whole = first.path.read_text()
    first.path.write_text(whole + torn)
    assert not table(tmp_path).has({"method": "dbp", "seed": 2})
    assert first.path.read_text() == whole


def test_a_table_with_other_columns_is_refused(tmp_path: Path) -> None:
    table(tmp_path)
    with pytest.raises(ConfigError, match="has columns method, seed, success, expected a"):
        ResultTable(tmp_path, "toy", ("a",), ("a",))


def test_one_value_has_no_standard_error() -> None:
    assert math.isnan(standard_error([0.5]))
    assert standard_error([0.4, 0.6]) == pytest.approx(0.1)


def test_a_number_in_a_key_is_found(tmp_path: Path) -> None:
    table = ResultTable(tmp_path, "rates", ("rate_hz", "cores"), ("rate_hz",))
    table.add({"rate_hz": 125.0, "cores": 0.5})
    assert table.has({"rate_hz": 125.0})
    assert table.numbers("cores", rate_hz=125.0) == [0.5]
    assert not table.has({"rate_hz": 250.0})


@pytest.mark.parametrize(
    ("program", "name"),
    [
        ("/clone/benchmarks/__main__.py", "dbp bench"),
        ("/clone/dbp_ros/cli/__main__.py", "dbp"),
        ("/clone/.venv/bin/dbp", "dbp"),
    ],
)
def test_a_recorded_command_can_be_given_again(
    program: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", [program, "modes", "--seeds", "3"])
    assert command_line() == f"{name} modes --seeds 3"
