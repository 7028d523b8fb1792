"""The log of a run: a table that grows by a row, and a picture of it."""

import csv
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

LOG = "log.csv"
CURVES = "curves.png"


def append_row(run: Path, row: dict[str, float]) -> None:
    """Append one row to the run's table, with a header when it is the first."""
    path = run / LOG
    fresh = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(row))
        if fresh:
            writer.writeheader()
        writer.writerow({name: f"{value:.6g}" for name, value in row.items()})


def drop_rows_after(run: Path, update: int) -> None:
    """Forget rows that a resumed run will write again."""
    path = run / LOG
    if not path.exists():
        return
    lines = path.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines[1:] if float(line.split(",")[0]) <= update]
    path.write_text("\n".join([lines[0], *kept]) + "\n", encoding="utf-8")


def plot_curves(run: Path) -> None:
    """Draw every column of the table over the updates."""
    with (run / LOG).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = [name for name in rows[0] if name != "update"]
    updates = [float(row["update"]) for row in rows]
    figure = Figure(figsize=(12, 3 * ((len(columns) + 2) // 3)), layout="constrained")
    FigureCanvasAgg(figure)
    for index, name in enumerate(columns):
        axes = figure.add_subplot((len(columns) + 2) // 3, 3, index + 1)
        values = [float(row[name]) for row in rows]
        axes.plot(updates, values)
        axes.set_title(name)
        axes.set_xlabel("update")
        if min(values) > 0:
            axes.set_yscale("log")
    figure.savefig(run / CURVES, dpi=100)
