"""The comparison of modes: jobs, summary and plot."""

import dataclasses
import json
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.__main__ import main
from benchmarks.methods import METHODS, select_methods
from benchmarks.mode_toys import TOYS
from benchmarks.modes import (
    COLUMNS,
    KEY,
    ModesJob,
    covers_modes,
    modes_jobs,
    plot,
    run_modes,
    summary,
)
from dbp_ros.evaluation.result_table import ResultTable, Row

UPDATES = 20


def table(folder: Path) -> ResultTable:
    return ResultTable(folder, "modes", COLUMNS, KEY)


def row(method: str, seed: int = 0, toy: str = "two_routes", **measured: float) -> Row:
    """Return a run that covers all modes, with the metrics in `measured` replaced."""
    good = {"share_mode_1": 0.7, "share_error": 0.0, "off_mode": 0.02, "within_mode_ratio": 1.1}
    cost = {"nfe": 1, "parameters": 9, "train_s": 2.0, "latency_ms": 0.1}
    key = {"toy": toy, "method": method, "seed": seed, "updates": UPDATES}
    return {**key, **good, **cost, **measured}


def wanted(table: ResultTable, updates: int = UPDATES) -> list[tuple[str, int]]:
    jobs = modes_jobs(["two_routes"], select_methods("dbp,bc_mse"), 2, updates, table)
    return [(method.name, job.seed) for job in jobs for method in job.methods]


def test_every_method_runs_with_every_seed(tmp_path: Path) -> None:
    assert wanted(table(tmp_path)) == [("dbp", 0), ("bc_mse", 0), ("dbp", 1), ("bc_mse", 1)]


def test_methods_with_equal_training_share_one_run(tmp_path: Path) -> None:
    methods = select_methods("flow_10,dbp,flow_1")
    jobs = modes_jobs(["two_routes"], methods, 1, UPDATES, table(tmp_path))
    assert [[c.name for c in job.methods] for job in jobs] == [
        ["flow_10", "flow_1"],
        ["dbp"],
    ]


def test_runs_in_the_table_are_not_repeated(tmp_path: Path) -> None:
    table(tmp_path).add(row("dbp", seed=1))
    assert wanted(table(tmp_path)) == [("dbp", 0), ("bc_mse", 0), ("bc_mse", 1)]


def test_a_run_with_another_number_of_updates_is_a_separate_run(tmp_path: Path) -> None:
    table(tmp_path).add(row("dbp", seed=1))
    assert ("dbp", 1) in wanted(table(tmp_path), updates=2 * UPDATES)


@pytest.mark.parametrize(
    ("measure", "inside", "outside"),
    [
        ("share_error", (0.0, 0.04), (0.06, 1.0)),
        ("off_mode", (0.0, 0.049), (0.051, 1.0)),
        ("within_mode_ratio", (0.8, 1.24), (1.26, float("nan"))),
    ],
)
def test_a_run_covers_all_modes_only_within_all_bounds(
    measure: str, inside: tuple[float, ...], outside: tuple[float, ...]
) -> None:
    assert all(covers_modes(row("dbp", **{measure: value})) for value in inside)
    assert not any(covers_modes(row("dbp", **{measure: value})) for value in outside)


def test_the_summary_has_means_and_counts_in_the_order_of_the_methods(
    tmp_path: Path,
) -> None:
    results = table(tmp_path)
    for run in (
        row("dbp", toy="three_routes"),
        row("bc_mse", off_mode=1.0),
        row("dbp"),
        row("dbp", seed=1, share_mode_1=0.8, share_error=0.1),
    ):
        results.add(run)
    first, second, third = summary(results)
    assert (first["toy"], first["method"]) == ("two_routes", "dbp")
    assert (first["all modes"], first["seeds"]) == (1, 2)
    assert first["share_mode_1"] == pytest.approx(0.75)
    assert (second["method"], second["all modes"], second["off_mode"]) == ("bc_mse", 0, 1.0)
    assert (third["toy"], third["seeds"]) == ("three_routes", 1)


def test_runs_outside_the_axes_can_be_plotted(tmp_path: Path) -> None:
    results = table(tmp_path)
    for index, name in enumerate(METHODS):
        results.add(row(name, within_mode_ratio=float("nan") if index == 1 else 10.0 * index))
    with Image.open(plot(results)) as image:
        assert image.width > image.height > 200


@pytest.mark.parametrize("name", list(METHODS))
def test_every_method_fills_a_row(name: str) -> None:
    short = dataclasses.replace(
        METHODS[name], settings={**METHODS[name].settings, "width": 16, "branch_width": 16}
    )
    [measured] = run_modes(ModesJob("two_routes", (short,), 0, 2))
    assert set(measured) == set(COLUMNS)
    assert 0.0 <= measured["share_mode_1"] <= 1.0
    assert measured["latency_ms"] > 0.0


@pytest.mark.parametrize("toy", list(TOYS))
def test_every_toy_fills_a_row(toy: str) -> None:
    settings = {"width": 16, "branch_width": 16, "channels": (8, 8, 8, 8), "keypoints": 4}
    short = dataclasses.replace(METHODS["dbp"], settings=settings)
    [measured] = run_modes(ModesJob(toy, (short,), 0, 2))
    assert (measured["toy"], set(measured)) == (toy, set(COLUMNS))


def test_the_command_runs_missing_jobs_and_records_their_settings(tmp_path: Path) -> None:
    results = table(tmp_path)
    results.add(row("bc_mse"))
    before = results.path.read_text()
    words = ["modes", "--updates", str(UPDATES), "--seeds", "1", "--out", str(tmp_path)]
    assert main([*words, "--methods", "dbp,bc_mse"]) == 0
    after = results.path.read_text()
    assert after.startswith(before)
    assert [line.split(",")[1] for line in after.splitlines()] == ["method", "bc_mse", "dbp"]
    [session] = json.loads((tmp_path / "modes.json").read_text())
    assert (session["seeds"], session["updates"]) == (1, UPDATES)
    assert (tmp_path / "modes.png").exists()
