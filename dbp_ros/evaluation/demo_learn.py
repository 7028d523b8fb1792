"""A robot that learns while it works: a weak policy, the learner beside it, and what comes of it.

Every process and topic is real: the simulated cell, the guard, the policy that explores, the
learner that records what it does and announces better versions, and the swaps to them.
"""

import json
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from dbp_ros.evaluation.learning_report import (
    LearningEpisode,
    SwapMark,
    draw_learning,
    learning_report,
    success_over,
)
from dbp_ros.evaluation.report import machine, missed
from dbp_ros.evaluation.result_table import ResultTable, command_line
from dbp_ros.evaluation.running_stack import (
    Tell,
    read_reference_loops,
    reference_loop_beside,
    running_stack,
)
from dbp_ros.evaluation.weak_policy import FINETUNE, HORIZON, WeakPolicy
from dbp_ros.files import require_folder, write_text
from dbp_ros.nodes.learning_episode_runner import LearningEpisodeRunner
from dbp_ros.resources import resource_directory
from dbp_ros.settings.fields import check_ranges, setting
from dbp_ros.sim.tasks.registry import make_task

NAME = "demo_learn"
TASK = WeakPolicy.task
COLUMNS = ("episode", "end_s", "solved", "duration_s", "version", "swaps", "rollbacks")
# After its time is up the learner closes the episode itself.
AFTER_S = 0.1
# The learner loads its libraries and exports the first version that explores.
START_LIMIT_S = 240.0


@dataclass(frozen=True)
class LearnDemoConfig:
    """What to run, and where to put what comes of it."""

    episodes: int = setting(900, "number of episodes", minimum=1)
    demonstrations: int = setting(
        WeakPolicy.demonstrations, "number of demonstrations for the weak policy", minimum=2
    )
    train_updates: int = setting(
        WeakPolicy.updates, "optimizer steps of the weak policy", minimum=1
    )
    decisions_per_update: int = setting(200, "decisions per update of the learner", minimum=1)
    real_time_factor: float = setting(
        1.0, "simulation time per second of wall time [s]", minimum=0.05
    )
    out: Path = setting(Path("build/demo-learn"), "folder for all results")


def write_settings(config: LearnDemoConfig, time_limit_s: float) -> Path:
    """Copy the installed parameter files and change what this demonstration needs; return where."""
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
            "finetune": [f"{name}={value}" for name, value in FINETUNE.items()],
        },
    }
    for name, values in changes.items():
        path = folder / f"{name}.yaml"
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
        settings["/**"]["ros__parameters"] |= values
        write_text(path, yaml.safe_dump(settings))
    return folder


def run_demo_learn(config: LearnDemoConfig, tell: Tell, note: Tell) -> dict[str, Any]:
    """Make a weak policy, let it learn on the whole stack, and write a report, a log and a plot.

    Args:
        config: What to run.
        tell: Shows one line of progress, which the next one replaces.
        note: Prints one line for each episode.

    Returns:
        The report.

    Raises:
        DbpError: If the stack does not start or stops answering.
    """
    check_ranges(config)
    require_folder(config.out)
    weak = WeakPolicy(TASK, config.demonstrations, config.train_updates)
    run, model = weak.make(config.out, tell)
    for old in ("learner", "received"):
        shutil.rmtree(config.out / old, ignore_errors=True)
    (config.out / f"{NAME}.csv").unlink(missing_ok=True)
    time_limit_s = make_task(TASK).time_limit_s
    settings = write_settings(config, time_limit_s)
    words = (
        *("--learner", "--checkpoint", str(run.absolute()), "--config", str(settings)),
        *("--real-time-factor", str(config.real_time_factor)),
    )
    where = (TASK, str(model), config.out)
    table = ResultTable(config.out, NAME, COLUMNS, ("episode",))
    with running_stack(*where, LearningEpisodeRunner, tell, words, START_LIMIT_S) as runner:
        with reference_loop_beside(config.out) as floors:
            practice = LearningRun(config, runner, table, time_limit_s)
            practice.run(tell, note)
        guard, learner = map(runner.statistics, ("guard", "learner"))
    counts = *missed(guard["command_period"], read_reference_loops(floors)), guard["stops"]
    report = learning_report(practice.episodes, practice.marks, learner["learner"], *counts)
    report |= {"finetune": FINETUNE, "command": command_line(), "machine": machine()}
    report["swap_marks"] = [asdict(mark) for mark in practice.marks]
    write_text(config.out / "report.json", json.dumps(report, indent=2) + "\n")
    draw_learning(config.out / f"{NAME}.png", practice.episodes, practice.marks)
    return report


class LearningRun:
    """Episode after episode, and what is written down of them.

    Attributes:
        episodes: Those that are over.
    """

    def __init__(
        self,
        config: LearnDemoConfig,
        runner: LearningEpisodeRunner,
        table: ResultTable,
        time_limit_s: float,
    ) -> None:
        """Prepare.

        Args:
            config: How many.
            runner: Who begins and ends them.
            table: Where each is written down.
            time_limit_s: Of an episode.
        """
        self.episodes: list[LearningEpisode] = []
        self._config, self._runner, self._table = config, runner, table
        self._limit_s = time_limit_s / config.real_time_factor + AFTER_S
        self._start_s = 0.0

    @property
    def marks(self) -> list[SwapMark]:
        """The swaps since the first episode began."""
        seen = [(swap, swap.at_s - self._start_s) for swap in self._runner.swaps]
        return [
            SwapMark(
                round(at_s, 2),
                sum(episode.end_s <= at_s for episode in self.episodes),
                swap.version,
                swap.phase,
                swap.reason,
            )
            for swap, at_s in seen
            if at_s >= 0
        ]

    def run(self, tell: Tell, note: Tell) -> None:
        """Run all episodes."""
        runner = self._runner
        runner.trigger("guard/clear_statistics")
        self._start_s = time.monotonic()
        for number in range(1, self._config.episodes + 1):
            runner.prepare()
            solved, duration_s = runner.run_episode(self._limit_s, lambda: None)
            end_s = time.monotonic() - self._start_s
            episode = LearningEpisode(number, end_s, solved, duration_s, runner.version)
            self.episodes.append(episode)
            self._write_down(episode)
            note(self._line(episode))
            tell(self._line(episode))
        runner.enable_control(False)

    def _write_down(self, episode: LearningEpisode) -> None:
        phases = [mark.phase for mark in self.marks]
        counts = {"swaps": phases.count("active"), "rollbacks": phases.count("rolled_back")}
        self._table.add(asdict(episode) | counts)

    def _line(self, episode: LearningEpisode) -> str:
        share = success_over(self.episodes)
        return (
            f"{episode.episode:4}/{self._config.episodes}   "
            f"{'solved' if episode.solved else 'failed'} in {episode.duration_s:4.1f} s   "
            f"version {episode.version:3}   after {episode.end_s:5.0f} s   "
            + (f"last 20: {share[-1]:.2f}" if len(share) else "")
        )
