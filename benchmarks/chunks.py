"""`dbp bench chunks`: success and jerk of a policy by execution mode of its chunks.

All modes run the same episodes in lockstep with the simulation, through the guard and its limits.
"""

import argparse
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.flags import add_out
from dbp_ros.bundle.bundle import Bundle, bundle_directory, read_bundle
from dbp_ros.cli.terminal import progress_of, show, terminal
from dbp_ros.evaluation.policy_evaluation import PolicyEvaluator
from dbp_ros.evaluation.result_table import ResultTable, Row, standard_error
from dbp_ros.policy.model import Model
from dbp_ros.settings.fields import Settings, setting
from dbp_ros.settings.flags import add_settings, settings_from
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.settings.simulation import CameraBackend, SimulationConfig, TaskName
from dbp_ros.telemetry.confidence import wilson_interval

NAME = "chunks"
RESAMPLED_S = 1e-9
COLUMNS = (
    *("way", "seed", "success", "duration_s", "moved"),
    *("decisions", "decision_rate_hz", "jerk", "limited"),
)
KEY = ("way", "seed")


@dataclass(frozen=True)
class ChunksConfig(Settings):
    """Settings of `dbp bench chunks`."""

    task: TaskName = setting("lift", "task of the simulated cell")
    model: str = setting("lift", "model bundle: a folder, or a name under models/")
    episodes: int = setting(50, "episodes of each mode", ge=1)
    seed: int = setting(SimulationConfig.seed, "seed of the first episode", ge=0)
    camera_backend: CameraBackend = setting("auto", "renderer")


@dataclass(frozen=True)
class ExecutionMode:
    """Rate of decisions and resampling of the latent.

    Attributes:
        meaning: Description.
        executed: Fraction of a chunk that is executed before the next decision; 0 for the rate
            of the stack.
        time_constant_s: Time constant of the latent, see `PolicyConfig`; None for the default.
    """

    meaning: str
    executed: float = 0.0
    time_constant_s: float | None = None


MODES = {
    "every decision": ExecutionMode(
        "a new chunk at every decision and an AR(1) latent, as on a robot"
    ),
    "latent held": ExecutionMode(
        "a new chunk at every decision, one latent per episode", time_constant_s=0.0
    ),
    "fresh latent": ExecutionMode(
        "a new chunk and a new latent at every decision", time_constant_s=RESAMPLED_S
    ),
    "half chunks": ExecutionMode("half of each chunk is executed before the next", executed=0.5),
    "whole chunks": ExecutionMode(
        "each chunk is executed completely before the next", executed=1.0
    ),
}


def mode_settings(mode: ExecutionMode, bundle: Bundle) -> tuple[PolicyConfig, GuardConfig]:
    """Return the settings of policy and guard for a mode."""
    policy, guard = PolicyConfig(), GuardConfig()
    if mode.time_constant_s is not None:
        policy = replace(policy, latent_time_constant_s=mode.time_constant_s)
    if mode.executed:
        action = bundle.manifest.action
        executed_s = max(1, round(mode.executed * action.horizon)) * action.step_s
        policy = replace(policy, decision_rate_hz=1 / executed_s, earliest_decision=1.0)
        guard = replace(guard, chunk_timeout_s=guard.chunk_timeout_s + executed_s)
    return policy, guard


def run_chunks(config: ChunksConfig, table: ResultTable) -> Iterator[None]:
    """Run missing episodes and add a row for each; yield after each."""
    bundle = read_bundle(bundle_directory(config.model))
    model = Model(bundle)
    evaluators = {
        name: PolicyEvaluator(
            model, config.task, *mode_settings(mode, bundle), config.camera_backend
        )
        for name, mode in MODES.items()
    }
    for name, seed in missing_episodes(config, table):
        table.add(_row(name, evaluators[name], seed))
        yield


def missing_episodes(config: ChunksConfig, table: ResultTable) -> list[tuple[str, int]]:
    """Return the modes and seeds without a row, ordered by seed."""
    seeds = range(config.seed, config.seed + config.episodes)
    wanted = [(mode, seed) for seed in seeds for mode in MODES]
    return [(mode, seed) for mode, seed in wanted if not table.has({"way": mode, "seed": seed})]


def _row(name: str, evaluator: PolicyEvaluator, seed: int) -> Row:
    outcome = evaluator.run_episode(seed)
    rate_hz = outcome.decisions / outcome.duration_s
    row = asdict(outcome) | {"way": name, "decision_rate_hz": rate_hz}
    return row | {"success": int(outcome.success)}


def summary(table: ResultTable) -> list[Row]:
    """Return one row for each mode: success with its 95 % interval, and means."""
    return [
        {
            "mode": mode,
            "episodes": len(table.numbers("success", way=mode)),
            "success": _solved(table, mode),
            "jerk [rad/s^3]": _mean(table, "jerk", mode),
            "time to success [s]": _time(table, mode),
            "limited": f"{np.mean(table.numbers('limited', way=mode)):.3f}",
            "decisions [Hz]": f"{np.mean(table.numbers('decision_rate_hz', way=mode)):.1f}",
        }
        for mode in table.values("way")
    ]


def _solved(table: ResultTable, mode: str) -> str:
    solved = table.numbers("success", way=mode)
    low, high = wilson_interval(round(sum(solved)), len(solved))
    return f"{np.mean(solved):.3g} ({low:.2f} to {high:.2f})"


def _mean(table: ResultTable, column: str, mode: str) -> str:
    values = table.numbers(column, way=mode)
    return f"{np.mean(values):.3g} ± {standard_error(values):.2g}"


def _time(table: ResultTable, mode: str) -> str:
    times_s = table.numbers("duration_s", way=mode, success=1)
    return f"{np.mean(times_s):.2f}" if times_s else "-"


def plot(table: ResultTable) -> Path:
    """Plot success and jerk of each mode."""
    modes = table.values("way")
    figure = Figure(figsize=(11, 0.9 + 0.55 * len(modes)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    _plot_success(left, table, modes)
    _plot_jerk(right, table, modes)
    left.set_yticks(range(len(modes)), modes)
    left.invert_yaxis()
    path = table.directory / f"{NAME}.png"
    figure.savefig(path, dpi=110)
    return path


def _plot_success(axes: Axes, table: ResultTable, modes: list[str]) -> None:
    for y, mode in enumerate(modes):
        solved = table.numbers("success", way=mode)
        rate, (low, high) = np.mean(solved), wilson_interval(round(sum(solved)), len(solved))
        error = [[max(0.0, rate - low)], [max(0.0, high - rate)]]
        axes.barh(y, rate, 0.6, xerr=error, capsize=3, color=f"C{y}")
    count = len(table.values("seed"))
    axes.set(xlim=(0, 1.02), title="Success", xlabel=f"fraction of {count} episodes, 95 % interval")
    axes.grid(axis="x", alpha=0.3)


def _plot_jerk(axes: Axes, table: ResultTable, modes: list[str]) -> None:
    for y, mode in enumerate(modes):
        jerks = table.numbers("jerk", way=mode)
        offsets = np.linspace(-0.2, 0.2, len(jerks)) if len(jerks) > 1 else [0.0]
        axes.plot(jerks, y + np.asarray(offsets), ".", color=f"C{y}", alpha=0.5)
        axes.plot([np.median(jerks)] * 2, [y - 0.3, y + 0.3], color="black")
    axes.set(xlim=(0, None), title="Jerk of the arms", xlabel="RMS jerk [rad/s³]")
    axes.grid(axis="x", alpha=0.3)


def register(parser: argparse.ArgumentParser) -> None:
    """Add the benchmark."""
    parser.description = __doc__
    add_settings(parser, ChunksConfig)
    add_out(parser, f"{NAME}.csv and {NAME}.png")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run missing episodes, print the table and save the plot."""
    config = settings_from(ChunksConfig, arguments)
    table, console = ResultTable(arguments.out, NAME, COLUMNS, KEY), terminal()
    table.describe(asdict(config), ("task", "model"))
    with progress_of(console) as progress:
        bar = progress.add_task(NAME, total=len(missing_episodes(config, table)))
        for _ in run_chunks(config, table):
            progress.advance(bar)
    show(console, f"execution modes of chunks: {config.task}", summary(table))
    console.print(f"{table.path}, {plot(table)}")
    return 0
