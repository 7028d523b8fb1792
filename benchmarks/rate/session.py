"""One condition of `dbp bench rate`, measured on a running stack."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.rate.conditions import CONDITIONS, Condition, background_load
from benchmarks.rate.process_usage import Usage, usage_below
from dbp_ros.bundle.bundle import bundle_directory, read_bundle
from dbp_ros.errors import DbpError
from dbp_ros.evaluation.loop_rates import Periods, rates_between, read_periods
from dbp_ros.evaluation.report import EpisodeResult, build_report
from dbp_ros.evaluation.running_stack import Log, read_reference_loops, reference_loops
from dbp_ros.nodes.model_pusher import ModelPusher
from dbp_ros.settings.fields import Settings, setting
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.settings.simulation import TaskName

POLL_S = 0.05
# Time from the start of control until the arms move.
SETTLE_S = 2.0
# Time in which the recorder receives a message of each topic.
RECORDER_START_S = 20.0
# Counters of the guard in the report.
COUNTERS = ("commands", "limited_commands", "stops")


@dataclass(frozen=True)
class RateConfig(Settings):
    """Settings of `dbp bench rate`."""

    task: TaskName = setting("lift", "task of the simulated cell")
    model: str = setting(PolicyConfig.model, "model bundle: a folder, or a name under models/")
    duration_s: float = setting(60.0, "duration of each condition [s]", ge=5.0)
    swap_interval_s: float = setting(10.0, "time between swaps [s]", ge=3.0)
    conditions: tuple[str, ...] = setting(CONDITIONS, "conditions to measure")
    out: Path = setting(Path("build/bench"), "folder of the table, report, plot and logs")


@dataclass
class Measurement:
    """Measurement of one condition."""

    report: dict[str, Any]
    bars: dict[str, Any]
    usage: tuple[Usage, Usage]
    frames_hz: float
    swap_times_s: list[float] = field(default_factory=list)
    swaps_refused: int = 0
    recorded: dict[str, Any] = field(default_factory=dict)


class Session:
    """Measurement of one condition on a running stack.

    The policy is active all the time. At the end of an episode the arms return, the cell is reset
    and the next episode starts.
    """

    def __init__(
        self,
        condition: Condition,
        config: RateConfig,
        folder: Path,
        pusher: ModelPusher,
        status: Log,
    ) -> None:
        self._condition, self._config, self._folder = condition, config, folder
        self._client, self._status = pusher, status
        self._episodes: list[EpisodeResult] = []
        self._limit_s = float(pusher.statistics("simulation")["time_limit_s"])
        self._start_s = 0.0
        self._start_periods: Periods = ()

    def run(self, models: Sequence[Path]) -> Measurement:
        """Measure for the configured duration."""
        client = self._client
        self._start_episode()
        client.activate_policy(True)
        time.sleep(SETTLE_S)
        with (
            background_load(self._condition, self._folder),
            reference_loops(self._folder) as files,
        ):
            if self._condition.records:
                self._begin_recording()
            for name in ("guard", "policy", "simulation"):
                client.trigger(f"{name}/clear_statistics")
            # These counters of the guard are since its start.
            counted = client.statistics("guard")
            self._start_episode()
            before = usage_below(os.getpid())
            times_s, refused = self._run_episodes(models)
            after = usage_below(os.getpid())
            recorded = client.statistics("recorder") if self._condition.records else {}
            episodes = self._episodes or [self._result()]
            guard, policy, cell = map(client.statistics, ("guard", "policy", "simulation"))
        guard |= {name: guard[name] - counted[name] for name in COUNTERS}
        reference, *pinned = read_reference_loops(files)
        report = build_report(self._config.task, episodes, guard, policy, cell, reference, pinned)
        bars = {
            "commands": guard["command_period"]["period_error_bars"],
            "floor": reference["period_error_bars"],
            "reaction": guard["reaction_bars"],
        }
        passed_s = after.at_s - before.at_s
        # Without cameras there are no frames.
        bundle = read_bundle(bundle_directory(self._config.model))
        cameras = max(1, len(bundle.manifest.cameras))
        frames_hz = policy["encoded_images"] / cameras / passed_s
        return Measurement(report, bars, (before, after), frames_hz, times_s, refused, recorded)

    def _begin_recording(self) -> None:
        """Begin an episode of the recorder once it receives all its topics.

        Raises:
            DbpError: If it does not begin in time.
        """
        deadline_s = time.monotonic() + RECORDER_START_S
        while True:
            try:
                self._client.trigger("recorder/begin_episode")
                return
            except DbpError:
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(POLL_S)

    def _run_episodes(self, models: Sequence[Path]) -> tuple[list[float], int]:
        """Run episodes and swaps; return the durations of swaps and the number of refused ones."""
        start_s, pending, times_s, refused = time.monotonic(), list(models), list[float](), 0
        interval_s = self._config.swap_interval_s
        while (passed_s := time.monotonic() - start_s) < self._config.duration_s:
            self._status(
                f"{self._condition.name}: {passed_s:.0f} of {self._config.duration_s:.0f} s, "
                f"{sum(e.success for e in self._episodes)} of {len(self._episodes)} solved"
            )
            done = len(models) - len(pending)
            if pending and passed_s >= (done + 0.5) * interval_s:
                try:
                    times_s.append(self._client.swap(pending.pop(0), True))
                except DbpError:
                    refused += 1
            self._restart_finished_episode()
            time.sleep(POLL_S)
        return times_s, refused

    def _start_episode(self) -> None:
        self._client.reset()
        self._client.trigger("policy/begin_episode")
        self._client.enable_control(True)
        self._start_s, self._start_periods = time.monotonic(), read_periods(self._client)

    def _restart_finished_episode(self) -> None:
        """Start the next episode if the current one is over."""
        duration_s = time.monotonic() - self._start_s
        if self._client.succeeded or duration_s > self._limit_s:
            self._episodes.append(self._result())
            self._start_episode()

    def _result(self) -> EpisodeResult:
        """Return the outcome of the current episode so far."""
        rates = rates_between(self._start_periods, read_periods(self._client))
        return EpisodeResult(self._client.succeeded, time.monotonic() - self._start_s, *rates)
