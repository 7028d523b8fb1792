"""Tables in files and in narrow terminals."""

import pytest
from rich.console import Console

from dbp_ros.cli.terminal import show

ROW = {"method": "dbpo", **{f"a column of some width {k}": 1.0 / (k + 1) for k in range(12)}}


def test_a_table_in_a_file_has_its_full_width(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show(Console(width=80), "wide", [{**ROW, "return": 2655.4}])
    printed = capsys.readouterr().out.splitlines()
    header, values = printed[2], printed[4]
    assert all(name in header for name in ROW)
    cells = [cell.strip() for cell in values.strip("│").split("│")]
    assert (cells[:4], cells[-1]) == (["dbpo", "1", "0.5", "0.333"], "2655")


def test_a_narrow_terminal_wraps_cells_completely(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show(Console(width=80, force_terminal=True, color_system=None), "narrow", [ROW])
    printed = capsys.readouterr().out
    assert "…" not in printed
    assert all(len(line) <= 80 for line in printed.splitlines())
