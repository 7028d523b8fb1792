"""Imitation learning: fit a one-step generator to demonstrations with a drifting field."""

import math
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dbp_ros.errors import TrainingError
from dbp_ros.learning.augmentation import Augmentation
from dbp_ros.learning.average import WeightAverage
from dbp_ros.learning.checkpoint import CHECKPOINT, Checkpoint, write_checkpoint
from dbp_ros.learning.config import TrainConfig
from dbp_ros.learning.curves import append_row, drop_rows_after, plot_curves
from dbp_ros.learning.dataset import Batch, Demonstrations, split_by_episode
from dbp_ros.learning.normaliser import fit_normaliser
from dbp_ros.learning.objective import Judgement, objective_of
from dbp_ros.learning.policy import Policy, PolicyShape
from dbp_ros.learning.validation import validate

FINAL_LEARNING_RATE = 0.01

Report = Callable[[int, dict[str, float]], None]


def no_report(update: int, row: dict[str, float]) -> None:
    """Report nothing."""


def learning_rate(config: TrainConfig, update: int) -> float:
    """Return the rate of an update: a linear rise, then a cosine down to a hundredth."""
    rise = min(1.0, (update + 1) / (config.warm_up + 1))
    fall = 0.5 + 0.5 * math.cos(math.pi * min(1.0, update / config.updates))
    return config.learning_rate * rise * (FINAL_LEARNING_RATE + (1 - FINAL_LEARNING_RATE) * fall)


class Trainer:
    """One run: everything that changes from update to update, and the folder it is kept in.

    On one machine a resumed run makes the same updates as one that was never stopped: every
    random number comes from one source whose state is saved.
    """

    def __init__(
        self,
        config: TrainConfig,
        data: Demonstrations,
        run: Path,
        *,
        origin: dict[str, Any] | None = None,
    ) -> None:
        """Build the policy and fit the normaliser.

        Args:
            config: The settings.
            data: The data set.
            run: Folder for checkpoints, log and curves.
            origin: What the checkpoint should say about the data set.

        Raises:
            TrainingError: If the data set leaves nothing to train on.
        """
        torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.config, self.data, self.run = config, data, run
        self.rows, self.held_out = split_by_episode(data, config.validation_fraction, config.seed)
        cameras = {name: seen.shape[1:3] for name, seen in data.images.items()}
        self.shape = PolicyShape(data.joints, cameras, data.step_s)
        self.policy = Policy(self.shape, config)
        self.policy.normaliser = fit_normaliser(
            data.joints,
            data.positions[self.rows],
            data.chunks(self.rows, config.horizon),
            config.smallest_range_rad,
            config.smallest_range_m,
        )
        self.average = WeightAverage(self.policy, config.ema_decay)
        self.optimiser = torch.optim.AdamW(
            self.policy.parameters(), config.learning_rate, weight_decay=config.weight_decay
        )
        self.chance = torch.Generator().manual_seed(config.seed)
        self.augment = Augmentation.of(config)
        self.objective = objective_of(config)
        self.origin = origin or {}
        self.update, self.train_s = 0, 0.0
        self.metrics: dict[str, float] = {}

    def train(self, stop_at: int | None = None, report: Report = no_report) -> None:
        """Make updates until the settings' number, or `stop_at`, is reached.

        Args:
            stop_at: Update to stop before the end at, with a checkpoint.
            report: Called after each update with its number and, after a validation, the row.

        Raises:
            TrainingError: If the loss is not finite.
        """
        end = self.config.updates if stop_at is None else min(stop_at, self.config.updates)
        self.run.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        while self.update < end:
            judgement = self._step()
            self.update += 1
            last = self.update == end
            row: dict[str, float] = {}
            if last or self.update % self.config.validate_every == 0:
                row = self._log(judgement)
            if last or self.update % self.config.checkpoint_every == 0:
                now = time.monotonic()
                self.train_s, started = self.train_s + now - started, now
                write_checkpoint(self.run, self.checkpoint())
            report(self.update, row)

    def _step(self) -> Judgement:
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.config, self.update)
        judgement = self._judge(self._draw())
        if not bool(torch.isfinite(judgement.loss)):
            raise TrainingError(
                f"the loss is {float(judgement.loss)} at update {self.update}: "
                f"lower learning_rate = {self.config.learning_rate}"
            )
        self.optimiser.zero_grad(set_to_none=True)
        judgement.loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.policy.parameters(), self.config.clip_gradient)
        self.optimiser.step()
        self.average.follow(self.policy)
        return judgement

    def _draw(self) -> Batch:
        """Draw observations whose cameras lag and whose joints are measured with noise.

        The noise moves an arm's targets along with it, so it blurs what the network sees and not
        what it is to say: an error in a relative target would be a velocity when it is played.
        """
        config, count = self.config, self.config.batch
        picks = torch.randint(len(self.rows), (count,), generator=self.chance).numpy()
        late = {camera: self._lag(count) for camera in self.data.images}
        batch = self.data.batch(self.rows[picks], config.horizon, config.history, late)
        arms = self.policy.normaliser.relative
        deviation = arms * config.position_noise_rad + (1 - arms) * config.gripper_noise_m
        noise = torch.randn(batch.positions.shape, generator=self.chance) * deviation
        moved = batch.actions + (noise[:, -1] * arms)[:, None]
        return Batch(batch.positions + noise, batch.images, moved)

    def _lag(self, count: int) -> NDArray[np.int64]:
        chance = torch.rand(count, generator=self.chance)
        return (chance < self.config.late_frame_probability).long().numpy()

    def _judge(self, batch: Batch) -> Judgement:
        config = self.config
        varied = {name: self._vary(images) for name, images in batch.images.items()}
        features = self.policy.encode(varied, config.bfloat16)
        shape = (len(batch.actions), config.samples, *batch.actions.shape[1:])
        latent = torch.randn(shape, generator=self.chance)
        chunks = self.policy.generate(batch.positions, features, latent)
        wanted = self.policy.normaliser.normalise_actions(batch.actions, batch.positions[:, -1])
        return self.objective(chunks.flatten(2), wanted.flatten(1)[:, None])

    def _vary(self, images: Tensor) -> Tensor:
        varied = self.augment(images.flatten(0, 1), self.chance)
        return varied.reshape(*images.shape[:2], *varied.shape[1:])

    def _log(self, judgement: Judgement) -> dict[str, float]:
        row: dict[str, float] = {
            "update": self.update,
            "learning_rate": learning_rate(self.config, self.update - 1),
            "loss": float(judgement.loss.detach()),
            "force_rms": float(judgement.force_rms),
        }
        if len(self.held_out):
            seed = self.config.seed
            score = validate(self.average.network, self.data, self.held_out, seed)
            self.metrics = {f"validation_{name}": v for name, v in asdict(score).items()}
        row |= self.metrics
        append_row(self.run, row)
        plot_curves(self.run)
        return row

    def checkpoint(self) -> Checkpoint:
        """Return all that the run needs to go on."""
        tensors = {f"weights/{k}": v for k, v in self.policy.state_dict().items()}
        tensors |= {f"average/{k}": v for k, v in self.average.network.state_dict().items()}
        for index, state in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser/{index}/{k}": v for k, v in state.items()}
        tensors["chance"] = self.chance.get_state()
        facts = {
            "update": self.update,
            "average_updates": self.average.updates,
            "train_s": round(self.train_s, 3),
            "metrics": self.metrics,
            "dataset": self.origin,
        }
        return Checkpoint(self.config, self.shape, facts, tensors)

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on where a run stopped.

        Raises:
            TrainingError: If the checkpoint is of another data set or other settings.
        """
        for what, mine, theirs in (
            ("settings", self.config, checkpoint.config),
            ("wiring", self.shape, checkpoint.shape),
            ("data set", self.origin, checkpoint.facts["dataset"]),
        ):
            if mine != theirs:
                raise TrainingError(
                    f"{self.run / CHECKPOINT} has other {what}: {theirs}, not {mine}"
                )
        self.policy.load_state_dict(checkpoint.part("weights"))
        self.average.network.load_state_dict(checkpoint.part("average"))
        self.average.updates = checkpoint.facts["average_updates"]
        self.optimiser.load_state_dict(
            {
                "state": _by_number(checkpoint.part("optimiser")),
                "param_groups": self.optimiser.state_dict()["param_groups"],
            }
        )
        self.chance.set_state(checkpoint.tensors["chance"])
        self.update = checkpoint.facts["update"]
        self.train_s = checkpoint.facts["train_s"]
        self.metrics = checkpoint.facts["metrics"]
        drop_rows_after(self.run, self.update)


def _by_number(tensors: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        number, key = name.split("/")
        state.setdefault(int(number), {})[key] = value
    return state
