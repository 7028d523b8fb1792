"""`dbp bench scale`: what cameras, pixels, points, arms and decisions cost, and where it breaks."""

import argparse
import tempfile
from pathlib import Path

from benchmarks.commands.comparison import run_rows
from benchmarks.scale import AXES, COLUMNS, KEY, NAME, draw, points, prepare, run_point, summary
from dbp_ros.cli.terminal import progress_of, show, terminal
from dbp_ros.errors import ConfigError
from dbp_ros.evaluation.result_table import ResultTable
from dbp_ros.settings.config import check_at_least

KNOWN = (*AXES, "together")


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the benchmark."""
    parser = subparsers.add_parser(
        "scale",
        help="what cameras, pixels, arms and decisions cost, and where it breaks",
        description=(
            "Run the threads of the policy in one process with random weights, along one axis "
            "after the other from the shipped policy's size, and all at once."
        ),
    )
    parser.add_argument(
        "--axes", default=",".join(KNOWN), help=f"some of {', '.join(KNOWN)} (default: all)"
    )
    parser.add_argument("--seconds", type=float, default=4.0, help="of each point (default: 4)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("build/bench"),
        help=f"folder of {NAME}.csv and {NAME}.png; points that are there are not run again "
        "(default: build/bench)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run what is missing, then print and draw."""
    check_at_least(0.1, seconds=arguments.seconds)
    axes = tuple(arguments.axes.split(","))
    for axis in axes:
        if axis not in KNOWN:
            raise ConfigError(f"--axes {axis}, expected some of {', '.join(KNOWN)}")
    console = terminal(width=140)
    table = ResultTable(arguments.out, NAME, COLUMNS, KEY)
    table.describe({"seconds": arguments.seconds})
    with tempfile.TemporaryDirectory() as folder:
        wanted = points(axes, arguments.seconds, Path(folder))
        missing = [point for point in wanted if not table.has(point.key)]
        with progress_of(console) as progress:
            for point in progress.track(missing, description="writing models"):
                prepare(point)
        run_rows(table, missing, run_point, 1, console)
    show(console, "the policy in one process, without DDS", list(summary(table)))
    console.print(f"{table.path}, {draw(table)}")
    return 0
