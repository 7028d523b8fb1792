"""From the name of a method to the method."""

from functools import partial

import torch
from torch import Tensor

from dbp_ros.drift.energy import energy_drifting
from dbp_ros.drift.fields import AUTHORS_TEMPERATURES, Drift, conditional_drifting, drifting
from dbp_ros.drift.heads import Head, ResidualHead
from dbp_ros.drift.schedule import TemperatureSchedule
from dbp_ros.drift.sinkhorn import joint_sinkhorn_drifting, sinkhorn_drifting
from dbp_ros.drift.unet import UNetHead
from dbp_ros.learning.config import TrainConfig
from dbp_ros.learning.methods.consistency import Consistency
from dbp_ros.learning.methods.diffusion import Diffusion
from dbp_ros.learning.methods.flow import FlowMatching, MeanFlow
from dbp_ros.learning.methods.method import Method, TrainingBatch
from dbp_ros.learning.methods.one_step import Aim, OneStep, Regression

TIMES = {"ddim": 1, "flow": 1, "consistency": 1, "meanflow": 2}


def build_head(config: TrainConfig, observation: int, actions: int) -> Head:
    """Return the head that the settings ask for, for an observation of a size."""
    times = TIMES.get(config.method, 0)
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
    """Return the method that the settings name, with a head of its own."""
    head, draws = build_head(config, observation, actions), config.num_samples
    if config.method == "bc_mse":
        return Regression(head)
    if config.method == "ddim":
        return Diffusion(head, config.num_inference_steps, draws)
    if config.method == "flow":
        return FlowMatching(head, config.num_inference_steps, draws)
    if config.method == "meanflow":
        return MeanFlow(head, 1, draws)
    if config.method == "consistency":
        return Consistency(head, 1, draws)
    if config.method == "dbp_authors":
        return OneStep(head, draws, published_aim, noise_skip=False)
    schedule = TemperatureSchedule(config.temperatures, config.initial_temperature_scale)
    aims: dict[str, Aim] = {
        "dbp": partial(drift_aim, schedule),
        "energy": energy_aim,
        "sinkhorn": sinkhorn_aim,
        "joint_sinkhorn": joint_sinkhorn_aim,
    }
    return OneStep(head, draws, aims[config.method], latent_waves=config.latent_dct_modes)


def drift_aim(schedule: TemperatureSchedule, samples: Tensor, question: TrainingBatch) -> Drift:
    """Return the default field, that of `drift_loss`, with annealed temperatures."""
    return conditional_drifting(
        samples,
        question.positives.flatten(2),
        positive_weights=question.weights,
        temperatures=schedule(question.progress),
    )


def published_aim(samples: Tensor, question: TrainingBatch) -> Drift:
    """Return the published field: the observation's own demonstration, narrow kernels."""
    own = question.positives[:, :1].flatten(2)
    return drifting(samples, own, temperatures=AUTHORS_TEMPERATURES)


def energy_aim(samples: Tensor, question: TrainingBatch) -> Drift:
    """Return the field of the energy score."""
    return energy_drifting(samples, question.positives[:, :1].flatten(2))


def sinkhorn_aim(samples: Tensor, question: TrainingBatch) -> Drift:
    """Return per-observation transport; each half of the samples debiases the other."""
    positives = question.positives.flatten(2)
    halves = samples.chunk(2, dim=1)
    drifts = [
        sinkhorn_drifting(half, positives, other, positive_weights=question.weights)
        for half, other in (halves, halves[::-1])
    ]
    return _side_by_side(drifts)


def joint_sinkhorn_aim(samples: Tensor, question: TrainingBatch) -> Drift:
    """Return transport over (observation, action); each half debiases the other."""
    own = question.positives[:, 0].flatten(1)
    halves = samples.chunk(2, dim=1)
    drifts = [
        joint_sinkhorn_drifting(half, own, other, question.observation.detach())
        for half, other in (halves, halves[::-1])
    ]
    return _side_by_side(drifts)


def _side_by_side(drifts: list[Drift]) -> Drift:
    """Return the drifts of two halves as one, in the first half's unit."""
    scale = drifts[0].scale
    velocity = [drift.velocity * (drift.scale / scale) for drift in drifts]
    rms = torch.stack([drift.force_rms for drift in drifts]).mean(0)
    return Drift(torch.cat(velocity, dim=1), scale, rms)
