"""The tables of a page of documentation, written from the results that they are about.

A table stands between `<!-- NAME -->` and `<!-- end -->`, where NAME is that of its CSV.
"""

import argparse
import csv
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks import chunks
from benchmarks.infer import precision, timing, whole_policy
from benchmarks.infer import run as infer
from benchmarks.rate import report as rate
from benchmarks.scale import points
from benchmarks.scale import run as scale
from dbp_ros.errors import ConfigError
from dbp_ros.evaluation.result_table import ResultTable, Row
from dbp_ros.files import check_file, write_text

TABLE = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
SUMMARIES: dict[str, Callable[[ResultTable], Iterable[Row]]] = {
    timing.NAME: infer.summary,
    "infer_floor": infer.floor_summary,
    whole_policy.NAME: whole_policy.summary,
    precision.NAME: precision.summary,
    rate.NAME: rate.summary,
    points.NAME: scale.summary,
    chunks.NAME: chunks.summary,
}
# Tables that are made from the rows of another's file.
FILES = {"infer_floor": timing.NAME}


def refreshed(text: str, results: Path) -> str:
    """Return a page with its tables written anew; what has no results yet is left empty.

    Args:
        text: The page.
        results: Folder of the CSVs.

    Raises:
        ConfigError: If a table is unknown.
    """

    def write(found: re.Match[str]) -> str:
        name = found[2]
        if name not in SUMMARIES:
            raise ConfigError(f"table {name!r} is unknown: use one of {', '.join(SUMMARIES)}")
        table = _read(results, FILES.get(name, name))
        rows = list(SUMMARIES[name](table)) if table is not None else []
        return f"{found[1]}{markdown(rows)}{found[3]}"

    return TABLE.sub(write, text)


def _read(results: Path, name: str) -> ResultTable | None:
    path = results / f"{name}.csv"
    if not path.exists():
        return None
    with path.open(encoding="utf-8", newline="") as file:
        columns = next(csv.reader(file))
    return ResultTable(results, name, columns, ())


def markdown(rows: list[Row]) -> str:
    """Return rows as a table in Markdown, numbers to the right."""
    if not rows:
        return ""
    titles = list(rows[0])
    numbers = [all(_number(row[title]) for row in rows) for title in titles]
    lines = [_line(titles), _line(["--:" if number else "---" for number in numbers])]
    lines += [_line([_shown(row[title]) for title in titles]) for row in rows]
    return "\n".join(lines) + "\n"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _number(value: object) -> bool:
    return (
        isinstance(value, float | int) or str(value).replace(".", "", 1).isdigit() or value == "-"
    )


def _shown(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb."""
    parser.description = __doc__
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
