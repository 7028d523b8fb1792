"""`dbp bench robust`: success of a policy under disturbances of cameras, light, objects and robot.

Each disturbance is applied alone, in lockstep with the simulation, on the same seeds.
"""

import argparse
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from benchmarks.flags import add_out, select_by_name
from dbp_ros.bundle.bundle import bundle_directory, read_bundle
from dbp_ros.bundle.manifest import require_joints
from dbp_ros.cli.terminal import progress_of, show, terminal
from dbp_ros.evaluation.disturbance import UNDISTURBED, Disturbance
from dbp_ros.evaluation.evaluation_pool import EpisodeJob, Evaluation, run_episodes
from dbp_ros.evaluation.result_table import ResultTable, Row
from dbp_ros.settings.dual_ur5e import DUAL_UR5E_JOINTS
from dbp_ros.settings.fields import Settings, setting
from dbp_ros.settings.flags import add_settings, settings_from
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.settings.simulation import CameraBackend, SimulationConfig, TaskName
from dbp_ros.sim.variation import Variation
from dbp_ros.telemetry.confidence import wilson_interval

NAME = "robust"
COLUMNS = (
    *("task", "model", "sha256", "disturbance", "seed"),
    *("variant", "success", "duration_s", "moved", "decisions"),
)
KEY = ("task", "sha256", "disturbance", "seed")
# Digits of the identifier of a bundle.
SHA_DIGITS = 12
NOMINAL_ROW = "none"

DISTURBANCES = {
    NOMINAL_ROW: UNDISTURBED,
    "cameras shifted by 2 cm": Disturbance(Variation(camera_shift_m=0.02)),
    "cameras turned by 3 degrees": Disturbance(Variation(camera_turn_rad=float(np.deg2rad(3)))),
    "light 0.6": Disturbance(Variation(light_ratio=0.6)),
    "light 1.4": Disturbance(Variation(light_ratio=1.4)),
    "warm light": Disturbance(Variation(light_colour=(1.15, 1.0, 0.85))),
    "cold light": Disturbance(Variation(light_colour=(0.85, 1.0, 1.15))),
    "object colour": Disturbance(Variation(object_colour=0.5)),
    "object texture": Disturbance(Variation(object_texture=0.5)),
    "table brightness 0.6": Disturbance(Variation(table_ratio=0.6)),
    "camera noise": Disturbance(pixel_noise=12.0),
    "camera blur": Disturbance(blur_passes=3),
    "30 ms more latency": Disturbance(image_delay_s=0.03),
    "20 % of the images lost": Disturbance(dropped_images=0.2),
    "20 ms command delay": Disturbance(command_delay_s=0.02),
    "60 ms command delay": Disturbance(command_delay_s=0.06),
    "stiffness 0.7": Disturbance(Variation(stiffness_ratio=0.7)),
    "stiffness 1.4": Disturbance(Variation(stiffness_ratio=1.4)),
    "friction 0.7": Disturbance(Variation(friction_ratio=0.7)),
    "friction 1.4": Disturbance(Variation(friction_ratio=1.4)),
    "mass 0.7": Disturbance(Variation(mass_ratio=0.7)),
    "mass 1.5": Disturbance(Variation(mass_ratio=1.5)),
}


@dataclass(frozen=True)
class RobustConfig(Settings):
    """Settings of `dbp bench robust`."""

    task: TaskName = setting(SimulationConfig.task, "task of the simulated cell")
    model: str = setting(PolicyConfig.model, "model bundle: a folder, or a name under models/")
    episodes: int = setting(20, "episodes of each disturbance", ge=1)
    disturbances: str = setting("", f"comma-separated, such as {NOMINAL_ROW}; empty for all")
    seed: int = setting(SimulationConfig.seed, "seed of the first episode", ge=0)
    workers: int = setting(os.cpu_count() or 1, "parallel processes", ge=1)
    camera_backend: CameraBackend = setting("auto", "renderer")

    @property
    def names(self) -> list[str]:
        """Names of the disturbances.

        Raises:
            ConfigError: If one is unknown.
        """
        known = {name: name for name in DISTURBANCES}
        if not self.disturbances:
            return list(known)
        return select_by_name(self.disturbances, known, "disturbance")


def names_of(config: RobustConfig) -> Row:
    """Return the columns that name a model and its task.

    Raises:
        BundleError: If the bundle is missing, damaged or for another robot.
    """
    bundle = read_bundle(bundle_directory(config.model))
    require_joints(bundle.manifest, DUAL_UR5E_JOINTS)
    return {
        "task": config.task,
        "model": bundle.directory.name,
        "sha256": bundle.sha256[:SHA_DIGITS],
    }


def missing_episodes(config: RobustConfig, table: ResultTable) -> list[EpisodeJob]:
    """Return the episodes without a row, ordered by seed."""
    names = names_of(config)
    seeds = range(config.seed, config.seed + config.episodes)
    wanted = [EpisodeJob(seed, DISTURBANCES[name], name) for seed in seeds for name in config.names]
    return [
        job for job in wanted if not table.has({**names, "disturbance": job.name, "seed": job.seed})
    ]


def nominal_summary(table: ResultTable) -> list[Row]:
    """Return one row for each model without disturbance: success, also by variant, and arms."""
    rows = []
    for task, model in _models(table):
        episodes = _episodes(table, task, model, NOMINAL_ROW)
        moved = [row["moved"] == "left" for row in episodes]
        rows.append(
            {
                "task": task,
                "model": model,
                "episodes": len(episodes),
                "success": _success(episodes),
                "from the left": _success([r for r in episodes if r["variant"] == "left"]),
                "from the right": _success([r for r in episodes if r["variant"] == "right"]),
                "left arm moved more": f"{np.mean(moved):.2f}" if moved else "-",
            }
        )
    return rows


def _success(episodes: Sequence[Row]) -> str:
    """Return the success rate with its 95 % interval, `-` without episodes."""
    solved = sum(int(row["success"]) for row in episodes)
    if not episodes:
        return "-"
    low, high = wilson_interval(solved, len(episodes))
    return f"{solved / len(episodes):.2f} ({low:.2f} to {high:.2f})"


def summary(table: ResultTable) -> list[Row]:
    """Return one row for each disturbance: success by task and model, with its 95 % interval.

    Models that ran without disturbances only are in `nominal_summary`.
    """
    models = _disturbed_models(table)
    return [
        {"disturbance": name}
        | {" ".join(dict.fromkeys(key)): _success(_episodes(table, *key, name)) for key in models}
        for name in DISTURBANCES
        if name in table.values("disturbance")
    ]


def _episodes(table: ResultTable, task: str, model: str, disturbance: str) -> list[Row]:
    wanted = task, model, disturbance
    return [row for row in table.rows if (row["task"], row["model"], row["disturbance"]) == wanted]


def _disturbed_models(table: ResultTable) -> list[tuple[str, str]]:
    """Return the pairs of a task and a model that ran under disturbances; all if none did."""
    disturbed = [row for row in table.rows if row["disturbance"] != NOMINAL_ROW]
    return sorted({(row["task"], row["model"]) for row in disturbed}) or _models(table)


def _models(table: ResultTable) -> list[tuple[str, str]]:
    """Return the pairs of a task and a model."""
    return sorted({(row["task"], row["model"]) for row in table.rows})


def plot(table: ResultTable) -> Path:
    """Plot the success of each model under each disturbance."""
    names, models = [row["disturbance"] for row in summary(table)], _disturbed_models(table)
    figure = Figure(figsize=(2.5 + 3.2 * len(models), 1.2 + 0.3 * len(names)), layout="constrained")
    panels = figure.subplots(1, len(models), sharey=True, squeeze=False)[0]
    for axes, (task, model) in zip(panels, models, strict=True):
        for y, name in enumerate(names):
            solved = table.numbers("success", task=task, model=model, disturbance=name)
            if solved:
                axes.barh(y, np.mean(solved), 0.7, color="C7" if name == NOMINAL_ROW else "C0")
        axes.set(xlim=(0, 1.02), title=f"{task}, {model}", xlabel="success")
        axes.grid(axis="x", alpha=0.3)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].invert_yaxis()
    path = table.directory / f"{NAME}.png"
    figure.savefig(path, dpi=110)
    return path


def register(parser: argparse.ArgumentParser) -> None:
    """Add the benchmark."""
    parser.description = __doc__
    add_settings(parser, RobustConfig)
    add_out(parser, f"{NAME}.csv and {NAME}.png")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run missing episodes, print the table and save the plot."""
    config = settings_from(RobustConfig, arguments)
    table, console = ResultTable(arguments.out, NAME, COLUMNS, KEY), terminal()
    table.describe(asdict(config))
    names, missing = names_of(config), missing_episodes(config, table)
    model = names["task"], names["model"]
    before = [row["sha256"] for row in table.rows if (row["task"], row["model"]) == model]
    table.require_same(f"sha256 of {' '.join(model)}", names["sha256"], before)
    policy = PolicyConfig(model=config.model)
    evaluation = Evaluation(config.task, policy, config.camera_backend)
    with progress_of(console) as progress:
        bar = progress.add_task(NAME, total=len(missing))
        for job, outcome in run_episodes(evaluation, missing, config.workers):
            row = {**asdict(outcome), "success": int(outcome.success)}
            table.add({**row, "disturbance": job.name, **names})
            progress.advance(bar)
    show(console, "success without disturbance", nominal_summary(table))
    show(console, f"success under disturbances: {config.task}", summary(table))
    console.print(f"{table.path}, {plot(table)}")
    return 0
