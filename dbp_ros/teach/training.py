"""One training in its folder: snapshot of the data, run, model and evaluation."""

import csv
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from dbp_ros.bundle.manifest import MANIFEST
from dbp_ros.data.labels import NO_LABEL, EpisodeLabel, read_labels, write_labels
from dbp_ros.errors import TrainingError
from dbp_ros.files import atomic_folder
from dbp_ros.teach.settings import TeachConfig, read_settings, write_settings
from dbp_ros.telemetry.confidence import wilson_interval

# Training needs an episode for validation and two to learn from.
MIN_EPISODES = 3
# Rows of the log of a training.
VALIDATIONS = 50
CHECKPOINTS = 10
# Learning rate from the weights of an initial model; that of random weights is twice as large.
FINE_TUNING_RATE = "5e-4"
# Files that `dbp train` writes to the folder of its run.
LOG, CHECKPOINT = "log.csv", "checkpoint.safetensors"


@dataclass(frozen=True)
class SuccessCount:
    """Number of solved episodes of a model in simulation.

    Attributes:
        successes: Number of solved episodes.
        episodes: Number of episodes.
    """

    successes: int
    episodes: int

    def __str__(self) -> str:
        """Return the success rate with its 95 % interval."""
        low, high = (100 * end for end in wilson_interval(self.successes, self.episodes))
        rate = 100 * self.successes / self.episodes
        return (
            f"{self.successes} of {self.episodes} episodes succeed ({rate:.0f} %, 95 % interval "
            f"{low:.0f} to {high:.0f} %)"
        )


@dataclass(frozen=True)
class Training:
    """Folder of a training.

    Attributes:
        folder: The folder, whose name is the number.
    """

    folder: Path

    @property
    def number(self) -> int:
        """Number of the training."""
        return int(self.folder.name)

    @property
    def data(self) -> Path:
        """Folder with the episodes it learns from."""
        return self.folder / "data"

    @property
    def run(self) -> Path:
        """Folder of the run of `dbp train`."""
        return self.folder / "run"

    @property
    def model(self) -> Path:
        """Folder of the exported bundle."""
        return self.folder / "model"

    @property
    def outcomes(self) -> Path:
        """File with the outcomes of the evaluation."""
        return self.folder / "evaluation.json"

    @property
    def settings(self) -> TeachConfig:
        """Settings that it began with."""
        return read_settings(self.folder / "teach.yaml")

    @property
    def episodes(self) -> int:
        """Number of episodes it learns from."""
        return len(list(self.data.glob("*.mcap")))

    @property
    def exported(self) -> bool:
        """Whether its model is complete."""
        return (self.model / MANIFEST).is_file()

    def curve(self) -> list[dict[str, float]]:
        """Return the rows of the log of the run, as far as they are complete."""
        try:
            with (self.run / LOG).open(encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
        except OSError:
            return []
        try:
            return [{name: float(value) for name, value in row.items()} for row in rows]
        except (TypeError, ValueError):
            # The last row is being written.
            return [{name: float(value) for name, value in row.items()} for row in rows[:-1]]

    def trained_fraction(self) -> float:
        """Return the fraction of the optimizer steps that are done."""
        rows = self.curve()
        return min(1.0, rows[-1]["update"] / self.settings.num_steps) if rows else 0.0

    def evaluation(self) -> SuccessCount | None:
        """Return the outcomes so far; None without any."""
        try:
            outcomes = json.loads(self.outcomes.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if not outcomes:
            return None
        return SuccessCount(sum(bool(one["success"]) for one in outcomes), len(outcomes))

    @property
    def evaluated(self) -> int:
        """Number of episodes of the evaluation so far."""
        result = self.evaluation()
        return result.episodes if result else 0

    def train_words(self) -> list[str]:
        """Return the words of `dbp train`, which resumes a run that has a checkpoint."""
        settings = self.settings
        words = ["train", "--data", str(self.data), "--out", str(self.run)]
        if (self.run / CHECKPOINT).is_file():
            return [*words, "--resume"]
        return [
            *words,
            *_robot_words(settings),
            *_network_words(settings),
            *("--num-steps", str(settings.num_steps), "--batch-size", str(settings.batch_size)),
            *("--validate-every", str(max(1, settings.num_steps // VALIDATIONS))),
            *("--checkpoint-every", str(max(1, settings.num_steps // CHECKPOINTS))),
            # A person may teach with one arm only, and while a policy drives at other times.
            *("--allow-constant-actions", "--policy-row-weight", "0"),
            *("--threads", str(settings.threads), "--bfloat16"),
        ]

    def export_words(self) -> list[str]:
        """Return the words of `dbp export`."""
        words = ["export", "--run", str(self.run), "--data", str(self.data)]
        name, version = self.settings.model_name, str(self.number)
        return [*words, "--out", str(self.model), "--name", name, "--version", version]

    def evaluate_words(self, episodes: int) -> list[str]:
        """Return the words of `dbp evaluate`.

        Args:
            episodes: Number of episodes.

        Raises:
            TrainingError: If there is no task of the simulated cell.
        """
        settings = self.settings
        if not settings.task:
            raise TrainingError(
                "no task to evaluate in: it is for the simulated cell; on a real robot, deploy "
                "the model and count its successes"
            )
        words = ["evaluate", "--task", settings.task, "--model", str(self.model)]
        words += ["--episodes", str(episodes)]
        return [*words, "--workers", str(settings.threads), "--out", str(self.outcomes)]


def _robot_words(settings: TeachConfig) -> list[str]:
    """Return the robot, for units; names of the default robot's joints determine theirs."""
    return [] if settings.robot == TeachConfig.robot else ["--robot", settings.robot]


def _network_words(settings: TeachConfig) -> list[str]:
    """Return the flags of the network, which an initial model determines."""
    if settings.initial_model:
        return ["--initial-model", settings.initial_model, "--learning-rate", FINE_TUNING_RATE]
    size = str(settings.image_size)
    return ["--method", settings.method, "--image-size", size, size]


def create_training(
    folder: Path, recordings: Path, starts_s: Mapping[str, float], settings: TeachConfig
) -> Training:
    """Create the folder of a training with a snapshot of episodes and their labels.

    The files are hard links, so that later recordings and labels do not change the data.

    Args:
        folder: The folder, which is new.
        recordings: Folder of the recordings.
        starts_s: Time of the first motion of each episode to learn from, by its name. What is
            before is left out unless the episode is trimmed: a policy that learned to rest at the
            start pose may never leave it.
        settings: Settings of the training.

    Raises:
        TrainingError: If there are too few episodes.
    """
    if len(starts_s) < MIN_EPISODES:
        raise TrainingError(
            f"{len(starts_s)} successful episodes, expected at least {MIN_EPISODES}: record more "
            "demonstrations; ten are a good start"
        )
    labels = read_labels(recordings)
    with atomic_folder(folder) as staging:
        training = Training(staging)
        training.data.mkdir()
        used: dict[str, EpisodeLabel] = {}
        for name, start_s in starts_s.items():
            _link(recordings / name, training.data / name)
            label = labels.get(name, NO_LABEL)
            cut = settings.trim_start and label.start_s is None
            ended = label.end_s is not None and label.end_s <= start_s
            used[name] = replace(label, start_s=round(start_s, 3)) if cut and not ended else label
        write_labels(training.data, used)
        write_settings(staging / "teach.yaml", settings)
    return Training(folder)


def _link(source: Path, target: Path) -> None:
    """Create a hard link, or a copy on a file system without them."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
