"""`dbp bench swap`: what a swap of models costs the decisions of a robot that moves."""

import argparse
from pathlib import Path

from benchmarks.swap import COLUMNS, NAME, SwapBenchConfig, draw, run_swap, summary
from dbp_ros.cli.terminal import show, status_line, terminal
from dbp_ros.evaluation.result_table import ResultTable
from dbp_ros.files import require_folder


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the benchmark."""
    parser = subparsers.add_parser(
        "swap",
        help="swap models under a robot that moves: how late do decisions get",
        description=(
            "Run the whole stack for a while without a swap, with swaps of models that are read "
            "where they are, and with swaps of models that are fetched over DDS."
        ),
    )
    defaults = SwapBenchConfig()
    parser.add_argument("--task", default=defaults.task, help="reach, lift, can or transport")
    parser.add_argument("--model", default=defaults.model, help="bundle: name or folder")
    parser.add_argument(
        "--seconds", type=float, default=defaults.seconds, help="of each way (default: %(default)s)"
    )
    parser.add_argument(
        "--every", type=float, default=defaults.every_s, help="[s] a swap (default: %(default)s)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=defaults.out,
        help=f"folder of {NAME}.csv, {NAME}.png and the logs (default: %(default)s)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure, then print and draw."""
    config = SwapBenchConfig(
        task=arguments.task,
        model=arguments.model,
        seconds=arguments.seconds,
        every_s=arguments.every,
        out=arguments.out,
    )
    console = terminal()
    require_folder(config.out)
    (config.out / f"{NAME}.csv").unlink(missing_ok=True)
    table = ResultTable(config.out, NAME, COLUMNS, ("way",))
    table.describe({"model": config.model, "seconds": config.seconds, "every_s": config.every_s})
    with status_line(console) as tell:
        found = run_swap(config, table, tell)
    show(
        console,
        "decisions while models are swapped",
        summary(table),
    )
    console.print(f"{table.path}, {draw(table, found)}")
    return 0
