"""Samplers, graphs and timing of the inference benchmark."""

import time
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.infer.backbones import (
    CHUNK,
    HORIZON,
    OBSERVATION,
    OnnxNetwork,
    TorchNetwork,
    build_untrained,
    count_flops,
    count_weight_reads,
    count_weights,
    write_graphs,
)
from benchmarks.infer.memory_growth import peak_growth_mb
from benchmarks.infer.run import skipped_variants
from benchmarks.infer.samplers import SAMPLERS
from benchmarks.infer.timing import COLUMNS, KEY, Variant, run_backbone, variants
from dbp_ros.errors import ConfigError
from dbp_ros.evaluation.result_table import ResultTable
from dbp_ros.learning.methods.diffusion import LEVELS, alphas_cumprod
from dbp_ros.telemetry.stopwatch import time_interleaved


def test_the_ddim_sampler_matches_that_of_the_method() -> None:
    method = build_untrained("small", 10)
    network, latent = TorchNetwork(method, "cpu", compiled=False), torch.randn(CHUNK)
    found = SAMPLERS["ddim_10"].sample(network, latent)
    torch.testing.assert_close(found, method(network.observation, latent))


def test_ddpm_is_stochastic_and_ddim_is_not() -> None:
    network, latent = TorchNetwork(build_untrained("small", 100), "cpu", False), torch.randn(CHUNK)
    for name, same in (("ddim_100", True), ("ddpm_100", False)):
        first, second = (SAMPLERS[name].sample(network, latent) for _ in range(2))
        assert torch.equal(first, second) is same


class PerfectDenoiser:
    """Predicts the exact noise and counts its calls."""

    def __init__(self, clean: np.ndarray) -> None:
        self.clean, self.observation, self.calls = clean, None, 0
        self.sample_noise = lambda: np.random.default_rng(self.calls).standard_normal(clean.shape)

    def condition(self, observation):
        return None

    def step(self, condition, value, level):
        alpha_bar = float(alphas_cumprod()[round(LEVELS * level)])
        self.calls += 1
        return (value - alpha_bar**0.5 * self.clean) / (1 - alpha_bar) ** 0.5


@pytest.mark.parametrize("name", ["ddim_10", "ddim_100", "ddpm_100"])
def test_every_sampler_recovers_the_chunk_with_the_exact_noise(name: str) -> None:
    clean = np.random.default_rng(0).uniform(-0.9, 0.9, (1, 1, HORIZON, 3))
    network = PerfectDenoiser(clean)
    latent = np.random.default_rng(1).standard_normal(clean.shape)
    found = SAMPLERS[name].sample(network, latent)
    np.testing.assert_allclose(found, clean, atol=1e-6)
    assert network.calls == SAMPLERS[name].num_inference_steps


@pytest.mark.parametrize("steps", [1, 10])
def test_the_graphs_have_the_output_of_pytorch(tmp_path: Path, steps: int) -> None:
    method = build_untrained("small", steps)
    write_graphs(method, tmp_path)
    network = OnnxNetwork(tmp_path, "cpu", whole=steps == 1)
    latent = network.sample_noise()
    found = SAMPLERS["one_pass" if steps == 1 else "ddim_10"].sample(network, latent)
    with torch.no_grad():
        expected = method(torch.from_numpy(network.observation), torch.from_numpy(latent))
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)


def test_the_condition_is_computed_once_and_the_rest_once_per_pass() -> None:
    one, ten = build_untrained("small", 1), build_untrained("small", 10)
    assert count_weight_reads(one) == count_weights(one)
    assert count_weights(ten) < count_weight_reads(ten) < 10 * count_weights(ten)
    assert count_flops(one) > 2 * OBSERVATION * 512
    assert count_flops(ten) > 3 * count_flops(one)


def test_calls_are_interleaved_and_a_long_one_runs_once_per_turn() -> None:
    order: list[str] = []

    def short() -> None:
        order.append("short")

    def long() -> None:
        order.append("long")
        time.sleep(0.11)

    times = time_interleaved({"short": short, "long": long}, 0.0)
    turns = "".join(name[0] for name in order[2:]).split("l")
    assert len(turns) == 4
    assert all(set(turn) == {"s"} for turn in turns[:3])
    assert len(times["long"].warm) == 3
    assert times["long"].warm_ms(50) >= 110
    assert times["long"].cpu_ms < 100


def test_rows_are_added_once_and_skipped_variants_have_a_reason(tmp_path: Path) -> None:
    table = ResultTable(tmp_path, "infer", COLUMNS, KEY)
    whole = Variant("small", "one_pass", "torch", "cpu", tmp_path)
    skipped = Variant("unet_256", "ddpm_100", "torch", "cpu", tmp_path)
    run_backbone([whole], 0.0, table)
    run_backbone([skipped], 0.0, table)
    rows = {tuple(row[key] for key in KEY): row for row in table.rows}
    assert float(rows["small", "one_pass", "torch", "cpu"]["times_floor"]) > 0.5
    assert rows["unet_256", "ddpm_100", "torch", "cpu"]["note"]
    assert ("small", "read", "floor", "cpu") in rows
    assert skipped_variants(table) == [
        "skipped: unet_256 ddpm_100 torch (ten times the steps of ddim_10)"
    ]
    before = len(table.rows)
    run_backbone([whole], 0.0, table)
    assert len(table.rows) == before


def test_an_unknown_backbone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="backbone 'unet_7' is unknown: use some of small"):
        variants(["unet_7"], ["torch"], ["cpu"], tmp_path)


def test_peak_memory_is_measured_in_a_process_of_its_own(tmp_path: Path) -> None:
    one = Variant("unet_64", "one_pass", "torch", "cpu", tmp_path)
    weights_mb = 4 * count_weights(build_untrained("unet_64", 1)) / 2**20
    assert weights_mb < peak_growth_mb(one.build_call) < 10 * weights_mb
