"""Benchmark results on disk, one row per run."""

import csv
import json
import math
import os
import shlex
import statistics
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from dbp_ros.errors import ConfigError
from dbp_ros.evaluation.report import machine_info
from dbp_ros.files import atomic_file, require_folder, write_text

LIBRARIES = ("dbp_ros", "numpy", "torch", "mujoco", "metaworld", "onnxruntime")

Row = dict[str, Any]


class ResultTable:
    """Rows of one benchmark in `<name>.csv`, with their provenance in `<name>.json`.

    Each row is appended and flushed at the end of its run, so an interrupted benchmark can resume.
    An incomplete last row is dropped.
    """

    def __init__(
        self, directory: Path, name: str, columns: Sequence[str], key: Sequence[str]
    ) -> None:
        """Open or create a table.

        Args:
            directory: Folder of the files.
            name: Name of the files.
            columns: Columns of every row.
            key: Columns that identify a run.

        Raises:
            ConfigError: If the file has other columns, or the folder is not writable.
        """
        self.directory, self.name = directory, name
        self.columns, self.key = tuple(columns), tuple(key)
        self.rows: list[Row] = []
        require_folder(directory)
        if self.path.exists():
            self._read()
        else:
            self._rewrite()

    @property
    def path(self) -> Path:
        """CSV file of the rows."""
        return self.directory / f"{self.name}.csv"

    def has(self, row: Row) -> bool:
        """Return whether a row has the key of `row`."""
        return any(all(old[k] == _text(row[k]) for k in self.key) for old in self.rows)

    def add(self, row: Row) -> None:
        """Append a row."""
        text = {name: _text(row[name]) for name in self.columns}
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self.columns, lineterminator="\n").writerow(text)
            file.flush()
            os.fsync(file.fileno())
        self.rows.append(text)

    def numbers(self, column: str, **where: Any) -> list[float]:
        """Return a column of the rows that match `where`, without empty cells."""
        selected = (r for r in self.rows if all(r[k] == _text(v) for k, v in where.items()))
        return [float(row[column]) for row in selected if row[column] != ""]

    def values(self, column: str) -> list[str]:
        """Return the distinct values of a column in order of appearance."""
        return list(dict.fromkeys(str(row[column]) for row in self.rows))

    def describe(self, facts: Row, constant: Sequence[str] = ()) -> None:
        """Add the provenance of this session and `facts` to the JSON file.

        Args:
            facts: Settings of the session.
            constant: Names of facts that rows of other sessions must share, as no column has them.

        Raises:
            ConfigError: If the table has rows of another value.
        """
        path = self.directory / f"{self.name}.json"
        sessions = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        for name in constant:
            self.require_same(name, facts[name], [s[name] for s in sessions if name in s])
        session = {**provenance(), **facts}
        if session not in sessions:
            sessions.append(session)
        write_text(path, json.dumps(sessions, indent=1) + "\n")

    def require_same(self, name: str, value: Any, before: Iterable[Any]) -> None:
        """Check that a table that has rows is continued with a setting of its earlier sessions.

        Raises:
            ConfigError: If a value differs.
        """
        if self.rows and (others := sorted({str(one) for one in before} - {str(value)})):
            raise ConfigError(
                f"{self.path} has rows with {name} {', '.join(others)}, expected {value}: give "
                "another --out"
            )

    def _read(self) -> None:
        text = self.path.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]
        reader = csv.DictReader(whole.splitlines())
        found = tuple(reader.fieldnames or ())
        if found != self.columns:
            raise ConfigError(
                f"{self.path} has columns {', '.join(found)}, expected {', '.join(self.columns)}: "
                "give another --out"
            )
        self.rows = list(reader)
        if whole != text:
            self._rewrite()

    def _rewrite(self) -> None:
        with (
            atomic_file(self.path) as aside,
            aside.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, self.columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)


def provenance() -> Row:
    """Return command line, machine and versions."""
    return {
        "command": command_line(),
        "machine": machine_info(),
        "versions": dict(_installed(LIBRARIES)),
    }


def standard_error(values: Sequence[float]) -> float:
    """Return the standard error of the mean; NaN for fewer than two values."""
    return statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else math.nan


def _text(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def command_line() -> str:
    """Return the command line of this process, starting with `dbp`."""
    path = Path(sys.argv[0])
    words = [path.name]
    if path.name == "__main__.py":
        words = ["dbp", "bench"] if path.parent.name == "benchmarks" else ["dbp"]
    return shlex.join([*words, *sys.argv[1:]])


def _installed(names: Iterable[str]) -> Iterable[tuple[str, str]]:
    for name in names:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue
