"""`dbp collect`: record demonstrations of the scripted expert."""

import argparse
import importlib.metadata
import shlex
import time
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.progress import TimeRemainingColumn
from rich.table import Table

from dbp_ros.bundle.bundle import bundle_directory, read_bundle
from dbp_ros.cli.terminal import progress_of, show_table, terminal
from dbp_ros.data.episode import DATASET_FILE, SUFFIX
from dbp_ros.errors import ConfigError, DbpError
from dbp_ros.evaluation.collection import (
    CollectedEpisode,
    CollectionPlan,
    collect_missing,
    find_recorded,
    require_policy,
    resolve_backend,
)
from dbp_ros.files import require_folder, write_text
from dbp_ros.settings.dual_ur5e import CAMERAS
from dbp_ros.settings.fields import Settings, setting
from dbp_ros.settings.flags import add_settings, settings_from
from dbp_ros.settings.simulation import CameraBackend
from dbp_ros.sim.control_loop import CONTROL_HZ
from dbp_ros.sim.tasks.registry import TASKS, make_task

MIN_SUCCESS_RATE = 0.95
# Settings that all episodes of a part of a data set share.
PART_SETTINGS = ("seed", "noise_rad", "randomisation", "policy_sha256")


@dataclass(frozen=True)
class CollectConfig(Settings):
    """Flags of `dbp collect` except `--task`."""

    episodes: int = setting(100, "number of episodes", ge=1)
    first: int = setting(0, "number of the first episode, to add episodes to a data set", ge=0)
    out: str = setting("", f"folder for the episodes, *{SUFFIX}; empty for data/TASK")
    seed: int = setting(0, "seed of episode 0; each episode adds 1", ge=0)
    modes: str = setting("", "comma-separated modes of the task, in turn; empty for all")
    policy: str = setting(
        "", "model bundle that drives until the expert takes over at a random time; empty for none"
    )
    noise: float = setting(
        0.005, "standard deviation of the noise on executed commands [rad]", ge=0.0
    )
    randomisation: float = setting(
        0.0,
        "domain randomisation; 1 for cameras within 1 cm and 1 degree, light within 40 %, half of "
        "a random colour on objects, and friction, mass and stiffness within a factor of 1.25",
        ge=0.0,
        le=2.0,
    )
    size: int = setting(84, "height and width of an image [px]", ge=1)
    workers: int = setting(2, "parallel processes", ge=1)
    camera_backend: CameraBackend = setting("auto", "renderer")
    images: bool = setting(True, "record images")


def rates_by_mode(
    outcomes: list[CollectedEpisode], modes: tuple[str, ...]
) -> dict[str, dict[str, float]]:
    """Return number of episodes, successes, success rate and mean duration of each mode."""
    table = {}
    for mode in modes:
        episodes = [outcome for outcome in outcomes if outcome.mode == mode]
        solved = [outcome.duration_s for outcome in episodes if outcome.success]
        table[mode] = {
            "episodes": len(episodes),
            "successes": len(solved),
            "success_rate": len(solved) / max(1, len(episodes)),
            "mean_duration_s": sum(solved) / max(1, len(solved)),
        }
    return table


def command_of(plan: CollectionPlan, first: int, episodes: int) -> str:
    """Return the command line that reproduces these episodes in a clone."""
    words = ["dbp", "collect", "--task", plan.task, "--episodes", str(episodes)]
    words += ["--first", str(first)] if first else []
    words += ["--out", f"data/{plan.directory.resolve().name}", "--modes", ",".join(plan.modes)]
    words += ["--seed", str(plan.seed), "--noise", str(plan.noise_rad)]
    words += ["--policy", plan.policy] if plan.policy else []
    words += ["--randomisation", str(plan.randomisation)] if plan.randomisation else []
    words += ["--size", str(plan.size)] if plan.size else ["--no-images"]
    return shlex.join(words)


def begin_metadata(plan: CollectionPlan, episodes: range, backend: str) -> dict[str, Any]:
    """Add the episodes of a command to `dataset.yaml` before they are recorded.

    Returns:
        The content, whose last part describes these episodes.

    Raises:
        ConfigError: If some of these episodes were recorded with other settings.
    """
    path = plan.directory / DATASET_FILE
    earlier = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
    part = {
        "first": episodes.start,
        "episodes": len(episodes),
        "seed": plan.seed,
        "noise_rad": plan.noise_rad,
        "randomisation": plan.randomisation,
        "policy": plan.policy,
        "policy_sha256": read_bundle(bundle_directory(plan.policy)).sha256 if plan.policy else "",
    }
    parts = []
    for known in earlier.get("parts", []):
        if overlapping(known, part):
            require_same_settings(known, part, path)
            part = joined_parts(known, part)
        else:
            parts.append(known)
    command = command_of(plan, episodes.start, len(episodes))
    lines = [line for line in earlier.get("command_lines", []) if line != command]
    metadata = {
        "task": plan.task,
        "command_lines": [*lines, command],
        "control_hz": CONTROL_HZ,
        "cameras": list(CAMERAS) if plan.size else [],
        "size": plan.size,
        "camera_backend": backend,
        "versions": {
            name: importlib.metadata.version(name) for name in ("mujoco", "mink", "numpy")
        },
        "parts": [*parts, part],
    }
    write_metadata(plan, metadata)
    return metadata


def overlapping(part: dict[str, Any], other: dict[str, Any]) -> bool:
    """Return whether two parts of a data set share an episode."""
    episodes = [range(one["first"], one["first"] + one["episodes"]) for one in (part, other)]
    return not set(episodes[0]).isdisjoint(episodes[1])


def joined_parts(part: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return two overlapping parts as one."""
    first = min(part["first"], other["first"])
    end = max(part["first"] + part["episodes"], other["first"] + other["episodes"])
    return {**other, "first": first, "episodes": end - first}


def require_same_settings(known: dict[str, Any], part: dict[str, Any], path: Path) -> None:
    """Raise `ConfigError` if two parts of a data set have different settings."""
    different = [name for name in PART_SETTINGS if known[name] != part[name]]
    if different:
        end = known["first"] + known["episodes"]
        raise ConfigError(
            f"{path}: episodes {known['first']} to {end - 1} were recorded with "
            f"{', '.join(f'{name} {known[name]!r}' for name in different)}, this command has "
            f"{', '.join(repr(part[name]) for name in different)}: use another --out, or "
            f"--first {end} to add episodes"
        )


def write_metadata(plan: CollectionPlan, metadata: dict[str, Any]) -> None:
    """Write `dataset.yaml`."""
    write_text(plan.directory / DATASET_FILE, yaml.safe_dump(metadata, sort_keys=False))


def show(console: Console, table: dict[str, dict[str, float]], seconds: float) -> None:
    """Print a summary of the recorded episodes."""
    view = Table("mode", "episodes", "successes", "rate", "mean length [s]")
    for mode, row in table.items():
        view.add_row(
            mode,
            str(row["episodes"]),
            str(row["successes"]),
            f"{row['success_rate']:.1%}",
            f"{row['mean_duration_s']:.2f}",
        )
    show_table(console, view)
    console.print(f"recorded in {seconds:.0f} s")


def plan_of(task_name: str, config: CollectConfig) -> CollectionPlan:
    """Return the collection plan of a command line.

    Raises:
        ConfigError: If the task or a mode is unknown.
    """
    task = make_task(task_name)
    modes = tuple(config.modes.split(",")) if config.modes else task.modes
    for mode in modes:
        if mode not in task.modes:
            raise ConfigError(
                f"task {task.name} has no mode '{mode}', expected some of {', '.join(task.modes)}"
            )
    return CollectionPlan(
        task=task.name,
        modes=modes,
        seed=config.seed,
        noise_rad=config.noise,
        size=config.size if config.images else 0,
        backend=config.camera_backend,
        directory=Path(config.out or f"data/{task.name}"),
        policy=config.policy,
        randomisation=config.randomisation,
    )


def run(arguments: argparse.Namespace) -> int:
    """Record the missing episodes of a data set; return 1 if too few episodes succeed."""
    console = terminal()
    try:
        config = settings_from(CollectConfig, arguments)
        plan = plan_of(arguments.task, config)
        require_policy(plan)
        backend = resolve_backend(plan)
        require_folder(plan.directory)
        indices = range(config.first, config.first + config.episodes)
        found = {index: find_recorded(plan, index) for index in indices}
        outcomes = [outcome for outcome in found.values() if outcome is not None]
        missing = [index for index, outcome in found.items() if outcome is None]
        metadata = begin_metadata(plan, indices, backend)
        started = time.monotonic()
        with progress_of(console, TimeRemainingColumn()) as progress:
            bar = progress.add_task(
                f"{plan.task} ({backend})", total=config.episodes, completed=len(outcomes)
            )
            for outcome in collect_missing(plan, missing, config.workers):
                outcomes.append(outcome)
                progress.advance(bar)
    except DbpError as error:
        console.print(f"dbp collect: {error}", style="red", soft_wrap=True)
        return 2
    except BrokenProcessPool:
        console.print("dbp collect: a worker was killed; the same command resumes", style="red")
        return 2
    table = rates_by_mode(outcomes, plan.modes)
    metadata["parts"][-1]["modes"] = table
    write_metadata(plan, metadata)
    show(console, table, time.monotonic() - started)
    solved = sum(outcome.success for outcome in outcomes)
    return 0 if solved >= MIN_SUCCESS_RATE * len(outcomes) else 1


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb to the `dbp` command."""
    parser.description = (
        "Record demonstrations of the scripted expert in the simulated cell, in parallel. With "
        "--policy the expert takes over from a policy, and only its part is recorded. The same "
        "command resumes an interrupted collection. Exit status 1 if less than "
        f"{MIN_SUCCESS_RATE:.0%} of the episodes succeed."
    )
    parser.add_argument("--task", required=True, help=f"one of {', '.join(sorted(TASKS))}")
    add_settings(parser, CollectConfig)
    parser.set_defaults(run=run)
