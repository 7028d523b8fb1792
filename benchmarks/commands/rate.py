"""`dbp bench rate`: how punctual the stack is, as real processes over DDS, under several loads."""

import argparse
from pathlib import Path

from benchmarks.conditions import CONDITIONS, condition_of
from benchmarks.rate import COLUMNS, RateConfig, run_rate
from benchmarks.rate_report import NAME, draw, shortcomings, summary
from dbp_ros.cli.terminal import show, status_line, terminal
from dbp_ros.errors import ConfigError
from dbp_ros.evaluation.result_table import ResultTable
from dbp_ros.extras import install_hint, is_missing


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the benchmark."""
    parser = subparsers.add_parser(
        "rate",
        help="how punctual the stack is, as real processes, under several loads",
        description=(
            "Run the whole stack with the simulated cell, with pictures of 84x84 and 640x480, "
            "alone, while models are swapped, while everything is recorded, and beside a busy "
            "loop. Conditions that are there already are not run again. 640x480 is drawn at 84x84 "
            "and enlarged: what is measured is the way of the pictures, not the drawing."
        ),
    )
    defaults = RateConfig()
    parser.add_argument("--task", default=defaults.task, help="lift, can or transport")
    parser.add_argument("--model", default=defaults.model, help="bundle: name or folder")
    parser.add_argument(
        "--duration-s",
        type=float,
        default=defaults.duration_s,
        help="of each condition (default: %(default)s; the published table has 300)",
    )
    parser.add_argument(
        "--conditions",
        default=",".join(CONDITIONS),
        help=f"some of {', '.join(CONDITIONS)} (default: all)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=defaults.out,
        help=f"folder of {NAME}.csv, {NAME}.json, {NAME}.png and logs (default: %(default)s)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure what is missing, then print and draw."""
    config = RateConfig(
        task=arguments.task,
        model=arguments.model,
        duration_s=arguments.duration_s,
        conditions=tuple(arguments.conditions.split(",")),
        out=arguments.out,
    )
    _require_recorder(config)
    console = terminal(width=140)
    table = ResultTable(config.out, NAME, COLUMNS, ("condition", "seconds"))
    with status_line(console) as tell:
        run_rate(config, table, tell)
    show(console, "the stack, with the simulated cell on the same machine", list(summary(table)))
    for row in table.rows:
        for sentence in shortcomings(row):
            console.print(sentence, highlight=False)
    console.print(f"{table.path}, {config.out / f'{NAME}.json'}, {draw(table)}")
    return 0


def _require_recorder(config: RateConfig) -> None:
    """Raise `ConfigError` if a condition records and a library for bags is missing."""
    for name in config.conditions:
        for library in ("mcap", "mcap_ros2"):
            if condition_of(name).load == "record" and is_missing(library):
                raise ConfigError(f"condition {name} needs {library}; {install_hint(library)}")
