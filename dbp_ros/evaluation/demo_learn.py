"""`dbp demo-learn`: online training of a weak policy on the whole stack.

Simulated cell, guard, exploring policy and learner run as processes. The learner trains on the
recorded episodes and publishes new versions, which the policy node swaps in.
"""

import json
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from dbp_ros.evaluation.learning_report import (
    SHORT_WINDOW,
    LearningEpisode,
    SwapMark,
    learning_report,
    plot_learning,
)
from dbp_ros.evaluation.report import count_missed, machine_info
from dbp_ros.evaluation.result_table import ResultTable, command_line
from dbp_ros.evaluation.running_stack import (
    Log,
    read_reference_loops,
    reference_loops,
    running_stack,
)
from dbp_ros.evaluation.success_curve import moving_success
from dbp_ros.evaluation.weak_policy import DECISIONS_PER_UPDATE, FINETUNE, HORIZON, WeakPolicy
from dbp_ros.files import require_folder, write_text
from dbp_ros.nodes.learning_episode_runner import LearningEpisodeRunner
from dbp_ros.resources import resource_directory
from dbp_ros.settings.fields import Settings, setting
from dbp_ros.settings.simulation import SimulationConfig
from dbp_ros.sim.tasks.registry import make_task

NAME = "demo_learn"
TASK = WeakPolicy.task
COLUMNS = ("episode", "end_s", "solved", "duration_s", "version", "swaps", "rollbacks")
# The learner ends an episode at the time limit; the demo waits this much longer.
END_MARGIN_S = 0.1
# Episodes of different seeds start from different poses.
EPISODE_SEEDS = 10_000
# Time for the learner to load its libraries and to export the first version.
START_LIMIT_S = 240.0


@dataclass(frozen=True)
class LearnDemoConfig(Settings):
    """Settings of the demo."""

    episodes: int = setting(900, "number of episodes", ge=1)
    demonstrations: int = setting(
        WeakPolicy.demonstrations, "number of demonstrations for the weak policy", ge=2
    )
    train_updates: int = setting(WeakPolicy.updates, "optimizer steps of the weak policy", ge=1)
    decisions_per_update: int = setting(
        DECISIONS_PER_UPDATE, "decisions per update of the learner", ge=1
    )
    seed: int = setting(0, "seed of the learner and of the episodes", ge=0)
    real_time_factor: float = setting(1.0, "simulation time per second of wall time [s]", ge=0.05)
    out: Path = setting(Path("build/demo-learn"), "folder for all results")


def write_settings(config: LearnDemoConfig, time_limit_s: float) -> Path:
    """Copy the installed parameter files with the changes of this demo; return their folder."""
    folder = config.out / "config"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(resource_directory() / "config", folder)
    changes: dict[str, dict[str, Any]] = {
        "policy": {
            "n_action_steps": HORIZON,
            "received_models": str((config.out / "received").absolute()),
        },
        "learner": {
            "out": str((config.out / "learner").absolute()),
            "time_limit_s": time_limit_s,
            "decisions_per_update": config.decisions_per_update,
            "finetune": {**FINETUNE, "seed": config.seed},
        },
        "simulation": {"seed": SimulationConfig.seed + EPISODE_SEEDS * config.seed},
    }
    for name, values in changes.items():
        path = folder / f"{name}.yaml"
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
        settings["/**"]["ros__parameters"] |= values
        write_text(path, yaml.safe_dump(settings))
    return folder


def run_demo_learn(config: LearnDemoConfig, status: Log, log: Log) -> dict[str, Any]:
    """Train a weak policy online on the whole stack; write a report, a CSV file and a plot.

    Args:
        config: Settings.
        status: Sets the status line.
        log: Prints one line for each episode.

    Returns:
        The report.

    Raises:
        DbpError: If the stack does not start or does not respond.
    """
    require_folder(config.out)
    weak = WeakPolicy(TASK, config.demonstrations, config.train_updates)
    run, model = weak.build(config.out, status)
    for old in ("learner", "received"):
        shutil.rmtree(config.out / old, ignore_errors=True)
    (config.out / f"{NAME}.csv").unlink(missing_ok=True)
    time_limit_s = make_task(TASK).time_limit_s
    settings = write_settings(config, time_limit_s)
    flags = (
        *("--learner", "--checkpoint", str(run.absolute()), "--config", str(settings)),
        "--no-auto-reset",
        *("--real-time-factor", str(config.real_time_factor)),
    )
    stack = (TASK, str(model), config.out)
    table = ResultTable(config.out, NAME, COLUMNS, ("episode",))
    with running_stack(*stack, LearningEpisodeRunner, status, flags, START_LIMIT_S) as runner:
        with reference_loops(config.out) as files:
            training = LearningRun(config, runner, table, time_limit_s)
            training.run(status, log)
        guard, learner = map(runner.statistics, ("guard", "learner"))
    loops = read_reference_loops(files)
    counts = *count_missed(guard["command_period"], loops), guard["stops"]
    report = learning_report(training.episodes, training.marks, learner["learner"], *counts)
    report["machine_stalls_known"] = all(loop["realtime"] for loop in loops)
    report |= {"finetune": FINETUNE, "command": command_line(), "machine": machine_info()}
    report["swap_marks"] = [asdict(mark) for mark in training.marks]
    write_text(config.out / "report.json", json.dumps(report, indent=2) + "\n")
    plot_learning(config.out / f"{NAME}.png", training.episodes, training.marks)
    return report


class LearningRun:
    """Loop over the episodes of the demo.

    Attributes:
        episodes: Finished episodes.
    """

    def __init__(
        self,
        config: LearnDemoConfig,
        runner: LearningEpisodeRunner,
        table: ResultTable,
        time_limit_s: float,
    ) -> None:
        """Prepare the loop.

        Args:
            config: Settings.
            runner: Client node that starts and ends episodes.
            table: Table with one row per episode.
            time_limit_s: Time limit of an episode.
        """
        self.episodes: list[LearningEpisode] = []
        self._config, self._runner, self._table = config, runner, table
        self._limit_s = time_limit_s / config.real_time_factor + END_MARGIN_S
        self._start_s = 0.0

    @property
    def marks(self) -> list[SwapMark]:
        """Swaps since the start of the first episode."""
        swaps = [(swap, swap.at_s - self._start_s) for swap in self._runner.swaps]
        return [
            SwapMark(
                round(at_s, 2),
                sum(episode.end_s <= at_s for episode in self.episodes),
                swap.version,
                swap.phase,
                swap.reason,
            )
            for swap, at_s in swaps
            if at_s >= 0
        ]

    def run(self, status: Log, log: Log) -> None:
        """Run all episodes."""
        runner = self._runner
        runner.trigger("guard/clear_statistics")
        self._start_s = time.monotonic()
        for number in range(1, self._config.episodes + 1):
            runner.reset()
            solved, duration_s = runner.run_episode(self._limit_s, lambda: None)
            end_s = time.monotonic() - self._start_s
            episode = LearningEpisode(number, end_s, solved, duration_s, runner.version)
            self.episodes.append(episode)
            self._add_row(episode)
            log(self._line(episode))
            status(self._line(episode))
        runner.enable_control(False)

    def _add_row(self, episode: LearningEpisode) -> None:
        phases = [mark.phase for mark in self.marks]
        counts = {"swaps": phases.count("active"), "rollbacks": phases.count("rolled_back")}
        self._table.add(asdict(episode) | counts)

    def _line(self, episode: LearningEpisode) -> str:
        rate = moving_success([episode.solved for episode in self.episodes], SHORT_WINDOW)
        return (
            f"{episode.episode:4}/{self._config.episodes}   "
            f"{'solved' if episode.solved else 'failed'} in {episode.duration_s:4.1f} s   "
            f"version {episode.version:3}   after {episode.end_s:5.0f} s   "
            + (f"last {SHORT_WINDOW}: {rate[-1]:.2f}" if len(rate) else "")
        )
