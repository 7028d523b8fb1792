"""Imitation learning: fit a policy to demonstrations, whatever its method."""

import math
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from dbp_ros.drift.encoders import PointCloudEncoder
from dbp_ros.errors import TrainingError
from dbp_ros.learning.batch_sampler import BatchSampler, SampledBatch
from dbp_ros.learning.checkpoint import CHECKPOINT, Checkpoint, write_checkpoint
from dbp_ros.learning.config import TrainConfig
from dbp_ros.learning.dataset import Demonstrations, split_by_episode
from dbp_ros.learning.ema import ExponentialMovingAverage
from dbp_ros.learning.methods.method import RegressionTarget, TrainingBatch
from dbp_ros.learning.neighbours import Neighbours, find_neighbours
from dbp_ros.learning.normaliser import Normaliser, SmallestRanges, fit_normaliser, followed_states
from dbp_ros.learning.policy_network import PolicyNetwork, PolicyShape
from dbp_ros.learning.training_log import TrainingLog
from dbp_ros.learning.validation import validate

FINAL_LEARNING_RATE = 0.01
CHECK_LOSS_EVERY = 20

Report = Callable[[int, dict[str, float]], None]


def no_report(update: int, row: dict[str, float]) -> None:
    """Report nothing."""


def learning_rate(config: TrainConfig, update: int) -> float:
    """Return the rate of an update: a linear rise, then a cosine down to a hundredth."""
    rise = min(1.0, (update + 1) / (config.warmup_steps + 1))
    fall = 0.5 + 0.5 * math.cos(math.pi * min(1.0, update / config.num_steps))
    return config.learning_rate * rise * (FINAL_LEARNING_RATE + (1 - FINAL_LEARNING_RATE) * fall)


class Trainer:
    """One run: everything that changes from update to update, and the folder it is kept in.

    On one machine a resumed run makes the same updates as one that was never stopped: every
    random number comes from one source whose state is saved. Several processes, started by
    `accelerate launch`, share each batch and make the same updates as one.
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
            run: Folder for checkpoints, log and curves; None to keep nothing on disk.
            origin: What the checkpoint should say about the data set.

        Raises:
            TrainingError: If the data set leaves nothing to train on, an action never moves, or
                the batch cannot be shared out.
        """
        torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.config, self.data, self.run = config, data, run
        self.machines = Accelerator(
            cpu=config.device == "cpu",
            mixed_precision="bf16" if config.bfloat16 and config.device != "cpu" else "no",
        )
        self.device = self.machines.device
        self._check()
        self.rows, self.held_out = split_by_episode(data, config.validation_fraction, config.seed)
        self.shape = PolicyShape.of(data)
        self.policy = PolicyNetwork(self.shape, config)
        self.policy.normaliser = self._fit_normaliser()
        for name, cloud in data.points.items():
            encoder = cast(PointCloudEncoder, self.policy.encoder(name))
            encoder.fit(torch.from_numpy(cloud[self.rows]))
        neighbours = self._find_neighbours()
        self.policy.to(self.device)
        self.average = ExponentialMovingAverage(self.policy, config.ema_decay)
        self.optimiser = torch.optim.AdamW(
            self.policy.parameters(),
            config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.drawing = BatchSampler(config, data, self.rows, self.policy.normaliser, neighbours)
        self.log = TrainingLog(run) if run is not None and self.machines.is_main_process else None
        self.origin = origin or {}
        self.update, self.train_s = 0, 0.0
        self.metrics: dict[str, float] = {}

    def _check(self) -> None:
        config = self.config
        parts = self.machines.num_processes * config.gradient_accumulation_steps
        if config.batch_size % parts:
            raise TrainingError(
                f"batch_size = {config.batch_size} cannot be shared by "
                f"{self.machines.num_processes} processes in "
                f"{config.gradient_accumulation_steps} parts each: use a multiple of {parts}"
            )
        if config.device == "cuda" and self.device.type != "cuda":
            raise TrainingError("device = cuda, but PyTorch finds no GPU: use --device cpu")
        if config.neighbours and (self.data.images or self.data.points):
            raise TrainingError(
                f"neighbours = {config.neighbours}: states alone do not tell which observations "
                "with pictures or clouds are alike: use --neighbours 0"
            )
        still = self.data.still_actions()
        if still and not config.allow_constant_actions:
            raise TrainingError(
                f"in all {self.data.episodes} episodes these actions never move: "
                f"{', '.join(still)}: check how they were recorded, or accept them with "
                "allow_constant_actions (--allow-constant-actions)"
            )

    def _fit_normaliser(self) -> Normaliser:
        data, floors = self.data, SmallestRanges.of(self.config)
        relative = self.config.relative_actions
        return fit_normaliser(
            followed_states(data.state_names, data.action_names, relative),
            data.states[self.rows],
            data.chunks(self.rows, self.config.horizon),
            floors.each(data.state_names),
            floors.each(data.action_names),
        )

    def _find_neighbours(self) -> Neighbours | None:
        config, data = self.config, self.data
        if not config.neighbours:
            return None
        observed = data.observed(np.arange(len(data.states)), config.n_obs_steps)
        normal = self.policy.normaliser.normalise_states(torch.from_numpy(observed))
        return find_neighbours(
            normal.flatten(1).numpy(),
            data.episode,
            self.rows,
            config.neighbours,
            config.neighbour_bandwidth,
        )

    def train(self, stop_at: int | None = None, report: Report = no_report) -> None:
        """Make updates until the settings' number, or `stop_at`, is reached.

        Args:
            stop_at: Update to stop before the end at, with a checkpoint.
            report: Called after each update with its number and, after a validation, the row.

        Raises:
            TrainingError: If the loss is not finite.
        """
        config = self.config
        end = config.num_steps if stop_at is None else min(stop_at, config.num_steps)
        started = time.monotonic()
        while self.update < end:
            loss, force_rms = self._step()
            self.update += 1
            last = self.update == end
            due = last or self.update % config.checkpoint_every == 0
            if due or self.update % CHECK_LOSS_EVERY == 0:
                self._check_loss(loss)
            row: dict[str, float] = {}
            if last or self.update % config.validate_every == 0:
                row = self._validate(loss, force_rms)
            if due:
                now = time.monotonic()
                self.train_s, started = self.train_s + now - started, now
                if self.run is not None and self.machines.is_main_process:
                    write_checkpoint(self.run, self.checkpoint())
            report(self.update, row)
        if self.log is not None:
            self.log.close()

    def _check_loss(self, loss: Tensor) -> None:
        if not bool(torch.isfinite(loss)):
            raise TrainingError(
                f"the loss is {float(loss)} at update {self.update}: "
                f"lower learning_rate = {self.config.learning_rate}"
            )

    def _step(self) -> tuple[Tensor, Tensor]:
        """Make one update; return the loss and the size of the push, this process's share."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.config, self.update)
        self.optimiser.zero_grad(set_to_none=True)
        loss, force_rms = self._accumulate()
        self._average_gradients()
        torch.nn.utils.clip_grad_norm_(self.policy.parameters(), self.config.max_grad_norm)
        self.optimiser.step()
        self.average.follow(self.policy)
        return loss, force_rms

    def _accumulate(self) -> tuple[Tensor, Tensor]:
        method, parts = self.policy.method, self._parts()
        goals = self._goals(parts)
        losses, pushes = [], []
        for part, known in zip(parts, goals, strict=True):
            question = self._ask(part)
            said = method.respond(question)
            with torch.no_grad():
                goal = method.aim(said.detach(), question) if known is None else known
            loss = method.loss(said, goal)
            (loss / len(parts)).backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach())
            pushes.append(goal.force_rms)
        return torch.stack(losses).mean(), torch.stack(pushes).mean()

    def _parts(self) -> list[SampledBatch]:
        share = self.config.batch_size // self.machines.num_processes
        start = share * self.machines.process_index
        drawn = self.drawing.draw(self.policy.method.draws, slice(start, start + share))
        size = share // self.config.gradient_accumulation_steps
        return [drawn.rows(begin, begin + size).to(self.device) for begin in range(0, share, size)]

    def _ask(self, part: SampledBatch) -> TrainingBatch:
        batch, normaliser = part.batch, self.policy.normaliser
        features = self.policy.encode(batch.images, batch.points, self.config.bfloat16)
        return TrainingBatch(
            observation=self.policy.observe(batch.states, features),
            positives=normaliser.normalise_actions(batch.actions, batch.measured),
            weights=batch.weights,
            noise=part.noise,
            chance=part.chance,
            progress=self.update / self.config.num_steps,
        )

    @torch.no_grad()
    def _goals(self, parts: list[SampledBatch]) -> list[RegressionTarget | None]:
        """Return each part's goal where it takes the whole batch to know it, else None."""
        method, machines = self.policy.method, self.machines
        if not method.needs_whole_batch or (len(parts) == 1 and machines.num_processes == 1):
            return [None] * len(parts)
        questions = [self._ask(part) for part in parts]
        said = torch.cat([method.respond(question) for question in questions])
        whole = TrainingBatch.join(questions)
        goal = method.aim(machines.gather(said), whole.each(machines.gather))
        size = len(said) // len(parts)
        start = len(said) * machines.process_index
        return [goal.rows(start + i * size, start + (i + 1) * size) for i in range(len(parts))]

    def _average_gradients(self) -> None:
        if self.machines.num_processes == 1:
            return
        gradients = [p.grad for p in self.policy.parameters() if p.grad is not None]
        flat = self.machines.reduce(torch.cat([g.flatten() for g in gradients]), "mean")
        start = 0
        for gradient in gradients:
            gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
            start += gradient.numel()

    def _validate(self, loss: Tensor, force_rms: Tensor) -> dict[str, float]:
        row: dict[str, float] = {
            "learning_rate": learning_rate(self.config, self.update - 1),
            "loss": float(loss),
            "force_rms": float(force_rms),
        }
        if len(self.held_out):
            score = validate(self.average.network, self.data, self.held_out, self.config.seed)
            self.metrics = {f"validation_{name}": v for name, v in asdict(score).items()}
        row |= self.metrics
        if self.log is not None:
            self.log.add(self.update, row)
        return row

    def checkpoint(self) -> Checkpoint:
        """Return all that the run needs to go on."""
        tensors = {f"weights/{k}": v for k, v in self.policy.state_dict().items()}
        tensors |= {f"average/{k}": v for k, v in self.average.network.state_dict().items()}
        for index, state in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser/{index}/{k}": v for k, v in state.items()}
        tensors["chance"] = self.drawing.chance.get_state()
        facts = {
            "update": self.update,
            "average_updates": self.average.updates,
            "train_s": round(self.train_s, 3),
            "metrics": self.metrics,
            "dataset": self.origin,
        }
        here = {name: value.cpu() for name, value in tensors.items()}
        return Checkpoint(self.config, self.shape, facts, here)

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
                raise TrainingError(f"{CHECKPOINT} has other {what}: {theirs}, not {mine}")
        self.policy.load_state_dict(checkpoint.part("weights"))
        self.average.network.load_state_dict(checkpoint.part("average"))
        self.average.updates = checkpoint.facts["average_updates"]
        self.optimiser.load_state_dict(
            {
                "state": _by_number(checkpoint.part("optimiser")),
                "param_groups": self.optimiser.state_dict()["param_groups"],
            }
        )
        self.drawing.chance.set_state(checkpoint.tensors["chance"])
        self.update = checkpoint.facts["update"]
        self.train_s = checkpoint.facts["train_s"]
        self.metrics = checkpoint.facts["metrics"]
        if self.log is not None:
            self.log.forget_after(self.update)


def _by_number(tensors: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        number, key = name.split("/")
        state.setdefault(int(number), {})[key] = value
    return state
