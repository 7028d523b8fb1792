"""`dbp bench infer`: what a decision costs, by backbone, method and runtime, and at the least."""

import argparse
import tempfile
from pathlib import Path

from rich.console import Console

from benchmarks import infer, infer_report, precision, whole_policy
from benchmarks.backbones import BACKBONES
from dbp_ros.bundle.bundle import bundle_directory, read_bundle
from dbp_ros.cli.quantize import recorded_observations
from dbp_ros.cli.terminal import progress_of, show, status_line, terminal
from dbp_ros.errors import ConfigError
from dbp_ros.evaluation.result_table import ResultTable
from dbp_ros.settings.config import check_at_least

PARTS = ("policy", "precision", "backbones")


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the benchmark."""
    parser = subparsers.add_parser(
        "infer",
        help="what a decision costs, by backbone, method and runtime, and at the least",
        description=(
            "Time decisions on one thread, in turns: the shipped policy split and whole, in fewer "
            "bits, and networks up to the paper's, in one pass and in many. What is there already "
            "is not run again."
        ),
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
        "--runtimes", default=",".join(infer.RUNTIMES), help=f"some of {', '.join(infer.RUNTIMES)}"
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
    table = ResultTable(arguments.out, infer.NAME, infer.COLUMNS, infer.KEY)
    table.describe({"seconds": arguments.seconds})
    with tempfile.TemporaryDirectory() as graphs, progress_of(console) as progress:
        groups = infer.contestants(
            arguments.backbones.split(","),
            arguments.runtimes.split(","),
            arguments.devices.split(","),
            Path(graphs),
        )
        bar = progress.add_task(infer.NAME, total=len(groups))
        for group in groups.values():
            infer.run_backbone(group, arguments.seconds, table)
            progress.advance(bar)
    show(console, "a decision on one core", list(infer_report.summary(table)))
    show(console, "a core at its best", list(infer_report.floor_summary(table)))
    for sentence in infer_report.left_out(table):
        console.print(sentence, highlight=False)
    console.print(f"{table.path}, {infer_report.draw(table)}")
