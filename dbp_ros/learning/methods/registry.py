"""Methods by name."""

from functools import partial

import torch
from torch import Tensor

from dbp_ros.drift.energy import energy_drifting
from dbp_ros.drift.fields import PUBLISHED_TEMPERATURES, Drift, conditional_drifting, drifting
from dbp_ros.drift.heads import Head, ResidualHead
from dbp_ros.drift.schedule import TemperatureSchedule
from dbp_ros.drift.sinkhorn import joint_sinkhorn_drifting, sinkhorn_drifting
from dbp_ros.drift.unet import UNetHead
from dbp_ros.learning.config import TrainConfig
from dbp_ros.learning.methods.consistency import Consistency
from dbp_ros.learning.methods.diffusion import Diffusion
from dbp_ros.learning.methods.flow import FlowMatching, MeanFlow
from dbp_ros.learning.methods.method import Method, TrainingBatch
from dbp_ros.learning.methods.one_step import DriftField, OneStep, Regression

NUM_TIMES = {"ddim": 1, "flow": 1, "consistency": 1, "meanflow": 2}


def build_head(config: TrainConfig, observation: int, actions: int) -> Head:
    """Build the head of a configuration for observations of a size."""
    times = NUM_TIMES.get(config.method, 0)
    if config.head == "unet":
        widths = config.unet_widths
        return UNetHead(observation, config.horizon, actions, times=times, widths=widths)
    return ResidualHead(
        observation,
        config.horizon,
        actions,
        times=times,
        width=config.width,
        branch_width=config.branch_width,
        depth=config.depth,
    )


def build_method(config: TrainConfig, observation: int, actions: int) -> Method:
    """Build the method of a configuration and its head."""
    head, num_samples = build_head(config, observation, actions), config.num_samples
    if config.method == "bc_mse":
        return Regression(head)
    if config.method == "ddim":
        return Diffusion(head, config.num_inference_steps, num_samples)
    if config.method == "flow":
        return FlowMatching(head, config.num_inference_steps, num_samples)
    if config.method == "meanflow":
        return MeanFlow(head, 1, num_samples)
    if config.method == "consistency":
        return Consistency(head, 1, num_samples)
    if config.method == "dbp_published":
        return OneStep(
            head,
            num_samples,
            published_field,
            noise_skip=False,
            num_components=config.num_components,
        )
    schedule = TemperatureSchedule(config.temperatures, config.initial_temperature_scale)
    fields: dict[str, DriftField] = {
        "dbp": partial(annealed_field, schedule),
        "energy": energy_field,
        "sinkhorn": sinkhorn_field,
        "joint_sinkhorn": joint_sinkhorn_field,
    }
    return OneStep(
        head,
        num_samples,
        fields[config.method],
        dct_modes=config.latent_dct_modes,
        num_components=config.num_components,
    )


def annealed_field(schedule: TemperatureSchedule, samples: Tensor, batch: TrainingBatch) -> Drift:
    """Return the field of `drift_loss` with annealed temperatures."""
    return conditional_drifting(
        samples,
        batch.positives.flatten(2),
        positive_weights=batch.weights,
        temperatures=schedule(batch.progress),
    )


def published_field(samples: Tensor, batch: TrainingBatch) -> Drift:
    """Return the published field: the observation's own demonstration, narrow kernels."""
    own = batch.positives[:, :1].flatten(2)
    return drifting(samples, own, temperatures=PUBLISHED_TEMPERATURES)


def energy_field(samples: Tensor, batch: TrainingBatch) -> Drift:
    """Return the field of the energy score."""
    return energy_drifting(samples, batch.positives[:, :1].flatten(2))


def sinkhorn_field(samples: Tensor, batch: TrainingBatch) -> Drift:
    """Return the Sinkhorn field of each observation; half of the samples debias the other."""
    positives = batch.positives.flatten(2)
    halves = samples.chunk(2, dim=1)
    drifts = [
        sinkhorn_drifting(half, positives, other, positive_weights=batch.weights)
        for half, other in (halves, halves[::-1])
    ]
    return _concatenated(drifts)


def joint_sinkhorn_field(samples: Tensor, batch: TrainingBatch) -> Drift:
    """Return the joint Sinkhorn field of the batch; half of the samples debias the other."""
    own = batch.positives[:, 0].flatten(1)
    halves = samples.chunk(2, dim=1)
    drifts = [
        joint_sinkhorn_drifting(half, own, other, batch.observation.detach())
        for half, other in (halves, halves[::-1])
    ]
    return _concatenated(drifts)


def _concatenated(drifts: list[Drift]) -> Drift:
    """Concatenate the drifts of two halves in the scale of the first."""
    scale = drifts[0].scale
    velocity = [drift.velocity * (drift.scale / scale) for drift in drifts]
    rms = torch.stack([drift.force_rms for drift in drifts]).mean(0)
    return Drift(torch.cat(velocity, dim=1), scale, rms)
