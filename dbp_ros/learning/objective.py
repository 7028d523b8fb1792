"""From the name of an objective to a loss on generated chunks."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from dbp_ros.drift.fields import (
    AUTHORS_TEMPERATURES,
    Field,
    conditional_drifting,
    drifting,
    energy_drifting,
)
from dbp_ros.drift.losses import scaled_loss
from dbp_ros.learning.config import TrainConfig


@dataclass(frozen=True)
class Judgement:
    """What an objective says about a batch.

    Attributes:
        loss: Scalar, with gradient.
        force_rms: Mean size of the force before normalisation.
    """

    loss: Tensor
    force_rms: Tensor


Objective = Callable[[Tensor, Tensor], Judgement]


def objective_of(config: TrainConfig) -> Objective:
    """Return the objective that the settings name.

    It takes generated chunks of shape (B, G, S) and demonstrations of shape (B, P, S).
    """
    known: dict[str, Objective] = {
        "conditional_drifting": partial(
            _drift,
            partial(conditional_drifting, temperatures=config.temperatures),
        ),
        "energy_drifting": partial(_drift, energy_drifting),
        "drifting": partial(_drift, partial(drifting, temperatures=AUTHORS_TEMPERATURES)),
        "regression": _regression,
    }
    return known[config.objective]


def _drift(field: Field, generated: Tensor, positives: Tensor) -> Judgement:
    drift = field(generated.detach(), positives)
    return Judgement(scaled_loss(generated, drift).mean(), drift.force_rms.mean())


def _regression(generated: Tensor, positives: Tensor) -> Judgement:
    """Pull every sample to the mean: the baseline that averages modes."""
    loss = (generated - positives.mean(1, keepdim=True)).square().mean()
    return Judgement(loss, loss.detach().sqrt())
