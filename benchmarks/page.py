"""The tables of a page of documentation, written from the results that they are about.

A table stands between `<!-- NAME -->` and `<!-- end -->`, where NAME is that of its CSV.
"""

import csv
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks import chunks, infer, infer_report, precision, rate_report, scale, whole_policy
from dbp_ros.errors import ConfigError
from dbp_ros.evaluation.result_table import ResultTable, Row

TABLE = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
SUMMARIES: dict[str, Callable[[ResultTable], Iterable[Row]]] = {
    infer.NAME: infer_report.summary,
    "infer_floor": infer_report.floor_summary,
    whole_policy.NAME: whole_policy.summary,
    precision.NAME: precision.summary,
    rate_report.NAME: rate_report.summary,
    scale.NAME: scale.summary,
    chunks.NAME: chunks.summary,
}
# Tables that are made from the rows of another's file.
FILES = {"infer_floor": infer.NAME}


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
