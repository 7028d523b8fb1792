"""`dbp bench infer`: time of a decision by backbone, sampler and runtime."""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from rich.console import Console

from benchmarks.flags import add_out
from benchmarks.infer import precision, timing, whole_policy
from benchmarks.infer.backbones import BACKBONES
from benchmarks.infer.samplers import SAMPLERS
from benchmarks.infer.timing import KEY, NAME, RUNTIMES
from dbp_ros.bundle.bundle import bundle_directory, read_bundle
from dbp_ros.cli.quantize import recorded_observations
from dbp_ros.cli.terminal import progress_of, show, status_line, terminal
from dbp_ros.errors import ConfigError
from dbp_ros.evaluation.result_table import ResultTable, Row
from dbp_ros.settings.flags import check_at_least

FLOAT_MODEL = "build/models/lift_float32"
PARTS = ("policy", "precision", "backbones")


def register(parser: argparse.ArgumentParser) -> None:
    """Add the benchmark."""
    parser.description = (
        "Time decisions on one thread, interleaved: the shipped policy as separate graphs and as "
        "one graph, quantized, and networks up to the size of the paper's, with one and with many "
        "inference steps. Rows in the table are not repeated."
    )
    parser.add_argument(
        "--model",
        default=FLOAT_MODEL,
        help=f"float32 bundle: name or folder (default: {FLOAT_MODEL}, from make model TASK=lift)",
    )
    parser.add_argument(
        "--data", type=Path, help="data set for the errors (default: the golden cases)"
    )
    parser.add_argument("--cases", type=int, default=200, help="observations to sample from --data")
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
        "--seconds", type=float, default=20.0, help="duration for each table (default: 20)"
    )
    add_out(parser, "infer*.csv and infer.png")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run missing variants, print the tables and save the plot."""
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
    with status_line(console, "the policy as separate graphs and as one graph"):
        whole_policy.run_policy(source, arguments.seconds, table)
    show(console, "the policy at 125 Hz, cameras at 30 Hz", list(whole_policy.summary(table)))


def _precision(arguments: argparse.Namespace, console: Console) -> None:
    table = ResultTable(arguments.out, precision.NAME, precision.COLUMNS, ("model", "precision"))
    table.describe({"seconds": arguments.seconds})
    source = read_bundle(bundle_directory(arguments.model))
    recorded = recorded_observations(source, arguments.data, arguments.cases)
    with status_line(console, "the quantized policy"):
        precision.run_precision(source, recorded, arguments.seconds, table)
    show(console, "the quantized policy", list(precision.summary(table)))
    for row in table.rows:
        if row["note"]:
            console.print(row["note"])


def _backbones(arguments: argparse.Namespace, console: Console) -> None:
    table = ResultTable(arguments.out, timing.NAME, timing.COLUMNS, timing.KEY)
    table.describe({"seconds": arguments.seconds})
    with tempfile.TemporaryDirectory() as graphs, progress_of(console) as progress:
        groups = timing.variants(
            arguments.backbones.split(","),
            arguments.runtimes.split(","),
            arguments.devices.split(","),
            Path(graphs),
        )
        bar = progress.add_task(timing.NAME, total=len(groups))
        for group in groups.values():
            timing.run_backbone(group, arguments.seconds, table)
            progress.advance(bar)
    show(console, "time of a decision on one core", list(summary(table)))
    show(console, "hardware limits of one core", list(limits_summary(table)))
    for sentence in skipped_variants(table):
        console.print(sentence, highlight=False)
    console.print(f"{table.path}, {plot(table)}")


def summary(table: ResultTable) -> Iterator[Row]:
    """Yield a row for each variant, with its time relative to one pass."""
    for row in _in_order(table):
        if row["p50_ms"] == "" or row["runtime"] == "floor":
            continue
        where = {key: row[key] for key in KEY if key != "method"}
        one_pass = table.numbers("working_ms", **where, method="one_pass")
        yield {
            **{key: row[key] for key in ("backbone", "method", "runtime", "device")},
            "p50 [ms]": float(row["p50_ms"]),
            "p99": float(row["p99_ms"]) if row["p99_ms"] else "-",
            "cold caches [ms]": float(row["cold_ms"]),
            "CPU time [ms]": float(row["working_ms"]),
            "times one pass": float(row["working_ms"]) / one_pass[0] if one_pass else "-",
            "times the limit": float(row["times_floor"]),
            "peak [MB]": float(row["peak_mb"]),
        }


def _in_order(table: ResultTable) -> list[Row]:
    """Return the rows ordered by size of the backbone."""
    return sorted(table.rows, key=lambda row: BACKBONES.index(row["backbone"]))


def skipped_variants(table: ResultTable) -> list[str]:
    """Return one sentence for each reason to skip variants."""
    reasons: dict[str, list[str]] = {}
    for row in _in_order(table):
        if row["runtime"] != "floor" and row["note"]:
            name = " ".join(row[key] for key in ("backbone", "method", "runtime"))
            reasons.setdefault(row["note"], []).append(name)
    return [f"skipped: {', '.join(names)} ({note})" for note, names in reasons.items()]


def limits_summary(table: ResultTable) -> Iterator[Row]:
    """Yield a row for each backbone: rates of reading, multiplying and copying."""
    rows = [row for row in _in_order(table) if row["runtime"] == "floor"]
    for backbone in dict.fromkeys(row["backbone"] for row in rows):
        notes = {row["method"]: row["note"] for row in rows if row["backbone"] == backbone}
        yield {
            "backbone": backbone,
            "reading the weights": notes.get("read", "-"),
            "multiplying matrices": notes.get("multiply", "-"),
            "copying memory": notes.get("copy", "-"),
        }


def plot(table: ResultTable) -> Path:
    """Plot the time of a decision by number of weights, for each sampler and runtime."""
    figure = Figure(figsize=(12, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    rows = [row for row in table.rows if row["p50_ms"] and row["device"] == "cpu"]
    for index, method in enumerate(SAMPLERS):
        for runtime, line in zip(RUNTIMES, ("-o", "--s", ":^"), strict=True):
            selected = [r for r in rows if (r["method"], r["runtime"]) == (method, runtime)]
            if selected:
                _line(left, selected, "working_ms", line, f"{method}, {runtime}", f"C{index}")
    one_pass = [r for r in rows if r["method"] == "one_pass"]
    for index, runtime in enumerate(RUNTIMES):
        selected = [r for r in one_pass if r["runtime"] == runtime]
        if selected:
            _line(right, selected, "working_ms", "-o", f"{runtime}, warm caches", f"C{index}")
            _line(right, selected, "cold_ms", ":o", f"{runtime}, cold caches", f"C{index}")
            if not index:
                _line(right, selected, "floor_ms", "--", "hardware limit, warm caches", "k")
    left.axhline(8, color="grey", linewidth=0.7)
    style = {"fontsize": 7, "color": "grey", "transform": left.get_yaxis_transform()}
    left.text(0.45, 8.6, "period at 125 Hz", **style)
    for axes, title in (
        (left, "A decision by sampler"),
        (right, "One pass and the hardware limit"),
    ):
        axes.set(xscale="log", yscale="log", xlabel="weights [millions]", ylabel="CPU time [ms]")
        axes.set_title(title)
        axes.grid(alpha=0.3, which="both")
        axes.legend(fontsize=6)
    path = table.directory / f"{NAME}.png"
    figure.savefig(path, dpi=110)
    return path


def _line(axes: Any, rows: list[Row], column: str, line: str, label: str, color: str) -> None:
    points = sorted((float(row["weights_m"]), float(row[column])) for row in rows)
    axes.plot(*zip(*points, strict=True), line, color=color, label=label, markersize=4)
