"""Every method through the same seam, and the start that keeps modes."""

import pytest
import torch

from dbp_ros.drift.heads import ResidualHead
from dbp_ros.learning.config import METHODS, TrainConfig
from dbp_ros.learning.methods.diffusion import kept_signal
from dbp_ros.learning.methods.method import TrainingBatch
from dbp_ros.learning.methods.one_step import dct_basis
from dbp_ros.learning.methods.registry import build_method


def question(draws: int) -> TrainingBatch:
    chance = torch.Generator().manual_seed(0)
    return TrainingBatch(
        observation=torch.randn(6, 5, generator=chance),
        positives=torch.randn(6, 1, 4, 3, generator=chance),
        weights=torch.ones(6, 1),
        noise=torch.randn(6, draws, 4, 3, generator=chance),
        chance=torch.rand(6, draws, 3, generator=chance),
        progress=0.5,
    )


def config(method: str) -> TrainConfig:
    return TrainConfig(method=method, horizon=4, width=16, branch_width=16, num_samples=4)


@pytest.mark.parametrize("method", METHODS)
def test_a_method_learns_and_answers_the_same_for_the_same_latent(method: str) -> None:
    torch.manual_seed(0)
    made = build_method(config(method), 5, 3)
    asked = question(made.draws)
    said = made.respond(asked)
    loss = made.loss(said, made.aim(said.detach(), asked))
    loss.backward()
    gradients = [p.grad for p in made.head.parameters() if p.grad is not None]
    assert torch.isfinite(loss)
    assert sum(float(g.abs().sum()) for g in gradients) > 0
    chunks = made(asked.observation, asked.noise)
    assert chunks.shape == asked.noise.shape
    torch.testing.assert_close(made(asked.observation, asked.noise), chunks, rtol=0, atol=0)


@pytest.mark.parametrize("waves", [1, 3, 8])
def test_dbp_starts_spread_over_half_of_the_range(waves: int) -> None:
    torch.manual_seed(0)
    settings = TrainConfig(horizon=8, width=16, branch_width=16, latent_dct_modes=waves)
    chunk = build_method(settings, 5, 4)(torch.randn(4, 5), torch.randn(4, 500, 8, 4)).detach()
    assert 0.4 <= chunk.std(1).mean() <= 0.8


def test_all_waves_pass_the_whole_latent() -> None:
    waves = dct_basis(8, 8)
    torch.testing.assert_close(waves @ waves.T, torch.eye(8), atol=1e-6, rtol=0)


def test_the_cosine_schedule_falls_from_nearly_all_to_nearly_nothing() -> None:
    kept = kept_signal()
    assert (kept.diff() < 0).all()
    assert kept[0] > 0.999
    assert kept[-1] < 1e-3


def test_a_head_that_needs_times_says_so() -> None:
    head = ResidualHead(5, 4, 3, times=1, width=16, branch_width=16)
    with pytest.raises(ValueError, match="expected times"):
        head(head.condition(torch.zeros(1, 5)), torch.zeros(1, 1, 4, 3))
