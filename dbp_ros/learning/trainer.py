"""Imitation learning: the training loop of every method."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor

from dbp_ros.drift.encoders import PointCloudEncoder
from dbp_ros.errors import TrainingError
from dbp_ros.learning.batch_sampler import BatchSampler, SampledBatch
from dbp_ros.learning.checkpoint import CHECKPOINT, Checkpoint, by_number, write_checkpoint
from dbp_ros.learning.config import TrainConfig
from dbp_ros.learning.dataset import Demonstrations
from dbp_ros.learning.distributed import average_gradients, require_divisible_batch
from dbp_ros.learning.ema import ExponentialMovingAverage
from dbp_ros.learning.learning_rate import learning_rate
from dbp_ros.learning.methods.method import RegressionTarget, TrainingBatch
from dbp_ros.learning.policy_network import PolicyNetwork, PolicyShape
from dbp_ros.learning.training_data import TrainingData
from dbp_ros.learning.training_log import TrainingLog
from dbp_ros.learning.validation import validate
from dbp_ros.runtime.processor import computes_bfloat16

CHECK_LOSS_EVERY = 20

Report = Callable[[int, dict[str, float]], None]


def no_report(update: int, row: dict[str, float]) -> None:
    """Report nothing."""


class Trainer:
    """A training run: network, optimizer, sampler and log, with a folder for checkpoints.

    In one process a resumed run makes the same updates as an uninterrupted one: all random numbers
    come from one generator whose state is saved. Several processes, started by `accelerate launch`,
    split each batch and make the same updates as one.
    """

    def __init__(
        self,
        config: TrainConfig,
        data: Demonstrations,
        run: Path | None = None,
        *,
        origin: dict[str, Any] | None = None,
    ) -> None:
        """Build the policy and fit the normaliser.

        Args:
            config: The settings.
            data: The data set.
            run: Folder for checkpoints, log and curves; None to write nothing.
            origin: Description of the data set for the checkpoint.

        Raises:
            TrainingError: If no episode is left to train on, an action is constant, or the batch
                cannot be split over the processes.
        """
        torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.config, self.data, self.run = config, data, run
        # Its state belongs to the process, so without this a second training has the first device.
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            AcceleratorState._reset_state(reset_partial_state=True)
        self.accelerator = Accelerator(cpu=config.device == "cpu")
        self.device = self.accelerator.device
        self.bfloat16 = config.bfloat16 and (self.device.type != "cpu" or computes_bfloat16())
        if config.device == "cuda" and self.device.type != "cuda":
            raise TrainingError("device = cuda, but PyTorch finds no GPU: use --device cpu")
        require_divisible_batch(config, self.accelerator)
        prepared = TrainingData.of(config, data)
        self.validation_rows = prepared.validation_rows
        self.shape = PolicyShape.of(data, config)
        self.policy = PolicyNetwork(self.shape, config)
        self.policy.normaliser = prepared.normaliser
        for name, cloud in data.points.items():
            encoder = cast(PointCloudEncoder, self.policy.encoder(name))
            encoder.fit(torch.from_numpy(cloud[prepared.rows]))
        self.policy.to(self.device)
        self.ema = ExponentialMovingAverage(self.policy, config.ema_decay)
        self.optimizer = torch.optim.AdamW(
            self.policy.parameters(),
            config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.sampler = BatchSampler(config, data, prepared)
        self.log = (
            TrainingLog(run) if run is not None and self.accelerator.is_main_process else None
        )
        self.origin = origin or {}
        self.initial_model: dict[str, Any] = {}
        self.commands: tuple[str, ...] = ()
        self.update, self.train_s = 0, 0.0
        self.metrics: dict[str, float] = {}

    def start_from(self, trained: Checkpoint, model: dict[str, Any]) -> None:
        """Take the averaged weights and the normaliser of a trained policy as the initial ones.

        A latent that online learning annealed is restored: at 0 all samples would be equal.

        Args:
            trained: The policy.
            model: Its description for the checkpoints of this run.

        Raises:
            TrainingError: If it has other inputs, outputs or network settings.
        """
        if trained.shape != self.shape:
            raise TrainingError(
                f"the initial model has inputs and outputs {trained.shape}, the data set has "
                f"{self.shape}: use a model of the same robot, cameras and image size"
            )
        weights = trained.part("average")
        try:
            for network in (self.policy, self.ema.network):
                network.load_state_dict(weights)
        except RuntimeError as error:
            raise TrainingError(
                f"the network differs from that of the initial model: {error}: give the network "
                "settings of its manifest"
            ) from error
        for network in (self.policy, self.ema.network):
            for name, buffer in network.named_buffers():
                if name.endswith("latent_scale"):
                    buffer.fill_(1.0)
        self.initial_model = model

    def train(self, stop_at: int | None = None, report: Report = no_report) -> None:
        """Make updates up to `num_steps` of the settings, or `stop_at`.

        Args:
            stop_at: Update to stop at early, with a checkpoint.
            report: Called after each update with its number and, after a validation, the row.

        Raises:
            TrainingError: If the loss is not finite.
        """
        config = self.config
        end = config.num_steps if stop_at is None else min(stop_at, config.num_steps)
        started = time.monotonic()
        if self.update == 0 and self.log is not None:
            self.log.clear()
        while self.update < end:
            loss, force_rms = self._step()
            self.update += 1
            last = self.update == end
            save = last or self.update % config.checkpoint_every == 0
            if save or self.update % CHECK_LOSS_EVERY == 0:
                self._check_loss(loss)
            row: dict[str, float] = {}
            if last or self.update % config.validate_every == 0:
                row = self._validate(loss, force_rms)
            if save:
                now = time.monotonic()
                self.train_s, started = self.train_s + now - started, now
                if self.run is not None and self.accelerator.is_main_process:
                    write_checkpoint(self.run, self.checkpoint())
            report(self.update, row)
        if self.log is not None:
            self.log.close()

    def close(self) -> None:
        """Leave the other processes of a distributed training, after the last run."""
        self.accelerator.end_training()

    def _check_loss(self, loss: Tensor) -> None:
        if not bool(torch.isfinite(loss)):
            raise TrainingError(
                f"the loss is {float(loss)} at update {self.update}: "
                f"lower learning_rate = {self.config.learning_rate}"
            )

    def _step(self) -> tuple[Tensor, Tensor]:
        """Make one update; return the loss and the RMS drift of this process's rows."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.config, self.update)
        self.optimizer.zero_grad(set_to_none=True)
        loss, force_rms = self._accumulate()
        average_gradients(self.policy, self.accelerator)
        torch.nn.utils.clip_grad_norm_(self.policy.parameters(), self.config.max_grad_norm)
        self.optimizer.step()
        self.ema.update(self.policy)
        return loss, force_rms

    def _accumulate(self) -> tuple[Tensor, Tensor]:
        method, parts = self.policy.method, self._parts()
        joint_targets = self._joint_targets(parts)
        losses, forces = [], []
        for part, joint_target in zip(parts, joint_targets, strict=True):
            batch = self._encode(part)
            prediction = method.predict(batch)
            target = joint_target
            if target is None:
                with torch.no_grad():
                    target = method.target(prediction.detach(), batch)
            loss = method.loss(prediction, target)
            (loss / len(parts)).backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach())
            forces.append(target.force_rms)
        return torch.stack(losses).mean(), torch.stack(forces).mean()

    def _parts(self) -> list[SampledBatch]:
        rows = self.config.batch_size // self.accelerator.num_processes
        start = rows * self.accelerator.process_index
        sampled = self.sampler.sample(self.policy.method.num_samples, slice(start, start + rows))
        size = rows // self.config.gradient_accumulation_steps
        return [sampled.rows(begin, begin + size).to(self.device) for begin in range(0, rows, size)]

    def _encode(self, part: SampledBatch) -> TrainingBatch:
        batch, normaliser = part.batch, self.policy.normaliser
        features = self.policy.encode(batch.images, batch.points, self.bfloat16)
        return TrainingBatch(
            observation=self.policy.observe(batch.states, features),
            positives=normaliser.normalise_actions(batch.actions, batch.measured),
            weights=batch.weights,
            noise=part.noise,
            uniform=part.uniform,
            progress=self.update / self.config.num_steps,
        )

    @torch.no_grad()
    def _joint_targets(self, parts: list[SampledBatch]) -> list[RegressionTarget | None]:
        """Return the target of each part, or None if it does not depend on the whole batch."""
        method, accelerator = self.policy.method, self.accelerator
        if not method.needs_whole_batch or (len(parts) == 1 and accelerator.num_processes == 1):
            return [None] * len(parts)
        batches = [self._encode(part) for part in parts]
        prediction = torch.cat([method.predict(batch) for batch in batches])
        whole = TrainingBatch.join(batches)
        target = method.target(accelerator.gather(prediction), whole.apply(accelerator.gather))
        size = len(prediction) // len(parts)
        start = len(prediction) * accelerator.process_index
        return [target.rows(start + i * size, start + (i + 1) * size) for i in range(len(parts))]

    def _validate(self, loss: Tensor, force_rms: Tensor) -> dict[str, float]:
        row: dict[str, float] = {
            "learning_rate": learning_rate(self.config, self.update - 1),
            "loss": float(loss),
            "force_rms": float(force_rms),
        }
        if len(self.validation_rows):
            score = validate(self.ema.network, self.data, self.validation_rows, self.config.seed)
            self.metrics = score.metrics()
        row |= self.metrics
        if self.log is not None:
            self.log.add(self.update, row)
        return row

    def checkpoint(self) -> Checkpoint:
        """Return the state of the run."""
        tensors = {f"weights/{k}": v for k, v in self.policy.state_dict().items()}
        tensors |= {f"average/{k}": v for k, v in self.ema.network.state_dict().items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{index}/{k}": v for k, v in state.items()}
        tensors["generator"] = self.sampler.generator.get_state()
        metadata = {
            "update": self.update,
            "average_updates": self.ema.updates,
            "train_s": round(self.train_s, 3),
            "metrics": self.metrics,
            "dataset": self.origin,
            "commands": list(self.commands),
            **({"initial_model": self.initial_model} if self.initial_model else {}),
        }
        on_cpu = {name: value.cpu() for name, value in tensors.items()}
        return Checkpoint(self.config, self.shape, metadata, on_cpu)

    def resume(self, checkpoint: Checkpoint) -> None:
        """Restore the state of a run.

        Raises:
            TrainingError: If the checkpoint has another data set or other settings.
        """
        for what, expected, found in (
            ("settings", self.config, checkpoint.config),
            ("inputs and outputs", self.shape, checkpoint.shape),
            ("data set", self.origin, checkpoint.metadata["dataset"]),
        ):
            if expected != found:
                raise TrainingError(
                    f"{CHECKPOINT} has other {what}: expected {expected}, got {found}"
                )
        if "generator" not in checkpoint.tensors:
            raise TrainingError(f"{CHECKPOINT} is of dbp finetune: resume it with that command")
        self.policy.load_state_dict(checkpoint.part("weights"))
        self.ema.network.load_state_dict(checkpoint.part("average"))
        self.ema.updates = checkpoint.metadata["average_updates"]
        self.optimizer.load_state_dict(
            {
                "state": by_number(checkpoint.part("optimizer")),
                "param_groups": self.optimizer.state_dict()["param_groups"],
            }
        )
        self.sampler.generator.set_state(checkpoint.tensors["generator"])
        self.update = checkpoint.metadata["update"]
        self.train_s = checkpoint.metadata["train_s"]
        self.metrics = checkpoint.metadata["metrics"]
        self.initial_model = checkpoint.metadata.get("initial_model", {})
        if self.log is not None:
            self.log.truncate_after(self.update)
