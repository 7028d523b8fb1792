"""`dbp bench`: run the benchmarks, which are only in a clone of the repository."""

import argparse
import os
import subprocess
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
        The exit status of the benchmark; 1 with a message if there is no repository.
    """
    if not (REPOSITORY / "benchmarks" / "__main__.py").is_file():
        print(MISSING, file=sys.stderr)
        return 1
    path = os.pathsep.join(filter(None, (str(REPOSITORY), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "benchmarks", *argv]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}) as child:
        while True:
            try:
                return child.wait()
            except KeyboardInterrupt:
                # The child received SIGINT too; it finishes its current write.
                continue
