"""Terminal output keeps brackets, such as those of units."""

import ast
from pathlib import Path

import pytest
from rich.table import Table

from dbp_ros.cli import collect_cell
from dbp_ros.cli.terminal import progress_of, show, show_table, status_line, terminal
from dbp_ros.evaluation.report import EpisodeResult, build_report, report_table
from dbp_ros.telemetry.latency import Histogram, PeriodRecorder

TRICKY = "[ms] [red]not red[/red] [/] :warning: [link=x]"


def test_brackets_and_colons_are_printed_unchanged(capsys: pytest.CaptureFixture[str]) -> None:
    console = terminal()
    console.print(TRICKY)
    table = Table(TRICKY, title=TRICKY)
    table.add_row(TRICKY)
    show_table(console, table)
    show(console, TRICKY, [{TRICKY: TRICKY}])
    assert capsys.readouterr().out.count(TRICKY) == 7


def test_progress_is_shown_without_markup(capsys: pytest.CaptureFixture[str]) -> None:
    console = terminal()
    with progress_of(console) as progress:
        progress.add_task(TRICKY, total=1)
    with status_line(console, TRICKY) as show:
        show("[/] is no tag")
    assert TRICKY in capsys.readouterr().out.replace("\n", " ")


def test_the_table_of_a_demo_has_its_units(capsys: pytest.CaptureFixture[str]) -> None:
    period, summary = PeriodRecorder(4_000_000).statistics(), Histogram().summary_ms()
    guard = {"command_period": period, "limited_commands": 0, "commands": 0, "stops": 0}
    guard |= {"image_age_at_command_ms": summary, "reaction_ms": summary}
    guard["reaction_path_ms"] = {"commanded": summary}
    policy = {"decision_period": period, "inference_ms": summary, "encoding_ms": summary}
    policy |= {"decision_ms": summary, "reaction_path_ms": {"decided": summary}}
    policy |= {"decisions": 0, "refused_decisions": 0, "model": {}}
    cell = {"camera_backend": "egl"}
    idle = {**period, "realtime": True}
    report = build_report("lift", [EpisodeResult(True, 1.0, 0, 0)], guard, policy, cell, idle)
    show_table(terminal(), report_table(report))
    printed = capsys.readouterr().out
    for row in ("command period error [ms]", "inference [ms]", "decisions [Hz]", "commands [Hz]"):
        assert row in printed


def test_the_table_of_collected_episodes_has_its_units(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"episodes": 2, "successes": 1, "success_rate": 0.5, "mean_duration_s": 3.0}
    collect_cell.show(terminal(), {"left": row}, 1.0)
    assert "mean length [s]" in capsys.readouterr().out


def test_all_rich_output_goes_through_one_module(root: Path) -> None:
    allowed = root / "dbp_ros" / "cli" / "terminal.py"
    wrong = {"Console", "Progress", "TextColumn", "track", "print", "Prompt"}
    for path in (root / "dbp_ros").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                rich = node.func.id in wrong - {"print"}
                assert path == allowed or not rich, f"{path}:{node.lineno} calls {node.func.id}"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                status = node.func.attr == "status" and ast.unparse(node.func.value) == "console"
                assert path == allowed or not status, f"{path}:{node.lineno} calls console.status"
