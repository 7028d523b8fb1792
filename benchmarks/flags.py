"""Flags shared by the benchmarks."""

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from dbp_ros.errors import ConfigError

Known = TypeVar("Known")


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


def select_by_name(names: str, known: Mapping[str, Known], kind: str) -> list[Known]:
    """Return the values of comma-separated names, without repetitions.

    Args:
        names: Names, separated by commas.
        known: All values by name.
        kind: What a name is, for the errors.

    Raises:
        ConfigError: If a name is unknown or none is given.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    for name in wanted:
        if name not in known:
            raise ConfigError(f"no {kind} '{name}': use some of {', '.join(known)}")
    if not wanted:
        raise ConfigError(f"no {kind} given: use some of {', '.join(known)}")
    return [known[name] for name in dict.fromkeys(wanted)]
