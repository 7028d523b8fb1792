"""Flags shared by the benchmarks."""

import argparse
from collections.abc import Iterable
from pathlib import Path


def add_out(parser: argparse.ArgumentParser, names: str) -> None:
    """Add `--out`, the folder of the result files `names`."""
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("build/bench"),
        help=f"folder of {names}; rows in the table are not repeated (default: %(default)s)",
    )


def add_suite(
    parser: argparse.ArgumentParser, suites: Iterable[str], default: str, help_text: str
) -> None:
    """Add `--suite`."""
    parser.add_argument(
        "--suite",
        choices=tuple(suites),
        default=default,
        help=f"{help_text} (default: {default})",
    )
