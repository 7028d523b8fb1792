"""The results of a benchmark on disk: a row for each run, kept as soon as it is over."""

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
from dbp_ros.evaluation.report import machine
from dbp_ros.files import atomic_file, require_folder, write_text

LIBRARIES = ("dbp_ros", "numpy", "torch", "mujoco", "metaworld", "onnxruntime")

Row = dict[str, Any]


class ResultTable:
    """Rows of one benchmark: `<name>.csv`, and `<name>.json` that says where they come from.

    A row is appended and flushed when its run is over, so a benchmark that is stopped goes on
    where it was; a row that was cut short by a kill is dropped and run again.
    """

    def __init__(
        self, directory: Path, name: str, columns: Sequence[str], key: Sequence[str]
    ) -> None:
        """Open a table, new or old.

        Args:
            directory: Its folder.
            name: Its name.
            columns: Of every row.
            key: The columns that tell runs apart.

        Raises:
            ConfigError: If there is a table with other columns, or the folder cannot be written.
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
        """The file of the rows."""
        return self.directory / f"{self.name}.csv"

    def has(self, row: Row) -> bool:
        """Return whether there is a row with the same key."""
        return any(all(mine[k] == _written(row[k]) for k in self.key) for mine in self.rows)

    def add(self, row: Row) -> None:
        """Append a row."""
        text = {name: _written(row[name]) for name in self.columns}
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self.columns, lineterminator="\n").writerow(text)
            file.flush()
            os.fsync(file.fileno())
        self.rows.append(text)

    def numbers(self, column: str, **where: Any) -> list[float]:
        """Return one column of the rows that have these values in others."""
        chosen = (r for r in self.rows if all(r[k] == _written(v) for k, v in where.items()))
        return [float(row[column]) for row in chosen if row[column] != ""]

    def values(self, column: str) -> list[str]:
        """Return the different values of a column, in the order in which they came."""
        return list(dict.fromkeys(str(row[column]) for row in self.rows))

    def describe(self, facts: Row) -> None:
        """Note what ran this session: command line, machine, versions and `facts`."""
        path = self.directory / f"{self.name}.json"
        sessions = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        session = {**provenance(), **facts}
        if session not in sessions:
            sessions.append(session)
        write_text(path, json.dumps(sessions, indent=1) + "\n")

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
    """Return what ran: command line, machine and versions."""
    return {
        "command": command_line(),
        "machine": machine(),
        "versions": dict(_installed(LIBRARIES)),
    }


def standard_error(values: Sequence[float]) -> float:
    """Return the standard error of a mean; not a number for less than two values."""
    return statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else math.nan


def _written(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def command_line() -> str:
    """Return the command line of this process as a user would type it."""
    name = Path(sys.argv[0]).name
    return shlex.join(["dbp" if name == "__main__.py" else name, *sys.argv[1:]])


def _installed(names: Iterable[str]) -> Iterable[tuple[str, str]]:
    for name in names:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue
