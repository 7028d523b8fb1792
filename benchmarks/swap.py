"""`dbp bench swap`: jitter of decisions during model swaps, and duration of swaps."""

import argparse
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from dbp_ros.bundle.bundle import bundle_directory, read_bundle
from dbp_ros.bundle.manifest import write_manifest
from dbp_ros.cli.terminal import show, status_line, terminal
from dbp_ros.evaluation.report import plot_exceedance
from dbp_ros.evaluation.result_table import ResultTable, Row
from dbp_ros.evaluation.running_stack import Log, reference_loops, running_stack
from dbp_ros.files import require_folder, write_text
from dbp_ros.nodes.model_pusher import ModelPusher
from dbp_ros.settings.fields import Settings, setting
from dbp_ros.settings.flags import add_settings, settings_from
from dbp_ros.settings.policy import DECISION_RATE_HZ, PolicyConfig
from dbp_ros.settings.simulation import TaskName

NAME = "swap"
# How a new model reaches the policy node, and whether it is read in place.
TRANSFERS = {"no swap": None, "by path": True, "over DDS": False}
POLL_S = 0.1
# Time from the start of control until the arms move.
SETTLE_S = 2.0
PERIOD_MS = 1e3 / DECISION_RATE_HZ
LATE_MS = {"half": PERIOD_MS / 2, "one": PERIOD_MS, "two": 2 * PERIOD_MS}
COLUMNS = (
    *("way", "seconds", "swaps", "rolled_back", "swap_p50_s", "swap_max_s"),
    *("decisions", "refused", *(f"late_{name}" for name in LATE_MS), "period_error_p99_ms"),
    *("inference_p50_ms", "inference_p99_ms"),
    *("floor_ticks", *(f"floor_late_{name}" for name in LATE_MS)),
)


@dataclass(frozen=True)
class SwapBenchConfig(Settings):
    """Settings of `dbp bench swap`."""

    task: TaskName = setting("lift", "task of the simulated cell")
    model: str = setting(PolicyConfig.model, "model bundle: a folder, or a name under models/")
    seconds: float = setting(60.0, "duration of each transfer [s]", ge=1.0)
    swap_interval_s: float = setting(10.0, "time between swaps [s]", ge=3.0)
    out: Path = setting(Path("build/bench"), "folder of the table, plot and logs")

    @property
    def swaps(self) -> int:
        """Number of swaps for each kind of transfer."""
        return int(self.seconds / self.swap_interval_s)


def run_swap(config: SwapBenchConfig, table: ResultTable, status: Log) -> dict[str, Any]:
    """Measure each kind of transfer on one stack and add a row for each.

    Returns:
        For each transfer, the histograms of decisions and reference loop, and all swap times.

    Raises:
        DbpError: If the stack does not start or does not respond, or a swap fails.
    """
    pushes = sum(share is not None for share in TRANSFERS.values()) * config.swaps
    folder = config.out / NAME
    shutil.rmtree(folder, ignore_errors=True)
    status("copying the model")
    source = bundle_directory(config.model)
    first = copy_bundle(source, folder / "models" / source.name, version=1)
    pushed = iter(
        [copy_bundle(source, folder / "learner" / str(k), version=k) for k in range(2, 2 + pushes)]
    )
    found = {}
    with running_stack(config.task, str(first), folder, ModelPusher, status) as pusher:
        for transfer in TRANSFERS:
            with reference_loops(folder) as files:
                measured = _measure(transfer, pushed, config, pusher, status)
            reference = json.loads(files[0].read_text(encoding="utf-8"))
            found[transfer] = measured | {"floor_bars": reference["period_error_bars"]}
            table.add(_row(transfer, config, found[transfer]))
    write_text(config.out / f"{NAME}_bars.json", json.dumps(found) + "\n")
    return found


def copy_bundle(source: Path, target: Path, version: int) -> Path:
    """Copy a bundle under another version."""
    shutil.copytree(source, target)
    write_manifest(target, replace(read_bundle(target).manifest, version=version))
    return target


def _measure(
    transfer: str, pushed: Iterator[Path], config: SwapBenchConfig, pusher: ModelPusher, status: Log
) -> dict[str, Any]:
    share_path, times_s = TRANSFERS[transfer], list[float]()
    pusher.reset()
    pusher.enable_control(True)
    pusher.activate_policy(True)
    time.sleep(SETTLE_S)
    pusher.trigger("policy/clear_statistics")
    start_s = time.monotonic()
    while (passed_s := time.monotonic() - start_s) < config.seconds:
        status(f"{transfer}: {passed_s:.0f} of {config.seconds:.0f} s, {len(times_s)} swaps")
        due = (
            passed_s >= (len(times_s) + 0.5) * config.swap_interval_s
            and len(times_s) < config.swaps
        )
        if share_path is not None and due:
            times_s.append(pusher.swap(next(pushed), share_path))
        time.sleep(POLL_S)
    policy = pusher.statistics("policy")
    pusher.activate_policy(False)
    rolled_back, pusher.rolled_back = pusher.rolled_back, 0
    return {"times_s": times_s, "rolled_back": rolled_back, "policy": policy}


def _row(transfer: str, config: SwapBenchConfig, measured: dict[str, Any]) -> Row:
    policy, times_s = measured["policy"], measured["times_s"]
    period, reference = policy["decision_period"], measured["floor_bars"]
    return {
        "way": transfer,
        "seconds": config.seconds,
        "swaps": len(times_s),
        "rolled_back": measured["rolled_back"],
        "swap_p50_s": float(np.median(times_s)) if times_s else "",
        "swap_max_s": max(times_s, default=""),
        "decisions": policy["decision_period"]["periods"],
        "refused": policy["refused_decisions"],
        **{f"late_{k}": count_above(period["period_error_bars"], ms) for k, ms in LATE_MS.items()},
        "period_error_p99_ms": period["period_error_ms"]["p99"],
        "inference_p50_ms": policy["inference_ms"]["p50"],
        "inference_p99_ms": policy["inference_ms"]["p99"],
        "floor_ticks": sum(count for _, count in reference),
        **{f"floor_late_{k}": count_above(reference, ms) for k, ms in LATE_MS.items()},
    }


def count_above(bars: list[list[float]], limit_ms: float) -> int:
    """Return the number of histogram values above a limit.

    Args:
        bars: Centre in [ms] and count of each non-empty bucket.
        limit_ms: The limit.
    """
    return int(sum(count for middle, count in bars if middle > limit_ms))


def summary(table: ResultTable) -> list[Row]:
    """Return one row for each metric, with a column for each transfer."""
    return [
        {"metric": name, **{row["way"]: row[name] for row in table.rows}} for name in COLUMNS[1:]
    ]


def plot(table: ResultTable, found: dict[str, Any]) -> Path:
    """Plot the exceedance of the decision period error, and the swap times."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for index, (transfer, measured) in enumerate(found.items()):
        bars = measured["policy"]["decision_period"]["period_error_bars"]
        plot_exceedance(left, bars, transfer, color=f"C{index}")
        style = {"color": f"C{index}", "linewidth": 0.7, "linestyle": "--"}
        plot_exceedance(left, measured["floor_bars"], "reference loop", **style)
    for name, late_ms in LATE_MS.items():
        left.axvline(late_ms, color="grey", linestyle=":")
        text = f"{name} period" + "s" * (name == "two")
        style = {"fontsize": 7, "rotation": 90, "ha": "right", "va": "top"}
        left.text(late_ms, 0.98, text, transform=left.get_xaxis_transform(), **style)
    left.set(xscale="log", yscale="log", xlabel="period error [ms]", ylabel="fraction above")
    left.set_title("Period error of decisions during swaps")
    left.legend(fontsize=7)
    swap_times = {
        transfer: measured["times_s"] for transfer, measured in found.items() if measured["times_s"]
    }
    for y, times_s in enumerate(swap_times.values()):
        right.plot(times_s, [y] * len(times_s), "o", alpha=0.6, color=f"C{y + 1}")
    right.set_yticks(range(len(swap_times)), list(swap_times))
    right.set(
        xlabel="time from announcement to swap [s]",
        xlim=(0, None),
        ylim=(-0.5, len(swap_times) - 0.5),
    )
    right.set_title(f"Swap times, with {PolicyConfig.shadow_decisions} decisions in shadow mode")
    for axes in (left, right):
        axes.grid(alpha=0.3)
    path = table.directory / f"{NAME}.png"
    figure.savefig(path, dpi=110)
    return path


def register(parser: argparse.ArgumentParser) -> None:
    """Add the benchmark."""
    parser.description = (
        "Run the whole stack without swaps, with swaps of models that are read in place, and with "
        "swaps of models that are transferred over DDS."
    )
    add_settings(parser, SwapBenchConfig)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure, print the table and save the plot."""
    config: SwapBenchConfig = settings_from(SwapBenchConfig, arguments)
    console = terminal()
    require_folder(config.out)
    (config.out / f"{NAME}.csv").unlink(missing_ok=True)
    table = ResultTable(config.out, NAME, COLUMNS, ("way",))
    table.describe(
        {"model": config.model, "seconds": config.seconds, "every_s": config.swap_interval_s}
    )
    with status_line(console) as status:
        found = run_swap(config, table, status)
    show(console, "decisions during model swaps", summary(table))
    console.print(f"{table.path}, {plot(table, found)}")
    return 0
