"""Every method through the common interface, and the initial standard deviation of dbp."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from dbp_ros.drift.heads import ResidualHead
from dbp_ros.errors import ConfigError
from dbp_ros.learning.config import METHODS, TrainConfig
from dbp_ros.learning.methods.diffusion import alphas_cumprod
from dbp_ros.learning.methods.method import TrainingBatch
from dbp_ros.learning.methods.one_step import dct_basis
from dbp_ros.learning.methods.registry import build_method


def training_batch(num_samples: int) -> TrainingBatch:
    generator = torch.Generator().manual_seed(0)
    return TrainingBatch(
        observation=torch.randn(6, 5, generator=generator),
        positives=torch.randn(6, 1, 4, 3, generator=generator),
        weights=torch.ones(6, 1),
        noise=torch.randn(6, num_samples, 4, 3, generator=generator),
        uniform=torch.rand(6, num_samples, 3, generator=generator),
        progress=0.5,
    )


def config(method: str) -> TrainConfig:
    return TrainConfig(method=method, horizon=4, width=16, branch_width=16, num_samples=4)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_has_gradients_and_is_deterministic(name: str) -> None:
    torch.manual_seed(0)
    method = build_method(config(name), 5, 3)
    batch = training_batch(method.num_samples)
    prediction = method.predict(batch)
    loss = method.loss(prediction, method.target(prediction.detach(), batch))
    loss.backward()
    gradients = [p.grad for p in method.head.parameters() if p.grad is not None]
    assert torch.isfinite(loss)
    assert sum(float(g.abs().sum()) for g in gradients) > 0
    chunks = method(batch.observation, batch.noise)
    assert chunks.shape == batch.noise.shape
    torch.testing.assert_close(method(batch.observation, batch.noise), chunks, rtol=0, atol=0)


def test_a_chunk_depends_on_the_component_of_its_noise() -> None:
    torch.manual_seed(0)
    method = build_method(replace(config("dbp"), num_components=2), 5, 3)
    torch.nn.init.zeros_(method.noise_skip.std)
    latent = 1e-4 * torch.tensor([-1.0, -0.9, 0.9, 1.0]).reshape(1, 4, 1, 1).expand(1, 4, 4, 3)
    chunks = method(torch.zeros(1, 5), latent)[0]
    same = (chunks[1] - chunks[0]).abs().max(), (chunks[3] - chunks[2]).abs().max()
    assert max(same) < 1e-4 < 1e-2 < (chunks[2] - chunks[1]).abs().max()


def test_only_one_step_generators_have_noise_components() -> None:
    with pytest.raises(ConfigError, match="num_components = 4: ddim has no one-step generator"):
        replace(config("ddim"), num_components=4)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"method": "ddim"}, "num_inference_steps = 1: ddim .* give 10 to 100"),
        ({"method": "energy", "neighbours": 3}, "neighbours = 3 has no effect on energy, only on"),
        ({"method": "sinkhorn"}, "neighbours = 0: sinkhorn then learns the mean"),
        (
            {"method": "bc_mse", "latent_dct_modes": 2},
            "no effect on bc_mse, only on dbp",
        ),
        ({"method": "flow", "initial_temperature_scale": 2.0}, "no effect on flow, only on dbp"),
    ],
)
def test_a_setting_without_effect_is_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        replace(config("dbp"), **settings).require_effect()
    replace(config("dbp"), neighbours=3).require_effect()
    replace(config("ddim"), num_inference_steps=10).require_effect()


@pytest.mark.parametrize("modes", [1, 3, 8])
def test_dbp_starts_with_a_standard_deviation_of_about_half_the_range(modes: int) -> None:
    torch.manual_seed(0)
    settings = TrainConfig(horizon=8, width=16, branch_width=16, latent_dct_modes=modes)
    chunk = build_method(settings, 5, 4)(torch.randn(4, 5), torch.randn(4, 500, 8, 4)).detach()
    assert 0.4 <= chunk.std(1).mean() <= 0.8


def test_all_dct_modes_are_orthonormal() -> None:
    modes = dct_basis(8, 8)
    torch.testing.assert_close(modes @ modes.T, torch.eye(8), atol=1e-6, rtol=0)


def test_the_cosine_schedule_falls_from_about_one_to_about_zero() -> None:
    alphas = alphas_cumprod()
    assert (alphas.diff() < 0).all()
    assert alphas[0] > 0.999
    assert alphas[-1] < 1e-3


def test_a_head_with_times_requires_them() -> None:
    head = ResidualHead(5, 4, 3, times=1, width=16, branch_width=16)
    with pytest.raises(ValueError, match="expected times"):
        head(head.condition(torch.zeros(1, 5)), torch.zeros(1, 1, 4, 3))
