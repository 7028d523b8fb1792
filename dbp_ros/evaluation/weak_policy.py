"""A policy that leaves something to learn: few demonstrations, few updates, a small network.

And how it learns: on a robot, or in the cell without one.
"""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbp_ros.errors import DbpError
from dbp_ros.learning.checkpoint import CHECKPOINT

Tell = Callable[[str], None]

CAMERAS = ("left_wrist_camera", "right_wrist_camera")
PICTURE_PX = 84
# One point a chunk, a fifth of a second ahead: few numbers to explore, and smooth.
HORIZON = 1
SAMPLES = 4
ROWS_A_STEP = 6
NETWORK = (
    *("--every", str(ROWS_A_STEP), "--horizon", str(HORIZON), "--batch-size", "32"),
    # A picture of the step before would be a fifth of a second old; the light never changes.
    *("--late-frame-probability", "0", "--brightness", "0.05", "--contrast", "0.05"),
    *("--width", "64", "--branch-width", "32", "--depth", "1", "--learning-rate", "0.002"),
    *("--keypoints", "16", "--channels", "8", "16", "24", "24"),
    # Two threads wait for each other, and badly where something else has a core.
    *("--threads", "1"),
)
# On a robot decisions are dear: one number a joint to explore, five a second, and far; a bundle of
# them for each update, and that update as far as a few hundred decisions can tell the way.
FINETUNE: dict[str, Any] = {
    "n_action_steps": HORIZON,
    "sigma": 0.25,
    "sigma_low": 0.05,
    "sigma_high": 0.5,
    "gamma": 0.8,
    "trace": 0.5,
    "critic_warm_up": 1,
    "epochs": 10,
    "minibatch": 50,
    "actor_learning_rate": 3e-4,
    "log_std_lr_scale": 8.0,
    "critic_learning_rate": 2e-3,
    "kl_target": 0.5,
    "clip_ratio": 0.3,
    "anchor_weight": 0.003,
    "anchor_distance": 0.4,
}


@dataclass(frozen=True)
class WeakPolicy:
    """How a weak policy comes about.

    Attributes:
        task: Of the simulated cell.
        demonstrations: How many.
        updates: How long to train.
        method: Of `dbp train`.
        seed: Of the training.
    """

    task: str = "reach"
    demonstrations: int = 8
    updates: int = 800
    method: str = "dbp"
    seed: int = 0

    def train(self, data: Path, run: Path, tell: Tell) -> None:
        """Record and train, each unless that was done.

        Raises:
            DbpError: If a step fails.
        """
        if not data.exists():
            tell(f"{self.demonstrations} demonstrations for a weak policy")
            episodes = ("--episodes", str(self.demonstrations), "--workers", "1")
            _dbp("collect", "--task", self.task, *episodes, "--out", str(data))
        if not (run / CHECKPOINT).exists():
            tell(f"a weak policy from {self.demonstrations} demonstrations")
            samples = SAMPLES if self.method == "dbp" else 1
            once = ("--validate-every", str(self.updates), "--checkpoint-every", str(self.updates))
            _dbp(
                *("train", "--data", str(data), "--out", str(run), "--method", self.method),
                *("--seed", str(self.seed), "--num-steps", str(self.updates), *once),
                *("--images", *CAMERAS, "--allow-constant-actions", "--validation-fraction", "0"),
                *("--num-samples", str(samples), *NETWORK),
            )

    def make(self, folder: Path, tell: Tell) -> tuple[Path, Path]:
        """Record, train and export, each unless that was done.

        Args:
            folder: Where to keep everything.
            tell: Shows one line of progress.

        Returns:
            The folders of the training run and of the bundle.

        Raises:
            DbpError: If a step fails.
        """
        data, run, model = folder / "data", folder / "weak", folder / "models" / "weak"
        self.train(data, run, tell)
        if not model.exists():
            made = ("--run", str(run), "--data", str(data), "--out", str(model))
            _dbp("export", *made, "--name", "weak")
        return run, model


def _dbp(*words: str) -> None:
    out = Path(words[words.index("--out") + 1])
    log = out.with_name(f"{out.name}_{words[0]}.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as file:
        command = [sys.executable, "-m", "dbp_ros.cli", *words]
        status = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False)
    if status.returncode:
        raise DbpError(f"dbp {words[0]} failed ({status.returncode}), see {log}")
