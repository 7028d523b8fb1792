"""What benchmarks print."""

import pytest
from rich.console import Console

from dbp_ros.cli.terminal import show

ROW = {"method": "dbpo", **{f"a column of some width {k}": 1.0 / (k + 1) for k in range(12)}}


def test_a_table_that_goes_to_a_file_is_as_wide_as_it_has_to_be(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show(Console(width=80), "wide", [{**ROW, "return": 2655.4}])
    said = capsys.readouterr().out.splitlines()
    header, values = said[2], said[4]
    assert all(name in header for name in ROW)
    cells = [cell.strip() for cell in values.strip("│").split("│")]
    assert (cells[:4], cells[-1]) == (["dbpo", "1", "0.5", "0.333"], "2655")


def test_a_narrow_terminal_breaks_cells_and_loses_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show(Console(width=80, force_terminal=True, color_system=None), "narrow", [ROW])
    said = capsys.readouterr().out
    assert "…" not in said
    assert all(len(line) <= 80 for line in said.splitlines())
