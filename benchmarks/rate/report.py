"""What `dbp bench rate` found, for people: a table, a plot, and what was promised and not kept."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from dbp_ros.evaluation.report import plot_exceedance
from dbp_ros.evaluation.result_table import ResultTable, Row
from dbp_ros.files import write_text

NAME = "rate"
BARS = f"{NAME}_bars.json"
DECISIONS_HZ, COMMANDS_HZ, RATE_SLACK = 125.0, 250.0, 0.99
ABOVE_FLOOR_MS, REACTION_MS = 0.5, 9.5


def summary(table: ResultTable) -> Iterator[Row]:
    """Yield one row a condition."""
    for row in table.rows:
        cores = [f"{float(row[f'{name}_cores']):.2f}" for name in ("policy", "guard", "simulation")]
        memory = [f"{float(row[f'{name}_mb']):.0f}" for name in ("policy", "guard", "simulation")]
        yield {
            "condition": row["condition"],
            "[s]": row["seconds"],
            "decisions [Hz]": row["decision_rate_hz"],
            "commands [Hz]": row["command_rate_hz"],
            "missed": f"{row['missed_decisions']} / {row['missed_commands']}",
            "refused": row["refused_decisions"],
            "frames [Hz]": f"{float(row['frames_hz']):.1f}",
            "command error p99.9 [ms]": row["command_error_p999_ms"],
            "floor": row["floor_error_p999_ms"],
            "reaction p50 / p99 [ms]": f"{row['reaction_p50_ms']} / {row['reaction_p99_ms']}",
            "age p50 / p99 [ms]": f"{row['age_p50_ms']} / {row['age_p99_ms']}",
            "cores": " / ".join(cores),
            "MB": " / ".join(memory),
        }


def unmet_requirements(row: Row) -> list[str]:
    """Return a sentence for each promise that a condition did not keep."""
    number = {name: float(value) for name, value in row.items() if name != "condition" and value}
    above_ms = number.get("command_error_p999_ms", 0) - number.get("floor_error_p999_ms", 0)
    said = {
        f"{row['decision_rate_hz']} decisions a second, expected {DECISIONS_HZ:g}": number[
            "decision_rate_hz"
        ]
        < RATE_SLACK * DECISIONS_HZ,
        f"{row['command_rate_hz']} commands a second, expected {COMMANDS_HZ:g}": number[
            "command_rate_hz"
        ]
        < RATE_SLACK * COMMANDS_HZ,
        f"{row['missed_decisions']} missed decisions": number["missed_decisions"] > 0,
        f"{row['missed_commands']} missed commands": number["missed_commands"] > 0,
        f"command period error p99.9 is {above_ms:.2f} ms above the floor, expected at most "
        f"{ABOVE_FLOOR_MS:g}": above_ms > ABOVE_FLOOR_MS,
        f"a picture is {row['reaction_p50_ms']} ms old when a command knows of it, expected "
        f"{REACTION_MS:g}": number.get("reaction_p50_ms", 0) > REACTION_MS,
    }
    return [f"{row['condition']}: {sentence}" for sentence, holds in said.items() if holds]


def read_bars(folder: Path) -> dict[str, Any]:
    """Return the histograms that were kept, by condition."""
    path = folder / BARS
    bars: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return bars


def keep_bars(folder: Path, condition: str, bars: dict[str, Any]) -> None:
    """Keep the histograms of a condition, for the plot."""
    write_text(folder / BARS, json.dumps({**read_bars(folder), condition: bars}) + "\n")


def draw(table: ResultTable) -> Path:
    """Draw the period error of commands beside the floor, and the reaction to pictures."""
    figure = Figure(figsize=(12, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    for index, (name, bars) in enumerate(read_bars(table.directory).items()):
        color = {"color": f"C{index % 10}", "linestyle": "--" if name.startswith("640") else "-"}
        plot_exceedance(left, bars["commands"], name, **color)
        floor = {"color": color["color"], "linewidth": 0.6, "linestyle": ":"}
        plot_exceedance(left, bars["floor"], "the floor" if not index else "", **floor)
        plot_exceedance(right, bars["reaction"], name, **color)
    left.set(xlabel="period error of commands [ms]", xscale="log", yscale="log")
    right.set(xlabel="age of a picture when a command knows of it [ms]", yscale="log")
    right.axvline(REACTION_MS, color="grey", linestyle=":")
    for axes in (left, right):
        axes.set_ylabel("share beyond")
        axes.grid(alpha=0.3, which="both")
        axes.legend(fontsize=7)
    path = table.directory / f"{NAME}.png"
    figure.savefig(path, dpi=110)
    return path
