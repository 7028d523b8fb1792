"""`dbp bench robust`: success of a policy under disturbances of cameras, light, objects and robot.

Each disturbance is applied alone, in lockstep with the simulation, on the same seeds.
"""

import argparse
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from benchmarks.chunks import wilson_interval
from benchmarks.flags import add_out
from dbp_ros.bundle.bundle import bundle_directory, read_bundle
from dbp_ros.bundle.manifest import require_joints
from dbp_ros.cli.terminal import progress_of, show, terminal
from dbp_ros.evaluation.disturbance import UNDISTURBED, Disturbance
from dbp_ros.evaluation.policy_evaluation import PolicyEvaluator
from dbp_ros.evaluation.result_table import ResultTable, Row
from dbp_ros.evaluation.worker_pool import run_in_workers
from dbp_ros.policy.model import Model
from dbp_ros.settings.fields import Settings, setting
from dbp_ros.settings.flags import add_settings, settings_from
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.settings.robot import DUAL_UR5E_JOINTS
from dbp_ros.settings.simulation import CameraBackend, SimulationConfig, TaskName
from dbp_ros.sim.variation import Variation

NAME = "robust"
COLUMNS = (
    *("task", "model", "sha256", "disturbance", "seed"),
    *("success", "duration_s", "moved", "decisions"),
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
    seed: int = setting(SimulationConfig.seed, "seed of the first episode", ge=0)
    workers: int = setting(os.cpu_count() or 1, "parallel processes", ge=1)
    camera_backend: CameraBackend = setting("auto", "renderer")


_evaluators: list[PolicyEvaluator] = []


def _start_worker(config: RobustConfig) -> None:
    model = Model(read_bundle(bundle_directory(config.model)))
    settings = PolicyConfig(), GuardConfig()
    _evaluators[:] = [PolicyEvaluator(model, config.task, *settings, config.camera_backend)]


def _run(job: tuple[str, int]) -> Row:
    name, seed = job
    row = asdict(_evaluators[0].run_episode(seed, DISTURBANCES[name]))
    return row | {"disturbance": name, "success": int(row["success"])}


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


def missing_episodes(config: RobustConfig, table: ResultTable) -> list[tuple[str, int]]:
    """Return the disturbances and seeds without a row, ordered by seed."""
    names = names_of(config)
    seeds = range(config.seed, config.seed + config.episodes)
    wanted = [(name, seed) for seed in seeds for name in DISTURBANCES]
    return [
        (name, seed)
        for name, seed in wanted
        if not table.has({**names, "disturbance": name, "seed": seed})
    ]


def summary(table: ResultTable) -> list[Row]:
    """Return one row for each disturbance: success by task and model, with its 95 % interval."""
    return [
        {"disturbance": name} | {" ".join(key): _solved(table, key, name) for key in _models(table)}
        for name in DISTURBANCES
        if name in table.values("disturbance")
    ]


def _models(table: ResultTable) -> list[tuple[str, str]]:
    """Return the pairs of a task and a model."""
    return sorted({(row["task"], row["model"]) for row in table.rows})


def _solved(table: ResultTable, key: tuple[str, str], name: str) -> str:
    solved = table.numbers("success", task=key[0], model=key[1], disturbance=name)
    if not solved:
        return "-"
    low, high = wilson_interval(round(sum(solved)), len(solved))
    return f"{np.mean(solved):.2f} ({low:.2f} to {high:.2f})"


def plot(table: ResultTable) -> Path:
    """Plot the success of each model under each disturbance."""
    names, models = [row["disturbance"] for row in summary(table)], _models(table)
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
    with progress_of(console) as progress:
        bar = progress.add_task(NAME, total=len(missing))
        for row in run_in_workers(
            _run, missing, config.workers, start=_start_worker, start_args=(config,)
        ):
            table.add(row | names)
            progress.advance(bar)
    show(console, f"success under disturbances: {config.task}", summary(table))
    console.print(f"{table.path}, {plot(table)}")
    return 0
