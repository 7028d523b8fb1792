"""Report, table and plot of a run of the stack."""

import os
import platform
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich.table import Table

from dbp_ros.runtime.processor import processor_name

REQUIRED_RATE_HZ = 100.0


@dataclass(frozen=True)
class EpisodeResult:
    """Outcome of one episode and rates of the stack."""

    success: bool
    duration_s: float
    decision_rate_hz: float
    command_rate_hz: float
    task: str = ""


def count_missed(period: dict[str, Any], idle: Sequence[dict[str, Any]]) -> tuple[int, int]:
    """Return the numbers of deadline misses and of machine stalls.

    A deadline counts as missed if a gap exceeds two periods after subtracting the delay of an idle
    reference loop. A gap that the delay explains counts as a machine stall. Loops without real-time
    priority explain nothing.

    Args:
        period: Statistics of the loop. Gaps beyond its capacity count as missed.
        idle: Statistics of the reference loops that ran at the same time.
    """
    idle = [loop for loop in idle if loop["realtime"]]
    missed = sum(
        end_ns - start_ns - max((_late_ns(start_ns, end_ns, loop) for loop in idle), default=0)
        > 2 * period["period_ns"]
        for start_ns, end_ns in period["gaps"]
    )
    return missed + period["gap_count"] - len(period["gaps"]), len(period["gaps"]) - missed


def _late_ns(start_ns: int, end_ns: int, loop: dict[str, Any]) -> int:
    """Return the delay of a loop, whose gaps are in order, between two times."""
    first = bisect_right(loop["gaps"], start_ns, key=lambda gap: gap[1])
    gaps = takewhile(lambda gap: gap[0] < end_ns, islice(loop["gaps"], first, None))
    late = ((begin + loop["period_ns"], end) for begin, end in gaps)
    return sum(max(0, min(end_ns, end) - max(start_ns, due)) for due, end in late)


def machine_info() -> dict[str, Any]:
    """Return processor, cores, kernel and Python version."""
    return {
        "processor": processor_name(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def build_report(
    task: str,
    episodes: Sequence[EpisodeResult],
    guard: dict[str, Any],
    policy: dict[str, Any],
    simulation: dict[str, Any],
    reference: dict[str, Any],
    pinned: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """Merge the statistics of the processes into one report.

    Args:
        task: Name of the task.
        episodes: Finished episodes.
        guard: Statistics of the guard.
        policy: Statistics of the policy node.
        simulation: Statistics of the simulation node.
        reference: Statistics of the reference loop.
        pinned: Statistics of the reference loops pinned to a core each.
    """
    idle = (reference, *pinned)
    missed_decisions, decision_stalls = count_missed(policy["decision_period"], idle)
    missed_commands, command_stalls = count_missed(guard["command_period"], idle)
    return {
        "task": task,
        "episodes": len(episodes),
        "success_rate": success_rate(episodes),
        "success_by_task": {
            name: success_rate([e for e in episodes if e.task == name])
            for name in sorted({e.task for e in episodes} - {""})
        },
        "decision_rate_hz": policy["decision_period"]["rate_hz"],
        "command_rate_hz": guard["command_period"]["rate_hz"],
        "slowest_episode_decision_rate_hz": min((e.decision_rate_hz for e in episodes), default=0),
        "slowest_episode_command_rate_hz": min((e.command_rate_hz for e in episodes), default=0),
        "command_period_error_ms": guard["command_period"]["period_error_ms"],
        "floor_period_error_ms": reference["period_error_ms"],
        "decision_period_error_ms": policy["decision_period"]["period_error_ms"],
        "inference_ms": policy["inference_ms"],
        "encoding_ms": policy["encoding_ms"],
        "decision_ms": policy["decision_ms"],
        "image_age_at_command_ms": guard["image_age_at_command_ms"],
        "reaction_ms": guard["reaction_ms"],
        "reaction_path_ms": policy["reaction_path_ms"] | guard["reaction_path_ms"],
        "missed_decisions": missed_decisions,
        "missed_commands": missed_commands,
        "machine_stalls": {"decisions": decision_stalls, "commands": command_stalls},
        "machine_stalls_known": all(loop["realtime"] for loop in idle),
        "limited_commands": guard["limited_commands"],
        "guard_stops": guard["stops"],
        "commands": guard["commands"],
        "decisions": policy["decisions"],
        "refused_decisions": policy["refused_decisions"],
        "model": policy["model"],
        "camera_backend": simulation["camera_backend"],
        "machine": machine_info(),
        "episode_results": [asdict(episode) for episode in episodes],
    }


def success_rate(episodes: Sequence[EpisodeResult]) -> float:
    """Return the share of successful episodes, 0 without any."""
    return sum(episode.success for episode in episodes) / max(1, len(episodes))


def unmet_requirements(report: dict[str, Any]) -> list[str]:
    """Return one sentence for each requirement that a run does not meet."""
    return [
        f"{name} fell to {report[f'slowest_episode_{key}_rate_hz']:.1f} Hz in an episode, "
        f"expected {REQUIRED_RATE_HZ:.0f} Hz or more"
        for name, key in (("decisions", "decision"), ("commands", "command"))
        if report[f"slowest_episode_{key}_rate_hz"] < REQUIRED_RATE_HZ
    ]


def report_table(report: dict[str, Any]) -> Table:
    """Return a report as a table."""
    table = Table(title=f"{report['task']}: {report['episodes']} episodes", title_justify="left")
    for column in ("", "p50", "p99", "p99.9", "max"):
        table.add_column(column, justify="right" if column else "left")
    for key, name in (
        ("command_period_error_ms", "command period error [ms]"),
        ("floor_period_error_ms", "reference loop period error [ms]"),
        ("decision_period_error_ms", "decision period error [ms]"),
        ("inference_ms", "inference [ms]"),
        ("decision_ms", "decision to published chunk [ms]"),
        ("reaction_ms", "image to command latency [ms]"),
        ("image_age_at_command_ms", "image age at command [ms]"),
    ):
        table.add_row(name, *(_number(report[key][p]) for p in ("p50", "p99", "p999", "max")))
    table.add_section()
    for name, text in (
        ("success", f"{100 * report['success_rate']:.0f} %"),
        *(
            (f"success in {task}", f"{100 * rate:.0f} %")
            for task, rate in report["success_by_task"].items()
            if len(report["success_by_task"]) > 1
        ),
        ("decisions [Hz]", f"{report['decision_rate_hz']:.1f}"),
        ("commands [Hz]", f"{report['command_rate_hz']:.1f}"),
        ("missed decisions", str(report["missed_decisions"])),
        ("missed commands", str(report["missed_commands"])),
        (
            "machine stalls",
            str(sum(report["machine_stalls"].values()))
            if report["machine_stalls_known"]
            else "unknown without real-time privileges, see dbp doctor",
        ),
        ("refused decisions", str(report["refused_decisions"])),
        ("limited commands", f"{report['limited_commands']} of {report['commands']}"),
        ("guard stops", str(report["guard_stops"])),
    ):
        table.add_row(name, text)
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def plot_histograms(
    path: Path, guard: dict[str, Any], policy: dict[str, Any], reference: dict[str, Any]
) -> None:
    """Plot the exceedance of period errors and latencies on logarithmic axes."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    _curves(
        left,
        {
            "commands": guard["command_period"]["period_error_bars"],
            "decisions": policy["decision_period"]["period_error_bars"],
            "reference loop": reference["period_error_bars"],
        },
    )
    left.set(title="Period error", xlabel="error [ms]", ylabel="fraction of periods above")
    _curves(
        right,
        {
            "inference": policy["inference_bars"],
            "image to command": guard["reaction_bars"],
            "image age at command": guard["image_age_at_command_bars"],
        },
    )
    right.set(title="Latency", xlabel="latency [ms]", ylabel="fraction above")
    figure.savefig(path, dpi=120)


def _curves(axes: Any, histograms: dict[str, list[list[float]]]) -> None:
    for name, bars in histograms.items():
        plot_exceedance(axes, bars, name)
    axes.set(xscale="log", yscale="log")
    axes.grid(alpha=0.3, which="both")
    axes.legend()


def plot_exceedance(axes: Any, bars: list[list[float]], name: str, **style: Any) -> None:
    """Plot the fraction of values above each duration."""
    if bars:
        middles, counts = np.array(bars).T
        above = 1.0 - (np.cumsum(counts) - counts) / counts.sum()
        axes.step(np.maximum(middles, 1e-3), above, where="post", label=name, **style)
