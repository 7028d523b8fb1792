"""Decisions are timed in turns, and every way to a chunk is the one that it says it is."""

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
    flops_of,
    method_of,
    weights_of,
    weights_read,
    write_graphs,
)
from benchmarks.infer.memory_growth import peak_growth_mb
from benchmarks.infer.run import left_out
from benchmarks.infer.samplers import SAMPLERS
from benchmarks.infer.timing import COLUMNS, KEY, Contestant, contestants, run_backbone
from dbp_ros.errors import ConfigError
from dbp_ros.evaluation.result_table import ResultTable
from dbp_ros.learning.methods.diffusion import LEVELS, alphas_cumprod
from dbp_ros.telemetry.stopwatch import time_interleaved


def test_the_samplers_ddim_is_that_of_the_method() -> None:
    method = method_of("small", 10)
    network, latent = TorchNetwork(method, "cpu", compiled=False), torch.randn(CHUNK)
    found = SAMPLERS["ddim_10"].sample(network, latent)
    torch.testing.assert_close(found, method(network.observation, latent))


def test_ddpm_draws_anew_at_each_step_and_ddim_does_not() -> None:
    network, latent = TorchNetwork(method_of("small", 100), "cpu", False), torch.randn(CHUNK)
    for name, same in (("ddim_100", True), ("ddpm_100", False)):
        first, second = (SAMPLERS[name].sample(network, latent) for _ in range(2))
        assert torch.equal(first, second) is same


class Perfect:
    """Knows the chunk that was blurred, and counts how often it was asked."""

    def __init__(self, clean: np.ndarray) -> None:
        self.clean, self.observation, self.asked = clean, None, 0
        self.draw = lambda: np.random.default_rng(self.asked).standard_normal(clean.shape)

    def condition(self, observation):
        return None

    def step(self, condition, value, level):
        kept = float(alphas_cumprod()[round(LEVELS * level)])
        self.asked += 1
        return (value - kept**0.5 * self.clean) / (1 - kept) ** 0.5


@pytest.mark.parametrize("name", ["ddim_10", "ddim_100", "ddpm_100"])
def test_a_network_that_knows_the_noise_leads_every_sampler_to_the_chunk(name: str) -> None:
    clean = np.random.default_rng(0).uniform(-0.9, 0.9, (1, 1, HORIZON, 3))
    network = Perfect(clean)
    latent = np.random.default_rng(1).standard_normal(clean.shape)
    found = SAMPLERS[name].sample(network, latent)
    np.testing.assert_allclose(found, clean, atol=1e-6)
    assert network.asked == SAMPLERS[name].evaluations


@pytest.mark.parametrize("steps", [1, 10])
def test_the_graphs_say_what_pytorch_says(tmp_path: Path, steps: int) -> None:
    method = method_of("small", steps)
    write_graphs(method, tmp_path)
    network = OnnxNetwork(tmp_path, "cpu", whole=steps == 1)
    latent = network.draw()
    found = SAMPLERS["one_pass" if steps == 1 else "ddim_10"].sample(network, latent)
    with torch.no_grad():
        expected = method(torch.from_numpy(network.observation), torch.from_numpy(latent))
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)


def test_work_is_counted_once_for_the_condition_and_once_for_each_pass() -> None:
    one, ten = method_of("small", 1), method_of("small", 10)
    assert weights_read(one) == weights_of(one)
    assert weights_of(ten) < weights_read(ten) < 10 * weights_of(ten)
    assert flops_of(one) > 2 * OBSERVATION * 512
    assert flops_of(ten) > 3 * flops_of(one)


def test_calls_time_interleaved_and_a_long_one_is_not_repeated_in_its_turn() -> None:
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
    assert times["long"].working_ms < 100


def test_rows_are_added_once_and_what_is_not_run_says_why(tmp_path: Path) -> None:
    table = ResultTable(tmp_path, "infer", COLUMNS, KEY)
    whole = Contestant("small", "one_pass", "torch", "cpu", tmp_path)
    refused = Contestant("unet_256", "ddpm_100", "torch", "cpu", tmp_path)
    run_backbone([whole], 0.0, table)
    run_backbone([refused], 0.0, table)
    rows = {tuple(row[key] for key in KEY): row for row in table.rows}
    assert float(rows["small", "one_pass", "torch", "cpu"]["times_floor"]) > 0.5
    assert rows["unet_256", "ddpm_100", "torch", "cpu"]["note"]
    assert ("small", "read", "floor", "cpu") in rows
    assert left_out(table) == ["not run: unet_256 ddpm_100 torch (as ddim_10, ten times as often)"]
    before = len(table.rows)
    run_backbone([whole], 0.0, table)
    assert len(table.rows) == before


def test_an_unknown_backbone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="backbone 'unet_7' is unknown: use some of small"):
        contestants(["unet_7"], ["torch"], ["cpu"], tmp_path)


def test_memory_is_counted_in_a_process_of_its_own(tmp_path: Path) -> None:
    one = Contestant("unet_64", "one_pass", "torch", "cpu", tmp_path)
    weights_mb = 4 * weights_of(method_of("unet_64", 1)) / 2**20
    assert weights_mb < peak_growth_mb(one.call) < 10 * weights_mb
