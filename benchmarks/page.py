"""`dbp bench page`: write the tables of documentation pages from the committed results.

A table is between `<!-- NAME -->` and `<!-- end -->`, where NAME is that of its CSV;
`<!-- NAME FOLDER -->` reads the CSV from a sub-folder of the results. A pattern such as `seed_*`
reads several, with a column of values for each.
"""

import argparse
import csv
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import chunks, modes, robust, swap
from benchmarks.infer import precision, timing, whole_policy
from benchmarks.infer import run as infer
from benchmarks.metaworld import run as metaworld
from benchmarks.rate import report as rate
from benchmarks.rl import falls
from benchmarks.rl import run as rl
from benchmarks.scale import points
from benchmarks.scale import run as scale
from benchmarks.sim import run as sim
from dbp_ros.errors import ConfigError
from dbp_ros.evaluation.learning_report import WINDOW
from dbp_ros.evaluation.result_table import ResultTable, Row
from dbp_ros.evaluation.success_curve import fall_p_value, largest_fall
from dbp_ros.files import check_file, write_text

TABLE = re.compile(r"(<!-- (\w+)(?: ([\w*]+))? -->\n).*?(<!-- end -->)", re.DOTALL)
PAGES = Path("docs/results")


def _sim(table: ResultTable) -> Iterator[Row]:
    for group in sim.groups(table):
        yield from (
            {"observation": group["observation"], **row} for row in sim.summary(table, group)
        )


def _evaluate(table: ResultTable) -> Iterator[Row]:
    """Yield the solved episodes of each file that `dbp evaluate` wrote."""
    for path in sorted(table.directory.glob("evaluate_*.json")):
        outcomes = json.loads(path.read_text(encoding="utf-8"))
        yield {
            "precision": path.stem.removeprefix("evaluate_"),
            "episodes": len(outcomes),
            "solved": sum(outcome["success"] for outcome in outcomes),
        }


def _demo_learn(table: ResultTable) -> Iterator[Row]:
    solved = [row["solved"] == "True" for row in table.rows]
    report = json.loads(table.path.with_suffix(".json").read_text(encoding="utf-8"))
    rows: dict[str, float] = {"episodes": len(solved), "duration [min]": report["wall_s"] / 60}
    rows[f"success in the first {WINDOW} episodes"] = float(np.mean(solved[:WINDOW]))
    rows[f"success in the last {WINDOW} episodes"] = float(np.mean(solved[-WINDOW:]))
    rows[f"largest fall of the success in {WINDOW} episodes"] = largest_fall(solved, WINDOW)
    rows["p-value of this fall"] = fall_p_value(solved, WINDOW)
    for name in ("swaps", "rollbacks", "missed_commands", "guard_stops"):
        rows[name.replace("_", " ")] = report[name]
    yield from ({"metric": name, "value": value} for name, value in rows.items())


@dataclass(frozen=True)
class Source:
    """Origin of a table.

    Attributes:
        summary: Returns the rows.
        csv: Name of the CSV; that of the table where it is empty.
        columns: Columns of the rows to show; all where it is empty.
    """

    summary: Callable[[ResultTable], Iterable[Row]]
    csv: str = ""
    columns: tuple[str, ...] = ()


SOURCES = {
    timing.NAME: Source(infer.summary),
    "infer_floor": Source(infer.limits_summary, timing.NAME),
    whole_policy.NAME: Source(whole_policy.summary),
    precision.NAME: Source(precision.summary),
    rate.NAME: Source(rate.summary),
    points.NAME: Source(scale.summary),
    chunks.NAME: Source(chunks.summary),
    swap.NAME: Source(swap.summary),
    modes.NAME: Source(
        modes.summary,
        columns=(
            *("toy", "method", "nfe", "share_mode_1", "share_error", "off_mode"),
            *("within_mode_ratio", "all modes", "seeds"),
        ),
    ),
    robust.NAME: Source(robust.summary),
    "robust_nominal": Source(robust.nominal_summary, robust.NAME),
    "metaworld": Source(metaworld.summary),
    "sim": Source(_sim),
    "rl": Source(
        rl.summary,
        columns=(
            *("env", "method", "metric", "seeds", "env_steps", "cpu_s"),
            *("at the start", "at the end", "lowest at the end", "solved after"),
        ),
    ),
    "demo_learn": Source(_demo_learn),
    "falls": Source(falls.summary),
    "evaluate": Source(_evaluate, precision.NAME),
}


def update_tables(text: str, results: Path) -> str:
    """Return a page with current tables; a table without a CSV becomes empty.

    Args:
        text: Markdown text.
        results: Folder of the CSV files.

    Raises:
        ConfigError: If a table is unknown.
    """

    def write(found: re.Match[str]) -> str:
        name, folder = found[2], found[3] or ""
        if name not in SOURCES:
            raise ConfigError(f"table {name!r} is unknown: use one of {', '.join(SOURCES)}")
        source, csv_name = SOURCES[name], SOURCES[name].csv or name
        if "*" in folder:
            rows = _joined(source, csv_name, sorted(results.glob(folder)))
        else:
            rows = _rows(source, read_table(results / folder, csv_name))
        return f"{found[1]}{markdown(rows)}{found[4]}"

    return TABLE.sub(write, text)


def _rows(source: Source, table: ResultTable | None) -> list[Row]:
    rows = list(source.summary(table)) if table is not None else []
    return [{column: row[column] for column in source.columns or row} for row in rows]


def _joined(source: Source, csv_name: str, folders: Sequence[Path]) -> list[Row]:
    """Return rows of a metric and a value with one column of values for each folder."""
    joined: dict[str, Row] = {}
    for folder in folders:
        for row in _rows(source, read_table(folder, csv_name)):
            metric = joined.setdefault(row["metric"], {"metric": row["metric"]})
            metric[folder.name.replace("_", " ")] = row["value"]
    return list(joined.values())


def read_table(results: Path, name: str) -> ResultTable | None:
    """Return a table of the results; None if there is no CSV."""
    path = results / f"{name}.csv"
    if not path.exists():
        return None
    with path.open(encoding="utf-8", newline="") as file:
        columns = next(csv.reader(file))
    return ResultTable(results, name, columns, ())


def markdown(rows: list[Row]) -> str:
    """Return rows as a Markdown table with right-aligned numbers."""
    if not rows:
        return ""
    titles = list(rows[0])
    numbers = [all(_is_number(row[title]) for row in rows) for title in titles]
    lines = [_line(titles), _line(["--:" if number else "---" for number in numbers])]
    lines += [_line([_text(row[title]) for title in titles]) for row in rows]
    return "\n".join(lines) + "\n"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _is_number(value: object) -> bool:
    return (
        isinstance(value, float | int)
        or str(value).replace(".", "", 1).isdigit()
        or value in ("-", "")
    )


def _text(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    if math.isnan(value):
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb."""
    parser.description = __doc__
    parser.add_argument("--results", type=Path, default=PAGES, help="folder of CSVs")
    parser.add_argument(
        "--page", type=Path, nargs="+", help=f"pages to update (default: {PAGES}/*.md)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write each page whose tables have changed.

    Raises:
        ConfigError: If the page does not exist.
    """
    pages: list[Path] = arguments.page or sorted(PAGES.glob("*.md"))
    if not pages:
        raise ConfigError(f"{PAGES} has no pages: run from the clone, or pass --page")
    for page in pages:
        if not page.is_file():
            raise ConfigError(f"--page {page} is not a file: pass the page whose tables to write")
        check_file(page, "--page")
        before = page.read_text(encoding="utf-8")
        after = update_tables(before, arguments.results)
        if after != before:
            write_text(page, after)
        print(f"{page}: {'updated' if after != before else 'unchanged'}")
    return 0
