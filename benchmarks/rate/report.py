"""Table, plot and requirements of `dbp bench rate`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from dbp_ros.evaluation.report import plot_exceedance
from dbp_ros.evaluation.result_table import ResultTable, Row
from dbp_ros.files import write_text
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.settings.policy import DECISION_RATE_HZ

NAME = "rate"
BARS = f"{NAME}_bars.json"
COMMAND_RATE_HZ = GuardConfig.command_rate_hz
# Required share of the configured rates.
RATE_SLACK = 0.99
MAX_ADDED_JITTER_MS, MAX_IMAGE_LATENCY_MS = 0.5, 9.5
# Endings of the columns to round.
NUMBERS = ("_hz", "_ms", "_cores", "_mb")


def summary(table: ResultTable) -> Iterator[Row]:
    """Yield one row for each condition."""
    for row in table.rows:
        number = {name: float(row[name]) for name in row if name.endswith(NUMBERS) and row[name]}
        cores = [f"{number[f'{name}_cores']:.2f}" for name in ("policy", "guard", "simulation")]
        memory = [f"{number[f'{name}_mb']:.0f}" for name in ("policy", "guard", "simulation")]
        yield {
            "condition": row["condition"],
            "[s]": row["seconds"],
            "decisions [Hz]": f"{number['decision_rate_hz']:.1f}",
            "commands [Hz]": f"{number['command_rate_hz']:.1f}",
            "missed decisions / commands": f"{row['missed_decisions']} / {row['missed_commands']}",
            "refused": row["refused_decisions"],
            "frames [Hz]": f"{number['frames_hz']:.1f}",
            "command error p99.9 [ms]": f"{number['command_error_p999_ms']:.2f}",
            "reference loop": f"{number['floor_error_p999_ms']:.2f}",
            "image to command p50 / p99 [ms]": (
                f"{number['reaction_p50_ms']:.1f} / {number['reaction_p99_ms']:.1f}"
            ),
            "image age p50 / p99 [ms]": (
                f"{number['age_p50_ms']:.1f} / {number['age_p99_ms']:.1f}"
            ),
            "cores": " / ".join(cores),
            "MB": " / ".join(memory),
        }


def unmet_requirements(row: Row) -> list[str]:
    """Return a sentence for each requirement that a condition does not meet."""
    number = {name: float(value) for name, value in row.items() if name != "condition" and value}
    added_ms = number.get("command_error_p999_ms", 0) - number.get("floor_error_p999_ms", 0)
    failures = {
        f"{row['decision_rate_hz']} decisions per second, expected {DECISION_RATE_HZ:g}": number[
            "decision_rate_hz"
        ]
        < RATE_SLACK * DECISION_RATE_HZ,
        f"{row['command_rate_hz']} commands per second, expected {COMMAND_RATE_HZ:g}": number[
            "command_rate_hz"
        ]
        < RATE_SLACK * COMMAND_RATE_HZ,
        f"{row['missed_decisions']} missed decisions": number["missed_decisions"] > 0,
        f"{row['missed_commands']} missed commands": number["missed_commands"] > 0,
        f"command period error p99.9 is {added_ms:.2f} ms above the reference loop, expected at "
        f"most {MAX_ADDED_JITTER_MS:g}": added_ms > MAX_ADDED_JITTER_MS,
        f"image to command latency p50 is {row['reaction_p50_ms']} ms, expected at most "
        f"{MAX_IMAGE_LATENCY_MS:g}": number.get("reaction_p50_ms", 0) > MAX_IMAGE_LATENCY_MS,
    }
    return [f"{row['condition']}: {sentence}" for sentence, failed in failures.items() if failed]


def read_bars(folder: Path) -> dict[str, Any]:
    """Return the saved histograms by condition."""
    path = folder / BARS
    bars: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return bars


def save_bars(folder: Path, condition: str, bars: dict[str, Any]) -> None:
    """Save the histograms of a condition for the plot."""
    write_text(folder / BARS, json.dumps({**read_bars(folder), condition: bars}) + "\n")


def plot(table: ResultTable) -> Path:
    """Plot the exceedance of the command period error and of the image to command latency."""
    figure = Figure(figsize=(12, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    for index, (name, bars) in enumerate(read_bars(table.directory).items()):
        color = {"color": f"C{index % 10}", "linestyle": "--" if name.startswith("640") else "-"}
        plot_exceedance(left, bars["commands"], name, **color)
        reference = {"color": color["color"], "linewidth": 0.6, "linestyle": ":"}
        plot_exceedance(left, bars["floor"], "reference loop" if not index else "", **reference)
        plot_exceedance(right, bars["reaction"], name, **color)
    left.set(xlabel="period error of commands [ms]", xscale="log", yscale="log")
    right.set(xlabel="image to command latency [ms]", yscale="log")
    right.axvline(MAX_IMAGE_LATENCY_MS, color="grey", linestyle=":")
    for axes in (left, right):
        axes.set_ylabel("fraction above")
        axes.grid(alpha=0.3, which="both")
        axes.legend(fontsize=7)
    path = table.directory / f"{NAME}.png"
    figure.savefig(path, dpi=110)
    return path
