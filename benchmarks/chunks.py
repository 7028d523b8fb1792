"""How successive chunks of one policy are put together: success, and how smoothly the arms move.

In lockstep with the simulation, the same episodes for each way, with the guard and its limits.
"""

import argparse
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dbp_ros.bundle.bundle import Bundle, bundle_directory, read_bundle
from dbp_ros.cli.terminal import progress_of, show, terminal
from dbp_ros.evaluation.policy_evaluation import PolicyEvaluator
from dbp_ros.evaluation.result_table import ResultTable, Row, standard_error
from dbp_ros.policy.model import Model
from dbp_ros.settings.fields import check_ranges, setting
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.settings.simulation import SimulationConfig

NAME = "chunks"
NOTHING_S = 1e-9
COLUMNS = (
    *("way", "seed", "success", "duration_s", "moved"),
    *("decisions", "decision_rate_hz", "jerk", "limited"),
)
KEY = ("way", "seed")


@dataclass(frozen=True)
class ChunksConfig:
    """What to run."""

    task: str = setting("lift", "task of the simulated cell")
    model: str = setting("lift", "model bundle: a folder, or a name under models/")
    episodes: int = setting(50, "episodes of each way", minimum=1)
    seed: int = setting(SimulationConfig.seed, "seed of the first episode", minimum=0)
    camera_backend: str = setting("auto", "auto, egl, osmesa or raycast")


@dataclass(frozen=True)
class Way:
    """One way to put chunks together.

    Attributes:
        meaning: In words.
        executed: Share of a chunk that is played before the next decision; 0 to decide as often
            as the stack does.
        memory_s: Of the latent, see `PolicyConfig`; None for the stack's.
    """

    meaning: str
    executed: float = 0.0
    memory_s: float | None = None


WAYS = {
    "every decision": Way("a new chunk at every decision, the latent walks: as on the robot"),
    "latent held": Way("a new chunk at every decision, one latent an episode", memory_s=0.0),
    "fresh latent": Way("a new chunk and a new latent at every decision", memory_s=NOTHING_S),
    "half chunks": Way("half of each chunk is played before the next", executed=0.5),
    "whole chunks": Way("each chunk is played to its end before the next", executed=1.0),
}


def settings_of(way: Way, bundle: Bundle) -> tuple[PolicyConfig, GuardConfig]:
    """Return the settings under which policy and guard put chunks together in a way."""
    policy, guard = PolicyConfig(), GuardConfig()
    if way.memory_s is not None:
        policy = replace(policy, latent_time_constant_s=way.memory_s)
    if way.executed:
        action = bundle.manifest.action
        played_s = max(1, round(way.executed * action.horizon)) * action.step_s
        policy = replace(policy, decision_rate_hz=1 / played_s, earliest_decision=1.0)
        guard = replace(guard, chunk_timeout_s=guard.chunk_timeout_s + played_s)
    return policy, guard


def run_chunks(config: ChunksConfig, table: ResultTable) -> Iterator[None]:
    """Run the episodes that are missing and add a row for each; yield after each."""
    bundle = read_bundle(bundle_directory(config.model))
    model = Model(bundle)
    evaluators = {
        name: PolicyEvaluator(model, config.task, *settings_of(way, bundle), config.camera_backend)
        for name, way in WAYS.items()
    }
    for name, seed in missing(config, table):
        table.add(_row(name, evaluators[name], seed))
        yield


def missing(config: ChunksConfig, table: ResultTable) -> list[tuple[str, int]]:
    """Return the ways and seeds that have no row, all ways of a seed before the next seed."""
    seeds = range(config.seed, config.seed + config.episodes)
    wanted = [(way, seed) for seed in seeds for way in WAYS]
    return [(way, seed) for way, seed in wanted if not table.has({"way": way, "seed": seed})]


def _row(name: str, evaluator: PolicyEvaluator, seed: int) -> Row:
    outcome = evaluator.run_episode(seed)
    rate_hz = outcome.decisions / outcome.duration_s
    row = asdict(outcome) | {"way": name, "decision_rate_hz": rate_hz}
    return row | {"success": int(outcome.success)}


def summary(table: ResultTable) -> list[Row]:
    """Return one row for each way: success with its 95 % interval, and means."""
    return [
        {
            "way": way,
            "episodes": len(table.numbers("success", way=way)),
            "success": _solved(table, way),
            "jerk [rad/s^3]": _mean(table, "jerk", way),
            "time to success [s]": _time(table, way),
            "limited": f"{np.mean(table.numbers('limited', way=way)):.3f}",
            "decisions [Hz]": f"{np.mean(table.numbers('decision_rate_hz', way=way)):.1f}",
        }
        for way in table.values("way")
    ]


def wilson(solved: int, count: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share: also where all were solved, it is not certain."""
    z = 1.96
    middle = (solved + z**2 / 2) / (count + z**2)
    reach = z / (count + z**2) * (solved * (count - solved) / count + z**2 / 4) ** 0.5
    return middle - reach, middle + reach


def _solved(table: ResultTable, way: str) -> str:
    solved = table.numbers("success", way=way)
    low, high = wilson(round(sum(solved)), len(solved))
    return f"{np.mean(solved):.3g} ({low:.2f} to {high:.2f})"


def _mean(table: ResultTable, column: str, way: str) -> str:
    values = table.numbers(column, way=way)
    return f"{np.mean(values):.3g} ± {standard_error(values):.2g}"


def _time(table: ResultTable, way: str) -> str:
    times_s = table.numbers("duration_s", way=way, success=1)
    return f"{np.mean(times_s):.2f}" if times_s else "-"


def draw(table: ResultTable) -> Path:
    """Draw success and jerk of each way."""
    ways = table.values("way")
    figure = Figure(figsize=(11, 0.9 + 0.55 * len(ways)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    _draw_success(left, table, ways)
    _draw_jerk(right, table, ways)
    left.set_yticks(range(len(ways)), ways)
    left.invert_yaxis()
    path = table.directory / f"{NAME}.png"
    figure.savefig(path, dpi=110)
    return path


def _draw_success(axes: Axes, table: ResultTable, ways: list[str]) -> None:
    for place, way in enumerate(ways):
        solved = table.numbers("success", way=way)
        share, (low, high) = np.mean(solved), wilson(round(sum(solved)), len(solved))
        error = [[max(0.0, share - low)], [max(0.0, high - share)]]
        axes.barh(place, share, 0.6, xerr=error, capsize=3, color=f"C{place}")
    count = len(table.values("seed"))
    axes.set(xlim=(0, 1.02), title="Success", xlabel=f"share of {count} episodes, 95 % interval")
    axes.grid(axis="x", alpha=0.3)


def _draw_jerk(axes: Axes, table: ResultTable, ways: list[str]) -> None:
    for place, way in enumerate(ways):
        jerks = table.numbers("jerk", way=way)
        spread = np.linspace(-0.2, 0.2, len(jerks)) if len(jerks) > 1 else [0.0]
        axes.plot(jerks, place + np.asarray(spread), ".", color=f"C{place}", alpha=0.5)
        axes.plot([np.median(jerks)] * 2, [place - 0.3, place + 0.3], color="black")
    axes.set(xlim=(0, None), title="Jerk of the arms", xlabel="root mean square [rad/s³]")
    axes.grid(axis="x", alpha=0.3)


def register(parser: argparse.ArgumentParser) -> None:
    """Add the benchmark."""
    parser.description = __doc__
    defaults = ChunksConfig()
    parser.add_argument("--task", default=defaults.task, help="lift, can or transport")
    parser.add_argument("--model", default=defaults.model, help="bundle: name or folder")
    parser.add_argument(
        "--episodes", type=int, default=defaults.episodes, help="of each way (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=defaults.seed, help="of the first episode")
    parser.add_argument("--camera-backend", default=defaults.camera_backend, help="of the renderer")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("build/bench"),
        help=f"folder of {NAME}.csv and {NAME}.png; episodes that are there are not run again "
        "(default: %(default)s)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run what is missing, then print and draw."""
    config = ChunksConfig(
        arguments.task,
        arguments.model,
        arguments.episodes,
        arguments.seed,
        arguments.camera_backend,
    )
    check_ranges(config)
    table, console = ResultTable(arguments.out, NAME, COLUMNS, KEY), terminal()
    table.describe(asdict(config))
    with progress_of(console) as progress:
        bar = progress.add_task(NAME, total=len(missing(config, table)))
        for _ in run_chunks(config, table):
            progress.advance(bar)
    show(console, f"ways to join chunks: {config.task}", summary(table))
    console.print(f"{table.path}, {draw(table)}")
    return 0
