"""`dbp bench`: run the benchmarks, which are part of the repository and not of the package."""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
ABSENT = (
    "error: the benchmarks are not installed with the package: clone the repository and run "
    "`make bench` or `dbp bench` there"
)


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb; its words are those of `run_benchmarks`."""
    parser.description = __doc__


def run_benchmarks(words: Sequence[str]) -> int:
    """Run `python -m benchmarks` from the repository that this package was installed from.

    Args:
        words: The command line after `dbp bench`.

    Returns:
        The exit status; 1 with a message where there are no benchmarks.
    """
    if not (REPOSITORY / "benchmarks" / "__main__.py").is_file():
        print(ABSENT, file=sys.stderr)
        return 1
    path = os.pathsep.join(filter(None, (str(REPOSITORY), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "benchmarks", *words]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}) as child:
        while True:
            try:
                return child.wait()
            except KeyboardInterrupt:
                # Ctrl-C reached the child too, which finishes what it is writing.
                continue
