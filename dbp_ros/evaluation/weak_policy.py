"""Weak initial policy for online training: few demonstrations, few steps, a small network."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbp_ros.data.episode import EPISODE_FILES
from dbp_ros.errors import ConfigError, DbpError
from dbp_ros.learning.checkpoint import CHECKPOINT, read_checkpoint

Log = Callable[[str], None]

CAMERAS = ("left_wrist_camera", "right_wrist_camera")
IMAGE_PX = 84
# A chunk of one point, 0.2 s ahead: a small action space for exploration, and smooth.
HORIZON = 1
NUM_SAMPLES = 4
STRIDE = 6
NETWORK = (
    *("--stride", str(STRIDE), "--horizon", str(HORIZON), "--batch-size", "32"),
    # An image of the previous step is 0.2 s old; the lighting is constant.
    *("--late-frame-probability", "0", "--brightness", "0.05", "--contrast", "0.05"),
    *("--width", "64", "--branch-width", "32", "--depth", "1", "--learning-rate", "0.002"),
    *("--keypoints", "16", "--channels", "8", "16", "24", "24"),
    # All demonstrations are for training.
    *("--validation-fraction", "0"),
    # One thread, because other processes use the cores.
    *("--threads", "1"),
)
DECISIONS_PER_UPDATE = 200
# Decisions on a robot are expensive: five a second, one exploration dimension per joint. An update
# uses each decision again for seven further updates; see `dbp bench falls`.
FINETUNE: dict[str, Any] = {
    "n_action_steps": HORIZON,
    "init_noise_std": 0.12,
    "min_noise_std": 0.02,
    "max_noise_std": 0.5,
    "gamma": 0.95,
    "gae_lambda": 0.9,
    # With eight demonstrations the latent encodes their noise, no mode.
    "latent_anneal_versions": 15,
    "critic_warmup_updates": 1,
    "num_learning_epochs": 10,
    "minibatch_size": 400,
    "actor_learning_rate": 3e-4,
    "log_std_lr_scale": 8.0,
    "critic_learning_rate": 2e-3,
    "target_kl": 0.2,
    "reuse_updates": 7,
    "clip_ratio": 0.3,
    "anchor_weight": 0.001,
    "anchor_distance": 0.4,
}


@dataclass(frozen=True)
class WeakPolicy:
    """Recipe of a weak policy.

    Attributes:
        task: Task of the simulated cell.
        demonstrations: Number of demonstrations.
        updates: Optimizer steps.
        method: Method of `dbp train`.
        seed: Seed of the training.
    """

    task: str = "reach"
    demonstrations: int = 8
    updates: int = 800
    method: str = "dbp"
    seed: int = 0

    def train(self, data: Path, run: Path, status: Log) -> None:
        """Record and train; finished steps are skipped.

        Raises:
            DbpError: If a step fails, or the folders are of a recipe with other numbers.
        """
        self._require_same(data, run)
        # An interrupted collection is continued.
        if len(list(data.glob(EPISODE_FILES))) < self.demonstrations:
            status(f"{self.demonstrations} demonstrations for a weak policy")
            episodes = ("--episodes", str(self.demonstrations), "--workers", "1")
            _run_dbp("collect", "--task", self.task, *episodes, "--out", str(data))
        if not (run / CHECKPOINT).exists():
            status(f"a weak policy from {self.demonstrations} demonstrations")
            samples = NUM_SAMPLES if self.method == "dbp" else 1
            intervals = (
                "--validate-every",
                str(self.updates),
                "--checkpoint-every",
                str(self.updates),
            )
            _run_dbp(
                *("train", "--data", str(data), "--out", str(run), "--method", self.method),
                *("--seed", str(self.seed), "--num-steps", str(self.updates), *intervals),
                *("--images", *CAMERAS, "--allow-constant-actions", "--validation-fraction", "0"),
                *("--num-samples", str(samples), *NETWORK),
            )

    def build(self, folder: Path, status: Log) -> tuple[Path, Path]:
        """Record, train and export; finished steps are skipped.

        Args:
            folder: Folder of all files.
            status: Sets the status line.

        Returns:
            Folders of the training run and of the bundle.

        Raises:
            DbpError: If a step fails, or the folder is of a recipe with other numbers.
        """
        data, run, model = folder / "data", folder / "weak", folder / "models" / "weak"
        self.train(data, run, status)
        if not model.exists():
            flags = ("--run", str(run), "--data", str(data), "--out", str(model))
            _run_dbp("export", *flags, "--name", "weak")
        return run, model

    def _require_same(self, data: Path, run: Path) -> None:
        """Check that finished steps have the numbers of this recipe."""
        found = expected = self.demonstrations, self.updates
        if (run / CHECKPOINT).exists():
            checkpoint = read_checkpoint(run)
            found = checkpoint.metadata["dataset"]["episodes"], checkpoint.config.num_steps
        elif (recorded := len(list(data.glob(EPISODE_FILES)))) > self.demonstrations:
            found = recorded, self.updates
        if found != expected:
            raise ConfigError(
                f"the weak policy in {run.parent} is of {found[0]} demonstrations and {found[1]} "
                f"updates, expected {expected[0]} and {expected[1]}: give another folder, or "
                f"delete {data}, {run} and its export"
            )


def _run_dbp(*words: str) -> None:
    out = Path(words[words.index("--out") + 1])
    log = out.with_name(f"{out.name}_{words[0]}.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as file:
        command = [sys.executable, "-m", "dbp_ros.cli", *words]
        status = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False)
    if status.returncode:
        raise DbpError(f"dbp {words[0]} failed ({status.returncode}), see {log}")
