"""`dbp bench infer`: what a decision costs, by backbone, method and runtime, and at the least."""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from rich.console import Console

from benchmarks.infer import precision, timing, whole_policy
from benchmarks.infer.backbones import BACKBONES
from benchmarks.infer.samplers import SAMPLERS
from benchmarks.infer.timing import KEY, NAME, RUNTIMES
from dbp_ros.bundle.bundle import bundle_directory, read_bundle
from dbp_ros.cli.quantize import recorded_observations
from dbp_ros.cli.terminal import progress_of, show, status_line, terminal
from dbp_ros.errors import ConfigError
from dbp_ros.evaluation.result_table import ResultTable, Row
from dbp_ros.settings.fields import check_at_least

PARTS = ("policy", "precision", "backbones")


def register(parser: argparse.ArgumentParser) -> None:
    """Add the benchmark."""
    parser.description = (
        "Time decisions on one thread, in turns: the shipped policy split and whole, in fewer "
        "bits, and networks up to the paper's, in one pass and in many. What is there already "
        "is not run again."
    )
    parser.add_argument(
        "--model", default="lift", help="bundle of full precision: name or folder (default: lift)"
    )
    parser.add_argument("--data", type=Path, help="episodes to tell errors on (default: its proof)")
    parser.add_argument("--cases", type=int, default=200, help="observations of them")
    parser.add_argument(
        "--parts", default=",".join(PARTS), help=f"some of {', '.join(PARTS)} (default: all)"
    )
    parser.add_argument(
        "--backbones", default=",".join(BACKBONES), help=f"some of {', '.join(BACKBONES)}"
    )
    parser.add_argument(
        "--runtimes", default=",".join(RUNTIMES), help=f"some of {', '.join(RUNTIMES)}"
    )
    parser.add_argument("--devices", default="cpu", help="cpu, cuda or both (default: cpu)")
    parser.add_argument(
        "--seconds", type=float, default=20.0, help="of turns for each table (default: 20)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("build/bench"),
        help="folder of infer*.csv and infer.png (default: build/bench)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run what is missing, then print and draw."""
    check_at_least(0.0, seconds=arguments.seconds)
    check_at_least(1, cases=arguments.cases)
    parts = arguments.parts.split(",")
    for part in parts:
        if part not in PARTS:
            raise ConfigError(f"--parts {part}, expected some of {', '.join(PARTS)}")
    console = terminal(width=140)
    if "policy" in parts:
        _policy(arguments, console)
    if "precision" in parts:
        _precision(arguments, console)
    if "backbones" in parts:
        _backbones(arguments, console)
    return 0


def _policy(arguments: argparse.Namespace, console: Console) -> None:
    table = ResultTable(arguments.out, whole_policy.NAME, whole_policy.COLUMNS, ("model", "way"))
    table.describe({"seconds": arguments.seconds})
    source = read_bundle(bundle_directory(arguments.model))
    with status_line(console, "the policy, split and whole"):
        whole_policy.run_policy(source, arguments.seconds, table)
    show(console, "the policy at 125 Hz, cameras at 30 Hz", list(whole_policy.summary(table)))


def _precision(arguments: argparse.Namespace, console: Console) -> None:
    table = ResultTable(arguments.out, precision.NAME, precision.COLUMNS, ("model", "precision"))
    table.describe({"seconds": arguments.seconds})
    source = read_bundle(bundle_directory(arguments.model))
    recorded = recorded_observations(source, arguments.data, arguments.cases)
    with status_line(console, "the policy in fewer bits"):
        precision.run_precision(source, recorded, arguments.seconds, table)
    show(console, "the policy in fewer bits", list(precision.summary(table)))
    for row in table.rows:
        if row["note"]:
            console.print(row["note"])


def _backbones(arguments: argparse.Namespace, console: Console) -> None:
    table = ResultTable(arguments.out, timing.NAME, timing.COLUMNS, timing.KEY)
    table.describe({"seconds": arguments.seconds})
    with tempfile.TemporaryDirectory() as graphs, progress_of(console) as progress:
        groups = timing.contestants(
            arguments.backbones.split(","),
            arguments.runtimes.split(","),
            arguments.devices.split(","),
            Path(graphs),
        )
        bar = progress.add_task(timing.NAME, total=len(groups))
        for group in groups.values():
            timing.run_backbone(group, arguments.seconds, table)
            progress.advance(bar)
    show(console, "a decision on one core", list(summary(table)))
    show(console, "a core at its best", list(floor_summary(table)))
    for sentence in left_out(table):
        console.print(sentence, highlight=False)
    console.print(f"{table.path}, {draw(table)}")


def summary(table: ResultTable) -> Iterator[Row]:
    """Yield a row for each that was run, with how many times as long as one pass it takes."""
    for row in _in_order(table):
        if row["p50_ms"] == "" or row["runtime"] == "floor":
            continue
        where = {key: row[key] for key in KEY if key != "method"}
        ours = table.numbers("working_ms", **where, method="one_pass")
        yield {
            **{key: row[key] for key in ("backbone", "method", "runtime", "device")},
            "p50 [ms]": float(row["p50_ms"]),
            "p99": float(row["p99_ms"]) if row["p99_ms"] else "-",
            "caches cold": float(row["cold_ms"]),
            "of a core": float(row["working_ms"]),
            "times one pass": float(row["working_ms"]) / ours[0] if ours else "-",
            "times the floor": float(row["times_floor"]),
            "peak [MB]": float(row["peak_mb"]),
        }


def _in_order(table: ResultTable) -> list[Row]:
    """Return the rows from the smallest backbone to the largest."""
    return sorted(table.rows, key=lambda row: BACKBONES.index(row["backbone"]))


def left_out(table: ResultTable) -> list[str]:
    """Return what was not run, and why, in one sentence for each reason."""
    why: dict[str, list[str]] = {}
    for row in _in_order(table):
        if row["runtime"] != "floor" and row["note"]:
            words = " ".join(row[key] for key in ("backbone", "method", "runtime"))
            why.setdefault(row["note"], []).append(words)
    return [f"not run: {', '.join(names)} ({note})" for note, names in why.items()]


def floor_summary(table: ResultTable) -> Iterator[Row]:
    """Yield a row for each backbone: what a core reads, multiplies and copies."""
    rows = [row for row in _in_order(table) if row["runtime"] == "floor"]
    for backbone in dict.fromkeys(row["backbone"] for row in rows):
        said = {row["method"]: row["note"] for row in rows if row["backbone"] == backbone}
        yield {
            "backbone": backbone,
            "reading its weights": said.get("read", "-"),
            "multiplying matrices": said.get("multiply", "-"),
            "copying a stream": said.get("copy", "-"),
        }


def draw(table: ResultTable) -> Path:
    """Draw the time of a decision over the weights, for each method and runtime."""
    figure = Figure(figsize=(12, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    rows = [row for row in table.rows if row["p50_ms"] and row["device"] == "cpu"]
    for index, method in enumerate(SAMPLERS):
        for runtime, line in zip(RUNTIMES, ("-o", "--s", ":^"), strict=True):
            selected = [r for r in rows if (r["method"], r["runtime"]) == (method, runtime)]
            if selected:
                _line(left, selected, "working_ms", line, f"{method}, {runtime}", f"C{index}")
    ours = [r for r in rows if r["method"] == "one_pass"]
    for index, runtime in enumerate(RUNTIMES):
        selected = [r for r in ours if r["runtime"] == runtime]
        if selected:
            _line(right, selected, "working_ms", "-o", f"{runtime}, caches warm", f"C{index}")
            _line(right, selected, "cold_ms", ":o", f"{runtime}, caches cold", f"C{index}")
            if not index:
                _line(right, selected, "floor_ms", "--", "the floor, caches warm", "k")
    left.axhline(8, color="grey", linewidth=0.7)
    style = {"fontsize": 7, "color": "grey", "transform": left.get_yaxis_transform()}
    left.text(0.45, 8.6, "a period at 125 Hz", **style)
    for axes, title in ((left, "A decision, by method"), (right, "One pass, and its floor")):
        axes.set(xscale="log", yscale="log", xlabel="weights [millions]", ylabel="[ms], one core")
        axes.set_title(title)
        axes.grid(alpha=0.3, which="both")
        axes.legend(fontsize=6)
    path = table.directory / f"{NAME}.png"
    figure.savefig(path, dpi=110)
    return path


def _line(axes: Any, rows: list[Row], column: str, line: str, label: str, color: str) -> None:
    points = sorted((float(row["weights_m"]), float(row[column])) for row in rows)
    axes.plot(*zip(*points, strict=True), line, color=color, label=label, markersize=4)
