"""Validation of a policy on held-out episodes."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dbp_ros.drift.energy import energy_score
from dbp_ros.learning.dataset import Demonstrations
from dbp_ros.learning.policy_network import PolicyNetwork, image_tensor

SAMPLES = 8
LARGEST_SET = 512
_BATCH_SIZE = 64


@dataclass(frozen=True)
class ValidationScore:
    """Errors on held-out episodes.

    Attributes:
        energy_score: Of normalised chunks, divided by the root of their size. Lower is better.
        error: RMS distance of all samples to the demonstration, in the unit of the actions
            ([rad] for arms; grippers only if there are no others). Samples of other modes
            increase it.
        best_error: The same for the best sample of each observation.
        std: Standard deviation of the samples of an observation.
        best_gripper_error: RMS distance of the best sample's grippers, in their unit; None without
            grippers.
    """

    energy_score: float
    error: float
    best_error: float
    std: float
    best_gripper_error: float | None

    def metrics(self) -> dict[str, float]:
        """Return the metrics of the log and the checkpoint."""
        values = {
            "validation_energy_score": self.energy_score,
            "validation_error": self.error,
            "validation_best_error": self.best_error,
            "validation_spread": self.std,
            "validation_best_gripper_error": self.best_gripper_error,
        }
        return {name: value for name, value in values.items() if value is not None}


@torch.no_grad()
def validate(
    policy: PolicyNetwork, data: Demonstrations, rows: NDArray[np.int64], seed: int
) -> ValidationScore:
    """Score a policy on fixed held-out rows with fixed latents.

    Args:
        policy: In evaluation mode, on any device.
        data: The data set.
        rows: Held-out rows, at least one; subsampled evenly to `LARGEST_SET`.
        seed: Seed of the latents.
    """
    selected = rows[np.linspace(0, len(rows) - 1, min(len(rows), LARGEST_SET)).astype(np.int64)]
    generator = torch.Generator().manual_seed(seed)
    batches = [
        _errors(policy, data, selected[i : i + _BATCH_SIZE], generator)
        for i in range(0, len(selected), _BATCH_SIZE)
    ]
    scores, squares, variances = (torch.cat(values) for values in zip(*batches, strict=True))
    arms = _arms(data)
    arm = squares[:, :, arms].mean(2)
    best = arm.argmin(1)
    gripper = squares[torch.arange(len(best)), best][:, ~arms]
    return ValidationScore(
        energy_score=float(scores.mean()),
        error=_rms(arm),
        best_error=_rms(arm.min(1).values),
        std=_rms(variances[:, arms]),
        best_gripper_error=_rms(gripper) if gripper.numel() else None,
    )


def _arms(data: Demonstrations) -> Tensor:
    """Return which actions are not those of grippers; all if there are no others. Shape (nu,)."""
    arms = torch.tensor([not data.units.is_gripper(name) for name in data.action_names])
    return arms if arms.any() else ~arms


def _rms(squares: Tensor) -> float:
    return float(squares.mean().sqrt())


def _errors(
    policy: PolicyNetwork, data: Demonstrations, rows: NDArray[np.int64], generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Return energy scores (B,), squared errors (B, G, nu) and variances (B, nu)."""
    horizon, nu = policy.chunk_shape
    device = policy.normaliser.state_centre.device
    batch = data.batch(rows, horizon, policy.n_obs_steps).to(device)
    latent = torch.randn(len(rows), SAMPLES, horizon, nu, generator=generator).to(device)
    images = {name: image_tensor(image) for name, image in batch.images.items()}
    features = policy.encode(images, batch.points)
    chunks = policy.method(policy.observe(batch.states, features), latent)
    demonstrated = policy.normaliser.normalise_actions(batch.actions, batch.measured)
    score = energy_score(chunks.flatten(2), demonstrated.flatten(2)) / (horizon * nu) ** 0.5
    absolute = policy.normaliser.absolute_actions(chunks, batch.states[:, -1:])
    squares = (absolute - batch.actions).square().mean(2)
    return score.cpu(), squares.cpu(), absolute.var(1).mean(1).cpu()
