"""`dbp bench page`: write the tables of a page anew, from the results that they are about."""

import argparse
from pathlib import Path

from benchmarks.page import refreshed
from dbp_ros.errors import ConfigError
from dbp_ros.files import check_file, write_text


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "page", help="write the tables of docs/performance.md anew", description=__doc__
    )
    parser.add_argument("--results", type=Path, default=Path("docs/results"), help="folder of CSVs")
    parser.add_argument("--page", type=Path, default=Path("docs/performance.md"), help="the page")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the page where its tables have changed.

    Raises:
        ConfigError: If there is no such page.
    """
    page: Path = arguments.page
    if not page.is_file():
        raise ConfigError(f"--page {page} is no file: give the page whose tables to write")
    check_file(page, "--page")
    before = page.read_text(encoding="utf-8")
    after = refreshed(before, arguments.results)
    if after != before:
        write_text(page, after)
    print(f"{page}: {'written anew' if after != before else 'as it was'}")
    return 0
