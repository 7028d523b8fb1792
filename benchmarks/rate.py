"""`dbp bench rate`: how punctual the stack is, as real processes over DDS, under several loads."""

import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.conditions import CONDITIONS, Condition, condition_of, cpu_load_beside, write_config
from benchmarks.process_usage import Usage, usage_below
from benchmarks.rate_report import NAME, keep_bars
from benchmarks.swap import copy_of
from dbp_ros.bundle.bundle import bundle_directory
from dbp_ros.errors import DbpError
from dbp_ros.evaluation.report import EpisodeResult, build_report
from dbp_ros.evaluation.result_table import ResultTable, Row, provenance
from dbp_ros.evaluation.running_stack import (
    Tell,
    read_reference_loops,
    reference_loop_beside,
    running_stack,
)
from dbp_ros.files import write_text
from dbp_ros.nodes.model_pusher import ModelPusher
from dbp_ros.settings.config import CAMERAS, PolicyConfig, check_ranges, setting

POLL_S = 0.05
# After the start of control: until the arms move.
SETTLE_S = 2.0
PERCENTILES = ("p50", "p99", "p999", "max")
MEASURED = {
    "command_error": "command_period_error_ms",
    "floor_error": "floor_period_error_ms",
    "decision_error": "decision_period_error_ms",
    "reaction": "reaction_ms",
    "age": "image_age_at_command_ms",
    "inference": "inference_ms",
    "encoding": "encoding_ms",
}
COUNTED = (
    *("missed_decisions", "missed_commands", "decisions", "commands", "refused_decisions"),
    *("decision_rate_hz", "command_rate_hz", "episodes", "success_rate"),
)
PROCESSES = ("simulation", "policy", "guard", "bag")
COLUMNS = (
    *("condition", "seconds", *COUNTED, "machine_stalls", "frames_hz"),
    *(f"{name}_{percentile}_ms" for name in MEASURED for percentile in PERCENTILES),
    *("swaps", "swaps_refused", "swap_p50_s", "recorded_mb", "recorded_dropped"),
    *(f"{name}_cores" for name in PROCESSES),
    *(f"{name}_mb" for name in PROCESSES),
)


@dataclass(frozen=True)
class RateConfig:
    """What to run, and where to put what comes of it."""

    task: str = setting("lift", "task of the simulated cell")
    model: str = setting(PolicyConfig.model, "model bundle: a folder, or a name under models/")
    duration_s: float = setting(60.0, "how long to measure each condition", minimum=5.0)
    swap_every_s: float = setting(10.0, "time from swap to swap", minimum=3.0)
    conditions: tuple[str, ...] = setting(CONDITIONS, f"some of {', '.join(CONDITIONS)}")
    out: Path = setting(Path("build/bench"), "folder for the table, the report, plot and logs")


@dataclass
class Run:
    """What was seen of one condition."""

    report: dict[str, Any]
    bars: dict[str, Any]
    usage: tuple[Usage, Usage]
    frames_hz: float
    swap_times_s: list[float] = field(default_factory=list)
    swaps_refused: int = 0
    recorded: dict[str, Any] = field(default_factory=dict)


def run_rate(config: RateConfig, table: ResultTable, tell: Tell) -> dict[str, Any]:
    """Measure each condition that has no row yet, each under a stack of its own.

    Returns:
        The report of each condition, those of earlier sessions included.

    Raises:
        ConfigError: If a condition is unknown.
        DbpError: If the stack does not start or stops answering.
    """
    check_ranges(config)
    wanted = [condition_of(name) for name in config.conditions]
    reports = read_reports(config.out)
    for condition in wanted:
        if table.has({"condition": condition.name, "seconds": config.duration_s}):
            continue
        run = _measure(condition, config, tell)
        table.add(_row(condition, config, run))
        reports[condition.name] = {**run.report, **provenance()}
        write_reports(config.out, reports)
        keep_bars(config.out, condition.name, run.bars)
    return reports


def read_reports(folder: Path) -> dict[str, Any]:
    """Return the reports that are there, by condition."""
    path = folder / f"{NAME}.json"
    known: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    found: dict[str, Any] = known.get("conditions", {})
    return found


def write_reports(folder: Path, reports: dict[str, Any]) -> None:
    """Write the first condition's report as that of the demo, and all of them beside it."""
    first = next(iter(reports.values()))
    write_text(
        folder / f"{NAME}.json", json.dumps({**first, "conditions": reports}, indent=1) + "\n"
    )


def _measure(condition: Condition, config: RateConfig, tell: Tell) -> Run:
    folder = config.out / NAME / condition.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tell(f"{condition.name}: preparing")
    words = ("--config", str(write_config(condition, folder / "config")))
    models = list(_copies(condition, config, folder))
    with running_stack(config.task, config.model, folder, ModelPusher, tell, words) as swapper:
        run = Session(condition, config, folder, swapper, tell).run(models)
    for leftover in ("models", "bags"):
        shutil.rmtree(folder / leftover, ignore_errors=True)
    return run


def _copies(condition: Condition, config: RateConfig, folder: Path) -> Iterator[Path]:
    """Yield as many models as there are swaps."""
    if condition.load == "swap":
        for number in range(int(config.duration_s / config.swap_every_s)):
            target = folder / "models" / str(number)
            yield copy_of(bundle_directory(config.model), target, version=2 + number)


class Session:
    """One condition under a stack that runs.

    The policy decides all the time. Where the task is solved or its time is up the arms rest, the
    cell is reset, and the next episode begins.
    """

    def __init__(
        self,
        condition: Condition,
        config: RateConfig,
        folder: Path,
        swapper: ModelPusher,
        tell: Tell,
    ) -> None:
        self._condition, self._config, self._folder = condition, config, folder
        self._runner, self._tell = swapper, tell
        self._episodes: list[EpisodeResult] = []
        self._limit_s = float(swapper.statistics("simulation")["time_limit_s"])
        self._began_s = 0.0

    def run(self, models: Sequence[Path]) -> Run:
        """Measure for as long as asked for."""
        runner = self._runner
        self._begin()
        runner.activate_policy(True)
        time.sleep(SETTLE_S)
        with (
            cpu_load_beside(self._condition, self._folder),
            reference_loop_beside(self._folder) as floors,
        ):
            for name in ("guard", "policy", "simulation"):
                runner.trigger(f"{name}/clear_statistics")
            before = usage_below(os.getpid())
            times_s, refused = self._spend(models)
            after = usage_below(os.getpid())
            recorded = runner.statistics("bag") if self._condition.load == "record" else {}
            guard, policy, cell = map(runner.statistics, ("guard", "policy", "simulation"))
        floor, *witnesses = read_reference_loops(floors)
        rates = _rates(policy, guard)
        episodes = self._episodes or [EpisodeResult(False, self._config.duration_s, *rates)]
        report = build_report(self._config.task, episodes, guard, policy, cell, floor, witnesses)
        bars = {
            "commands": guard["command_period"]["period_error_bars"],
            "floor": floor["period_error_bars"],
            "reaction": guard["reaction_bars"],
        }
        passed_s = after.at_s - before.at_s
        frames_hz = policy["encoded_images"] / len(CAMERAS) / passed_s
        return Run(report, bars, (before, after), frames_hz, times_s, refused, recorded)

    def _spend(self, models: Sequence[Path]) -> tuple[list[float], int]:
        """Let the time pass; return how long each swap took, and how many were refused."""
        start_s, waiting, times_s, refused = time.monotonic(), list(models), list[float](), 0
        every_s = self._config.swap_every_s
        while (passed_s := time.monotonic() - start_s) < self._config.duration_s:
            self._tell(
                f"{self._condition.name}: {passed_s:.0f} of {self._config.duration_s:.0f} s, "
                f"{sum(e.success for e in self._episodes)} of {len(self._episodes)} solved"
            )
            done = len(models) - len(waiting)
            if waiting and passed_s >= (done + 0.5) * every_s:
                try:
                    times_s.append(self._runner.swap(waiting.pop(0), True))
                except DbpError:
                    refused += 1
            self._go_on()
            time.sleep(POLL_S)
        return times_s, refused

    def _begin(self) -> None:
        self._runner.prepare()
        self._runner.trigger("policy/begin_episode")
        self._runner.enable_control(True)
        self._began_s = time.monotonic()

    def _go_on(self) -> None:
        """Begin the next episode where this one is over."""
        lasted_s = time.monotonic() - self._began_s
        if self._runner.succeeded or lasted_s > self._limit_s:
            guard, policy = map(self._runner.statistics, ("guard", "policy"))
            rates = _rates(policy, guard)
            self._episodes.append(EpisodeResult(self._runner.succeeded, lasted_s, *rates))
            self._begin()


def _rates(policy: dict[str, Any], guard: dict[str, Any]) -> tuple[float, float]:
    return policy["decision_period"]["rate_hz"], guard["command_period"]["rate_hz"]


def _row(condition: Condition, config: RateConfig, run: Run) -> Row:
    report, (before, after) = run.report, run.usage
    row: Row = dict.fromkeys(COLUMNS, "")
    row |= {"condition": condition.name, "seconds": config.duration_s}
    row |= {name: report[name] for name in COUNTED}
    for name, key in MEASURED.items():
        for percentile in PERCENTILES:
            value = report[key][percentile]
            row[f"{name}_{percentile}_ms"] = "" if value is None else value
    cores = after.cores_since(before)
    row |= {f"{name}_cores": cores.get(name, "") for name in PROCESSES}
    row |= {f"{name}_mb": after.memory_mb.get(name, "") for name in PROCESSES}
    row["machine_stalls"] = sum(report["machine_stalls"].values())
    row["frames_hz"] = run.frames_hz
    if condition.load == "swap":
        row |= {"swaps": len(run.swap_times_s), "swaps_refused": run.swaps_refused}
        row["swap_p50_s"] = float(np.median(run.swap_times_s)) if run.swap_times_s else ""
    if run.recorded:
        row["recorded_mb"] = run.recorded["bytes"] / 1e6
        row["recorded_dropped"] = run.recorded["dropped_messages"]
    return row
