"""`dbp bench swap`: what a swap of models costs the decisions of a robot that moves."""

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
from dbp_ros.settings.fields import check_ranges, setting
from dbp_ros.settings.policy import DECISION_RATE_HZ, PolicyConfig

NAME = "swap"
# How a new model reaches the robot, and whether it may be read where it is.
WAYS = {"no swap": None, "by path": True, "over DDS": False}
POLL_S = 0.1
# After the start of control: until the arms move.
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
class SwapBenchConfig:
    """What to run, and where to put what comes of it."""

    task: str = setting("lift", "task of the simulated cell")
    model: str = setting(PolicyConfig.model, "model bundle: a folder, or a name under models/")
    seconds: float = setting(60.0, "how long to measure each way", minimum=1.0)
    every_s: float = setting(10.0, "time from swap to swap", minimum=3.0)
    out: Path = setting(Path("build/bench"), "folder for the table, the plot and the logs")

    @property
    def swaps(self) -> int:
        """How many swaps there are in the time of one way."""
        return int(self.seconds / self.every_s)


def run_swap(config: SwapBenchConfig, table: ResultTable, status: Log) -> dict[str, Any]:
    """Measure each way for a while, under one stack, and add a row for each.

    Returns:
        For each way the histograms of the decisions and of the empty loop, and every time to swap.

    Raises:
        DbpError: If the stack does not start or stops answering, or a swap fails.
    """
    check_ranges(config)
    pushes = sum(share is not None for share in WAYS.values()) * config.swaps
    folder = config.out / NAME
    shutil.rmtree(folder, ignore_errors=True)
    status("copying the model")
    source = bundle_directory(config.model)
    first = copy_of(source, folder / "models" / source.name, version=1)
    pushed = iter(
        [copy_of(source, folder / "learner" / str(k), version=k) for k in range(2, 2 + pushes)]
    )
    found = {}
    with running_stack(config.task, str(first), folder, ModelPusher, status) as swapper:
        for way in WAYS:
            with reference_loops(folder) as floors:
                measured = _measure(way, pushed, config, swapper, status)
            floor = json.loads(floors[0].read_text(encoding="utf-8"))
            found[way] = measured | {"floor_bars": floor["period_error_bars"]}
            table.add(_row(way, config, found[way]))
    write_text(config.out / f"{NAME}_bars.json", json.dumps(found) + "\n")
    return found


def copy_of(source: Path, target: Path, version: int) -> Path:
    """Copy a bundle and give it another version, so that it is another bundle."""
    shutil.copytree(source, target)
    write_manifest(target, replace(read_bundle(target).manifest, version=version))
    return target


def _measure(
    way: str, pushed: Iterator[Path], config: SwapBenchConfig, swapper: ModelPusher, status: Log
) -> dict[str, Any]:
    share_path, times_s = WAYS[way], list[float]()
    swapper.prepare()
    swapper.enable_control(True)
    swapper.activate_policy(True)
    time.sleep(SETTLE_S)
    swapper.trigger("policy/clear_statistics")
    start_s = time.monotonic()
    while (passed_s := time.monotonic() - start_s) < config.seconds:
        status(f"{way}: {passed_s:.0f} of {config.seconds:.0f} s, {len(times_s)} swaps")
        due = passed_s >= (len(times_s) + 0.5) * config.every_s and len(times_s) < config.swaps
        if share_path is not None and due:
            times_s.append(swapper.swap(next(pushed), share_path))
        time.sleep(POLL_S)
    policy = swapper.statistics("policy")
    swapper.activate_policy(False)
    rolled_back, swapper.rolled_back = swapper.rolled_back, 0
    return {"times_s": times_s, "rolled_back": rolled_back, "policy": policy}


def _row(way: str, config: SwapBenchConfig, measured: dict[str, Any]) -> Row:
    policy, times_s = measured["policy"], measured["times_s"]
    period, floor = policy["decision_period"], measured["floor_bars"]
    return {
        "way": way,
        "seconds": config.seconds,
        "swaps": len(times_s),
        "rolled_back": measured["rolled_back"],
        "swap_p50_s": float(np.median(times_s)) if times_s else "",
        "swap_max_s": max(times_s, default=""),
        "decisions": policy["decision_period"]["periods"],
        "refused": policy["refused_decisions"],
        **{f"late_{k}": beyond(period["period_error_bars"], ms) for k, ms in LATE_MS.items()},
        "period_error_p99_ms": period["period_error_ms"]["p99"],
        "inference_p50_ms": policy["inference_ms"]["p50"],
        "inference_p99_ms": policy["inference_ms"]["p99"],
        "floor_ticks": sum(count for _, count in floor),
        **{f"floor_late_{k}": beyond(floor, ms) for k, ms in LATE_MS.items()},
    }


def beyond(bars: list[list[float]], limit_ms: float) -> int:
    """Return how many values of a histogram are beyond a limit.

    Args:
        bars: Middle in [ms] and count of each bucket that is not empty.
        limit_ms: The limit. A loop is never early by so much, as far as we ask.
    """
    return int(sum(count for middle, count in bars if middle > limit_ms))


def summary(table: ResultTable) -> list[Row]:
    """Return one row a measure, with a column for each way."""
    return [
        {"measure": name, **{row["way"]: row[name] for row in table.rows}} for name in COLUMNS[1:]
    ]


def draw(table: ResultTable, found: dict[str, Any]) -> Path:
    """Draw how late decisions were, with and without swaps, and how long each swap took."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for index, (way, measured) in enumerate(found.items()):
        bars = measured["policy"]["decision_period"]["period_error_bars"]
        plot_exceedance(left, bars, way, color=f"C{index}")
        floor = {"color": f"C{index}", "linewidth": 0.7, "linestyle": "--"}
        plot_exceedance(left, measured["floor_bars"], "an empty loop meanwhile", **floor)
    for name, late_ms in LATE_MS.items():
        left.axvline(late_ms, color="grey", linestyle=":")
        words = f"{name} period" + "s" * (name == "two")
        style = {"fontsize": 7, "rotation": 90, "ha": "right", "va": "top"}
        left.text(late_ms, 0.98, words, transform=left.get_xaxis_transform(), **style)
    left.set(xscale="log", yscale="log", xlabel="period error [ms]", ylabel="share beyond")
    left.set_title("Decisions, while models are swapped")
    left.legend(fontsize=7)
    pushed = {way: measured["times_s"] for way, measured in found.items() if measured["times_s"]}
    for place, times_s in enumerate(pushed.values()):
        right.plot(times_s, [place] * len(times_s), "o", alpha=0.6, color=f"C{place + 1}")
    right.set_yticks(range(len(pushed)), list(pushed))
    right.set(
        xlabel="from announcement to swap [s]", xlim=(0, None), ylim=(-0.5, len(pushed) - 0.5)
    )
    right.set_title(f"Each swap; {PolicyConfig.shadow_decisions} decisions in shadow first")
    for axes in (left, right):
        axes.grid(alpha=0.3)
    path = table.directory / f"{NAME}.png"
    figure.savefig(path, dpi=110)
    return path


def register(parser: argparse.ArgumentParser) -> None:
    """Add the benchmark."""
    parser.description = (
        "Run the whole stack for a while without a swap, with swaps of models that are read "
        "where they are, and with swaps of models that are fetched over DDS."
    )
    defaults = SwapBenchConfig()
    parser.add_argument("--task", default=defaults.task, help="reach, lift, can or transport")
    parser.add_argument("--model", default=defaults.model, help="bundle: name or folder")
    parser.add_argument(
        "--seconds", type=float, default=defaults.seconds, help="of each way (default: %(default)s)"
    )
    parser.add_argument(
        "--every", type=float, default=defaults.every_s, help="[s] a swap (default: %(default)s)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=defaults.out,
        help=f"folder of {NAME}.csv, {NAME}.png and the logs (default: %(default)s)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure, then print and draw."""
    config = SwapBenchConfig(
        task=arguments.task,
        model=arguments.model,
        seconds=arguments.seconds,
        every_s=arguments.every,
        out=arguments.out,
    )
    console = terminal()
    require_folder(config.out)
    (config.out / f"{NAME}.csv").unlink(missing_ok=True)
    table = ResultTable(config.out, NAME, COLUMNS, ("way",))
    table.describe({"model": config.model, "seconds": config.seconds, "every_s": config.every_s})
    with status_line(console) as status:
        found = run_swap(config, table, status)
    show(
        console,
        "decisions while models are swapped",
        summary(table),
    )
    console.print(f"{table.path}, {draw(table, found)}")
    return 0
