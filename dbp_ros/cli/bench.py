"""`dbp bench`: run the benchmarks, which are only in a clone of the repository."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
MISSING = (
    "error: the benchmarks are not installed with the package: clone the repository and run "
    "`make bench` or `dbp bench` there"
)


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb, whose arguments `run_benchmarks` parses."""
    parser.description = "Run the benchmarks of the repository."


def run_benchmarks(argv: Sequence[str]) -> int:
    """Run `python -m benchmarks` in the repository that this package was installed from.

    Args:
        argv: Command line after `dbp bench`.

    Returns:
        1 with a message if there is no repository; otherwise it does not return.
    """
    if not (REPOSITORY / "benchmarks" / "__main__.py").is_file():
        print(MISSING, file=sys.stderr)
        return 1
    path = os.pathsep.join(filter(None, (str(REPOSITORY), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "benchmarks", *argv]
    sys.stdout.flush()
    # Replaces this process, so that a signal ends the benchmark and not only this command.
    os.execve(sys.executable, command, {**os.environ, "PYTHONPATH": path})
