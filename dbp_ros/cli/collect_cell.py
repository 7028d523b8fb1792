"""`dbp collect --task`: record demonstrations of the scripted expert in the simulated cell."""

import importlib.metadata
import shlex
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from dbp_ros.bundle.bundle import bundle_directory, read_bundle
from dbp_ros.cli.terminal import progress_of, show_table
from dbp_ros.data.dataset_file import begin_part, write_description
from dbp_ros.errors import ConfigError
from dbp_ros.evaluation.collection import (
    CollectedEpisode,
    CollectionPlan,
    collect_missing,
    find_recorded,
    note_on_failures,
    require_policy,
    resolve_backend,
)
from dbp_ros.files import require_folder, shown_path
from dbp_ros.settings.dual_ur5e import CAMERAS
from dbp_ros.settings.fields import Settings, setting
from dbp_ros.settings.simulation import CameraBackend
from dbp_ros.sim.control_loop import CONTROL_HZ
from dbp_ros.sim.tasks.registry import make_task

# Settings that all episodes of a part of a data set share.
PART_SETTINGS = ("seed", "noise_rad", "randomisation", "policy_sha256", "hard")


@dataclass(frozen=True)
class CellCollectConfig(Settings):
    """Flags of `dbp collect` that need `--task`."""

    modes: str = setting("", "comma-separated modes of the task, in turn; empty for all")
    noise: float = setting(
        0.005, "standard deviation of the noise on executed commands [rad]", ge=0.0
    )
    hard: bool = setting(
        False, "with --policy: skip the scenes that the policy solves within the time limit"
    )
    randomisation: float = setting(
        0.0,
        "domain randomisation; 1 for cameras within 1 cm and 1 degree, light within 40 %, half of "
        "a random colour on objects, and friction, mass and stiffness within a factor of 1.25",
        ge=0.0,
        le=2.0,
    )
    size: int = setting(84, "height and width of an image [px]", ge=1)
    camera_backend: CameraBackend = setting("auto", "renderer")
    images: bool = setting(True, "record images")


def cell_plan_of(
    task_name: str, cell: CellCollectConfig, policy: str, seed: int, out: str
) -> CollectionPlan:
    """Return the collection plan of a command line.

    Args:
        task_name: Task of the cell.
        cell: Flags that need `--task`.
        policy: Model bundle that drives first; empty for the expert alone.
        seed: Seed of episode 0.
        out: Folder; empty for that of the task below `data/`.

    Raises:
        ConfigError: If the task or a mode is unknown, or a policy is missing.
    """
    if cell.hard and not policy:
        raise ConfigError("--hard skips scenes that a policy solves: name it with --policy")
    task = make_task(task_name)
    modes = tuple(cell.modes.split(",")) if cell.modes else task.modes
    for mode in modes:
        if mode not in task.modes:
            raise ConfigError(
                f"task {task.name} has no mode '{mode}', expected some of {', '.join(task.modes)}"
            )
    return CollectionPlan(
        task=task.name,
        modes=modes,
        seed=seed,
        noise_rad=cell.noise,
        size=cell.size if cell.images else 0,
        backend=cell.camera_backend,
        directory=Path(out or f"data/{task.name}"),
        policy=policy,
        hard=cell.hard,
        randomisation=cell.randomisation,
    )


def collect_in_cell(
    plan: CollectionPlan, episodes: range, workers: int, console: Console
) -> list[bool]:
    """Record the missing episodes of a task of the simulated cell.

    Returns:
        Whether each episode that was not skipped succeeded, also of those recorded before.

    Raises:
        DbpError: If the policy or the renderer is unsuitable, or the folder holds episodes of
            other settings.
    """
    require_policy(plan)
    backend = resolve_backend(plan)
    require_folder(plan.directory)
    found = {index: find_recorded(plan, index) for index in episodes}
    outcomes = [outcome for outcome in found.values() if outcome is not None]
    missing = [index for index, outcome in found.items() if outcome is None]
    failed = sum(not (outcome.success or outcome.skipped) for outcome in outcomes)
    metadata = begin_metadata(plan, episodes, backend)
    started = time.monotonic()
    with progress_of(console) as progress:
        bar = progress.add_task(
            f"{plan.task} ({backend})", total=len(episodes), completed=len(outcomes)
        )
        for outcome in collect_missing(plan, missing, workers):
            outcomes.append(outcome)
            progress.advance(bar)
    attempted = [outcome for outcome in outcomes if not outcome.skipped]
    table = rates_by_mode(attempted, plan.modes)
    metadata["parts"][-1]["modes"] = table
    write_description(plan.directory, metadata)
    show(console, table, time.monotonic() - started)
    for note in note_on_failures(plan.directory, failed):
        console.print(note, highlight=False, soft_wrap=True)
    if plan.hard:
        console.print(f"skipped: {len(outcomes) - len(attempted)} scenes that the policy solved")
    return [outcome.success for outcome in attempted]


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
    """Return the command line that reproduces these episodes."""
    words = ["dbp", "collect", "--task", plan.task, "--episodes", str(episodes)]
    words += ["--first", str(first)] if first else []
    words += ["--out", shown_path(plan.directory), "--modes", ",".join(plan.modes)]
    words += ["--seed", str(plan.seed), "--noise", str(plan.noise_rad)]
    words += ["--policy", plan.policy] if plan.policy else []
    words += ["--hard"] if plan.hard else []
    words += ["--randomisation", str(plan.randomisation)] if plan.randomisation else []
    words += ["--size", str(plan.size)] if plan.size else ["--no-images"]
    return shlex.join(words)


def begin_metadata(plan: CollectionPlan, episodes: range, backend: str) -> dict[str, Any]:
    """Add the episodes of a command to `dataset.yaml`; see `begin_part`."""
    description = {
        "task": plan.task,
        "control_hz": CONTROL_HZ,
        "cameras": list(CAMERAS) if plan.size else [],
        "size": plan.size,
        "camera_backend": backend,
        "versions": {
            name: importlib.metadata.version(name) for name in ("mujoco", "mink", "numpy")
        },
    }
    part = {
        "first": episodes.start,
        "episodes": len(episodes),
        "seed": plan.seed,
        "noise_rad": plan.noise_rad,
        "randomisation": plan.randomisation,
        "policy": plan.policy,
        **({"hard": True} if plan.hard else {}),
        "policy_sha256": read_bundle(bundle_directory(plan.policy)).sha256 if plan.policy else "",
    }
    command = command_of(plan, episodes.start, len(episodes))
    return begin_part(plan.directory, command, description, part, PART_SETTINGS)


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
