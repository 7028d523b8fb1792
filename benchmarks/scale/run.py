"""`dbp bench scale`: what cameras, pixels, points, arms and decisions cost, and where it breaks."""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.comparison import run_jobs
from benchmarks.scale.points import AXES, COLUMNS, KEY, NAME, points, prepare, run_point
from dbp_ros.cli.terminal import progress_of, show, terminal
from dbp_ros.errors import ConfigError
from dbp_ros.evaluation.result_table import ResultTable, Row
from dbp_ros.settings.fields import check_at_least

KNOWN = (*AXES, "together")


def register(parser: argparse.ArgumentParser) -> None:
    """Add the benchmark."""
    parser.description = (
        "Run the threads of the policy in one process with random weights, along one axis "
        "after the other from the shipped policy's size, and all at once."
    )
    parser.add_argument(
        "--axes", default=",".join(KNOWN), help=f"some of {', '.join(KNOWN)} (default: all)"
    )
    parser.add_argument("--seconds", type=float, default=4.0, help="of each point (default: 4)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("build/bench"),
        help=f"folder of {NAME}.csv and {NAME}.png; points that are there are not run again "
        "(default: build/bench)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run what is missing, then print and draw."""
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
            for point in progress.track(missing, description="writing models"):
                prepare(point)
        run_jobs(table, missing, run_point, 1, console)
    show(console, "the policy in one process, without DDS", list(summary(table)))
    console.print(f"{table.path}, {draw(table)}")
    return 0


def summary(table: ResultTable) -> Iterator[Row]:
    """Yield one row a point, those of an axis one after the other."""
    for row in _in_order(table):
        yield {
            **{name: row[name] for name in KEY},
            "decisions [Hz]": float(row["decisions_hz"]),
            "period error p99 [ms]": float(row["period_error_p99_ms"]),
            "a pass p50 [ms]": float(row["inference_p50_ms"]),
            "a picture p50 [ms]": float(row["encoding_p50_ms"]),
            "cores": float(row["cores"]),
            "breaks": row["breaks"] or "-",
        }


def _in_order(table: ResultTable) -> list[Row]:
    """Return the rows axis by axis, from the smallest policy to the largest."""
    axes = [*AXES, "together"]
    return sorted(
        table.rows,
        key=lambda row: (axes.index(row["axis"]), *(float(row[name]) for name in KEY[1:])),
    )


def draw(table: ResultTable) -> Path:
    """Draw what each axis costs, and mark the points that break."""
    axes_known = [axis for axis in AXES if axis in table.values("axis")]
    figure = Figure(figsize=(3 * max(1, len(axes_known)), 3.4), layout="constrained")
    for place, axis in zip(
        figure.subplots(1, max(1, len(axes_known)), squeeze=False)[0], axes_known, strict=False
    ):
        rows = [row for row in _in_order(table) if row["axis"] == axis]
        at, cores = ([float(row[name]) for row in rows] for name in (axis, "cores"))
        place.plot(at, cores, "-o", label="cores")
        broken = [(x, y) for x, y, row in zip(at, cores, rows, strict=True) if row["holds"] == "0"]
        if broken:
            place.plot(*zip(*broken, strict=True), "rx", markersize=11, label="breaks")
        place.axhline(1.0, color="grey", linestyle=":")
        place.set(xlabel=axis, ylabel="cores", ylim=(0, None))
        place.grid(alpha=0.3)
        place.legend(fontsize=7)
    path = table.directory / f"{NAME}.png"
    figure.savefig(path, dpi=110)
    return path
