"""What `dbp bench infer` found, for people: tables, a plot, and what was not run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.backbones import BACKBONES
from benchmarks.infer import KEY, NAME, RUNTIMES
from benchmarks.samplers import SAMPLERS
from dbp_ros.evaluation.result_table import ResultTable, Row


def summary(table: ResultTable) -> Iterator[Row]:
    """Yield a row for each that was run, with how many times as long as one pass it takes."""
    for row in _in_order(table):
        if row["p50_ms"] == "" or row["runtime"] == "floor":
            continue
        where = {key: row[key] for key in KEY if key != "method"}
        ours = table.numbers("working_ms", **where, method="one_pass")
        yield {
            **{key: row[key] for key in ("backbone", "method", "runtime", "device")},
            "p50 [ms]": float(row["p50_ms"]),
            "p99": float(row["p99_ms"]) if row["p99_ms"] else "-",
            "caches cold": float(row["cold_ms"]),
            "of a core": float(row["working_ms"]),
            "times one pass": float(row["working_ms"]) / ours[0] if ours else "-",
            "times the floor": float(row["times_floor"]),
            "peak [MB]": float(row["peak_mb"]),
        }


def _in_order(table: ResultTable) -> list[Row]:
    """Return the rows from the smallest backbone to the largest."""
    return sorted(table.rows, key=lambda row: BACKBONES.index(row["backbone"]))


def left_out(table: ResultTable) -> list[str]:
    """Return what was not run, and why, in one sentence for each reason."""
    why: dict[str, list[str]] = {}
    for row in _in_order(table):
        if row["runtime"] != "floor" and row["note"]:
            words = " ".join(row[key] for key in ("backbone", "method", "runtime"))
            why.setdefault(row["note"], []).append(words)
    return [f"not run: {', '.join(names)} ({note})" for note, names in why.items()]


def floor_summary(table: ResultTable) -> Iterator[Row]:
    """Yield a row for each backbone: what a core reads, multiplies and copies."""
    rows = [row for row in _in_order(table) if row["runtime"] == "floor"]
    for backbone in dict.fromkeys(row["backbone"] for row in rows):
        said = {row["method"]: row["note"] for row in rows if row["backbone"] == backbone}
        yield {
            "backbone": backbone,
            "reading its weights": said.get("read", "-"),
            "multiplying matrices": said.get("multiply", "-"),
            "copying a stream": said.get("copy", "-"),
        }


def draw(table: ResultTable) -> Path:
    """Draw the time of a decision over the weights, for each method and runtime."""
    figure = Figure(figsize=(12, 5), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    rows = [row for row in table.rows if row["p50_ms"] and row["device"] == "cpu"]
    for index, method in enumerate(SAMPLERS):
        for runtime, line in zip(RUNTIMES, ("-o", "--s", ":^"), strict=True):
            chosen = [r for r in rows if (r["method"], r["runtime"]) == (method, runtime)]
            if chosen:
                _line(left, chosen, "working_ms", line, f"{method}, {runtime}", f"C{index}")
    ours = [r for r in rows if r["method"] == "one_pass"]
    for index, runtime in enumerate(RUNTIMES):
        chosen = [r for r in ours if r["runtime"] == runtime]
        if chosen:
            _line(right, chosen, "working_ms", "-o", f"{runtime}, caches warm", f"C{index}")
            _line(right, chosen, "cold_ms", ":o", f"{runtime}, caches cold", f"C{index}")
            if not index:
                _line(right, chosen, "floor_ms", "--", "the floor, caches warm", "k")
    left.axhline(8, color="grey", linewidth=0.7)
    style = {"fontsize": 7, "color": "grey", "transform": left.get_yaxis_transform()}
    left.text(0.45, 8.6, "a period at 125 Hz", **style)
    for axes, title in ((left, "A decision, by method"), (right, "One pass, and its floor")):
        axes.set(xscale="log", yscale="log", xlabel="weights [millions]", ylabel="[ms], one core")
        axes.set_title(title)
        axes.grid(alpha=0.3, which="both")
        axes.legend(fontsize=6)
    path = table.directory / f"{NAME}.png"
    figure.savefig(path, dpi=110)
    return path


def _line(axes: Any, rows: list[Row], column: str, line: str, label: str, color: str) -> None:
    points = sorted((float(row["weights_m"]), float(row[column])) for row in rows)
    axes.plot(*zip(*points, strict=True), line, color=color, label=label, markersize=4)
