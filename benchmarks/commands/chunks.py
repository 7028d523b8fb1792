"""`dbp bench chunks`: a chunk at every decision against whole chunks and fresh latents."""

import argparse
from dataclasses import asdict
from pathlib import Path

from benchmarks.chunks import COLUMNS, KEY, NAME, ChunksConfig, draw, missing, run_chunks, summary
from dbp_ros.cli.terminal import progress_of, show, terminal
from dbp_ros.evaluation.result_table import ResultTable
from dbp_ros.settings.config import check_ranges


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the benchmark."""
    parser = subparsers.add_parser(
        "chunks", help="success and jerk of ways to join chunks", description=__doc__
    )
    defaults = ChunksConfig()
    parser.add_argument("--task", default=defaults.task, help="lift, can or transport")
    parser.add_argument("--model", default=defaults.model, help="bundle: name or folder")
    parser.add_argument(
        "--episodes", type=int, default=defaults.episodes, help="of each way (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=defaults.seed, help="of the first episode")
    parser.add_argument("--camera-backend", default=defaults.camera_backend, help="of the renderer")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("build/bench"),
        help=f"folder of {NAME}.csv and {NAME}.png; episodes that are there are not run again "
        "(default: %(default)s)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run what is missing, then print and draw."""
    config = ChunksConfig(
        arguments.task,
        arguments.model,
        arguments.episodes,
        arguments.seed,
        arguments.camera_backend,
    )
    check_ranges(config)
    table, console = ResultTable(arguments.out, NAME, COLUMNS, KEY), terminal()
    table.describe(asdict(config))
    with progress_of(console) as progress:
        bar = progress.add_task(NAME, total=len(missing(config, table)))
        for _ in run_chunks(config, table):
            progress.advance(bar)
    show(console, f"ways to join chunks: {config.task}", summary(table))
    console.print(f"{table.path}, {draw(table)}")
    return 0
