"""`dbp bench scale`: cost of cameras, pixels, horizon, arms and decision rate."""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.comparison import run_jobs
from benchmarks.flags import add_out
from benchmarks.scale.points import AXES, COLUMNS, KEY, NAME, points, run_point, write_bundle
from dbp_ros.cli.terminal import progress_of, show, terminal
from dbp_ros.errors import ConfigError
from dbp_ros.evaluation.result_table import ResultTable, Row
from dbp_ros.settings.flags import check_at_least

KNOWN = (*AXES, "together")


def register(parser: argparse.ArgumentParser) -> None:
    """Add the benchmark."""
    parser.description = (
        "Run the threads of the policy in one process with random weights. Each axis is varied "
        "from the size of the shipped policy, and then all axes are combined."
    )
    parser.add_argument(
        "--axes", default=",".join(KNOWN), help=f"some of {', '.join(KNOWN)} (default: all)"
    )
    parser.add_argument(
        "--seconds", type=float, default=4.0, help="duration of each point (default: 4)"
    )
    add_out(parser, f"{NAME}.csv and {NAME}.png")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run missing points, print the table and save the plot."""
    check_at_least(0.1, seconds=arguments.seconds)
    axes = tuple(arguments.axes.split(","))
    for axis in axes:
        if axis not in KNOWN:
            raise ConfigError(f"--axes {axis}, expected some of {', '.join(KNOWN)}")
    console = terminal(width=140)
    table = ResultTable(arguments.out, NAME, COLUMNS, KEY)
    table.describe({"seconds": arguments.seconds})
    with tempfile.TemporaryDirectory() as folder:
        wanted = points(axes, arguments.seconds, Path(folder))
        missing = [point for point in wanted if not table.has(point.key)]
        with progress_of(console) as progress:
            for point in progress.track(missing, description="writing bundles"):
                write_bundle(point)
        run_jobs(table, missing, run_point, 1, console)
    show(console, "the policy in one process, without DDS", list(summary(table)))
    console.print(f"{table.path}, {plot(table)}")
    return 0


def summary(table: ResultTable) -> Iterator[Row]:
    """Yield one row for each point, ordered by axis."""
    for row in _in_order(table):
        yield {
            **{name: row[name] for name in KEY},
            "decisions [Hz]": float(row["decisions_hz"]),
            "period error p99 [ms]": float(row["period_error_p99_ms"]),
            "inference p50 [ms]": float(row["inference_p50_ms"]),
            "encoding p50 [ms]": float(row["encoding_p50_ms"]),
            "cores": float(row["cores"]),
            "breaks": row["breaks"] or "-",
        }


def _in_order(table: ResultTable) -> list[Row]:
    """Return the rows ordered by axis and size."""
    axes = [*AXES, "together"]
    return sorted(
        table.rows,
        key=lambda row: (axes.index(row["axis"]), *(float(row[name]) for name in KEY[1:])),
    )


def plot(table: ResultTable) -> Path:
    """Plot the cores used along each axis, and mark the points that break."""
    axes = [axis for axis in AXES if axis in table.values("axis")]
    figure = Figure(figsize=(3 * max(1, len(axes)), 3.4), layout="constrained")
    for panel, axis in zip(
        figure.subplots(1, max(1, len(axes)), squeeze=False)[0], axes, strict=False
    ):
        rows = [row for row in _in_order(table) if row["axis"] == axis]
        at, cores = ([float(row[name]) for row in rows] for name in (axis, "cores"))
        panel.plot(at, cores, "-o", label="cores")
        broken = [(x, y) for x, y, row in zip(at, cores, rows, strict=True) if row["holds"] == "0"]
        if broken:
            panel.plot(*zip(*broken, strict=True), "rx", markersize=11, label="breaks")
        panel.axhline(1.0, color="grey", linestyle=":")
        panel.set(xlabel=axis, ylabel="cores", ylim=(0, None))
        panel.grid(alpha=0.3)
        panel.legend(fontsize=7)
    path = table.directory / f"{NAME}.png"
    figure.savefig(path, dpi=110)
    return path
