"""The log of a run: a CSV table, a TensorBoard file and a plot."""

import csv
import math
import time
from collections.abc import Callable
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch.utils.tensorboard.writer import SummaryWriter

from dbp_ros.files import write_text

TABLE = "log.csv"
CURVES = "curves.png"
TENSORBOARD = "tensorboard"
# A plot takes half a second of CPU time.
PLOT_INTERVAL_S = 20.0
LOGARITHMIC_FROM = 10.0


class TrainingLog:
    """Log of the validations of a run, in its folder."""

    def __init__(self, run: Path, plot: Callable[[Path], None] | None = None) -> None:
        """Log to a folder, which is created with the first row.

        Args:
            run: The folder.
            plot: Plots the table, at intervals and at the end; `plot_curves` by default.
        """
        self._run, self._plot = run, plot or plot_curves
        self._tensorboard: SummaryWriter | None = None
        self._plotted_s, self._stale = -math.inf, False

    def add(self, update: int, row: dict[str, float]) -> None:
        """Append a row, with a header if it is the first, and plot at intervals."""
        self._run.mkdir(parents=True, exist_ok=True)
        path = self._run / TABLE
        new = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(["update", *row])
            writer.writerow([update, *(f"{value:.6g}" for value in row.values())])
        if self._tensorboard is None:
            self._tensorboard = SummaryWriter(str(self._run / TENSORBOARD), purge_step=update)
        for name, value in row.items():
            self._tensorboard.add_scalar(name, value, update)
        self._tensorboard.flush()
        self._stale = True
        if time.monotonic() - self._plotted_s > PLOT_INTERVAL_S:
            self._update_plot()

    def _update_plot(self) -> None:
        self._plot(self._run)
        self._plotted_s, self._stale = time.monotonic(), False

    def clear(self) -> None:
        """Remove the table of an earlier run that was interrupted before its first checkpoint."""
        (self._run / TABLE).unlink(missing_ok=True)

    def truncate_after(self, update: int) -> None:
        """Remove the rows after an update, which a resumed run writes again."""
        path = self._run / TABLE
        if not path.exists():
            return
        lines = path.read_text(encoding="utf-8").splitlines()
        rows = [line for line in lines[1:] if float(line.split(",")[0]) <= update]
        write_text(path, "\n".join([lines[0], *rows]) + "\n")

    def close(self) -> None:
        """Plot the last rows and close the TensorBoard file."""
        if self._stale:
            self._update_plot()
        if self._tensorboard is not None:
            self._tensorboard.close()
            self._tensorboard = None


def read_log(run: Path) -> list[dict[str, float]]:
    """Return the rows of a run's table."""
    with (run / TABLE).open(encoding="utf-8") as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


def plot_curves(run: Path) -> None:
    """Plot every column of the table over the updates."""
    rows = read_log(run)
    columns = [name for name in rows[0] if name != "update"]
    updates = [row["update"] for row in rows]
    figure = Figure(figsize=(12, 3 * ((len(columns) + 2) // 3)), layout="constrained")
    FigureCanvasAgg(figure)
    for index, name in enumerate(columns):
        axes = figure.add_subplot((len(columns) + 2) // 3, 3, index + 1)
        values = [row[name] for row in rows]
        axes.plot(updates, values, marker=".")
        axes.set_title(name)
        axes.set_xlabel("update")
        if 0 < LOGARITHMIC_FROM * min(values) < max(values):
            axes.set_yscale("log")
    figure.savefig(run / CURVES, dpi=100)
