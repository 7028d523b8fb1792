"""The U-Net head."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor

from dbp_ros.drift.unet import UNetHead
from dbp_ros.errors import ConfigError

WIDTHS = (8, 16, 24)


def small_head(horizon: int = 6, times: int = 0, widths: tuple[int, ...] = WIDTHS) -> UNetHead:
    torch.manual_seed(0)
    return UNetHead(5, horizon, 3, times=times, widths=widths, groups=4)


@pytest.mark.parametrize(
    ("widths", "parameters"),
    [((512, 1024, 2048), 244_244_483), ((256, 512, 1024), 61_173_763)],
)
def test_the_unet_for_hopper_has_the_published_number_of_parameters(
    widths: tuple[int, ...], parameters: int
) -> None:
    with torch.device("meta"):
        head = UNetHead(11, 4, 3, widths=widths)
    assert sum(p.numel() for p in head.parameters()) == parameters


@pytest.mark.parametrize("widths", [(8,), (8, 16), WIDTHS])
@pytest.mark.parametrize("horizon", [1, 2, 3, 4, 7, 8])
def test_a_chunk_has_its_horizon_at_any_number_of_levels(
    widths: tuple[int, ...], horizon: int
) -> None:
    head = small_head(horizon, widths=widths)
    chunk = head(head.condition(torch.randn(2, 5)), torch.randn(2, 4, horizon, 3))
    assert chunk.shape == (2, 4, horizon, 3)
    assert chunk.isfinite().all()


def test_a_chunk_is_padded_with_its_last_point() -> None:
    short, longer = small_head(horizon=6), small_head(horizon=8)
    condition = short.condition(torch.randn(1, 5))
    value = torch.randn(1, 1, 6, 3)
    padded = torch.cat([value, value[:, :, -1:].expand(-1, -1, 2, -1)], dim=2)
    torch.testing.assert_close(short(condition, value), longer(condition, padded)[:, :, :6])


def test_a_chunk_depends_only_on_its_own_observation_value_and_times() -> None:
    head = small_head(times=2)
    observation, value = torch.randn(3, 5), torch.randn(3, 4, 6, 3)
    times = torch.rand(3, 4, 2)
    batched = head(head.condition(observation), value, times)
    single = head(head.condition(observation[1:2]), value[1:2, 2:3], times[1:2, 2:3])
    torch.testing.assert_close(batched[1:2, 2:3], single, atol=1e-5, rtol=1e-5)


def test_a_one_step_head_ignores_times() -> None:
    head = small_head()
    condition, value = head.condition(torch.randn(1, 5)), torch.randn(1, 2, 6, 3)
    torch.testing.assert_close(head(condition, value, torch.rand(1, 2, 1)), head(condition, value))


@pytest.mark.parametrize("times", [1, 2])
def test_every_time_changes_the_chunk(times: int) -> None:
    head = small_head(times=times)
    condition, value = head.condition(torch.randn(1, 5)), torch.randn(1, 1, 6, 3)
    before = head(condition, value, torch.zeros(1, 1, times))
    for index in range(times):
        later = torch.zeros(1, 1, times)
        later[..., index] = 0.5
        assert (head(condition, value, later) - before).abs().max() > 1e-4


def test_missing_times_are_refused() -> None:
    head = small_head(times=2)
    with pytest.raises(ValueError, match=r"expected times of shape \(B, G, 2\)"):
        head(head.condition(torch.randn(1, 5)), torch.randn(1, 1, 6, 3))


def test_directional_derivative_matches_a_finite_difference() -> None:
    head = small_head(times=2).double()
    condition = head.condition(torch.randn(2, 5, dtype=torch.float64))
    here = (torch.randn(2, 3, 6, 3, dtype=torch.float64), torch.rand(2, 3, 2, dtype=torch.float64))
    along = (torch.randn_like(here[0]), torch.randn_like(here[1]))

    def at(step: float) -> Tensor:
        chunk: Tensor = head(condition, here[0] + step * along[0], here[1] + step * along[1])
        return chunk

    _, slope = torch.func.jvp(lambda *point: head(condition, *point), here, along)
    # The highest frequency of the times is 32 rad, so the step must be small against 1/32.
    torch.testing.assert_close(slope, (at(1e-7) - at(-1e-7)) / 2e-7, atol=1e-6, rtol=1e-5)


def test_the_directional_derivative_and_the_gradient_are_computed_in_one_pass() -> None:
    head = small_head(times=1)
    condition = head.condition(torch.randn(1, 5))
    here = (torch.randn(1, 2, 6, 3), torch.rand(1, 2, 1))
    chunk, slope = torch.func.jvp(
        lambda *point: head(condition, *point),
        here,
        (torch.ones_like(here[0]), torch.ones(1, 2, 1)),
    )
    (chunk - slope.detach()).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in head.parameters())


@pytest.mark.parametrize("widths", [(), (8, 18), (4, 8)])
def test_widths_that_are_no_multiples_of_the_groups_are_refused(widths: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="multiples of groups=4"):
        small_head(widths=widths)


def test_an_even_kernel_is_refused() -> None:
    with pytest.raises(ConfigError, match="kernel is 4, expected an odd number"):
        UNetHead(5, 6, 3, widths=WIDTHS, groups=4, kernel=4)


class WholeHead(torch.nn.Module):
    def __init__(self, head: UNetHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, observation: Tensor, value: Tensor, times: Tensor) -> Tensor:
        chunk: Tensor = self.head(self.head.condition(observation), value, times)
        return chunk


def test_exported_head_matches_pytorch(tmp_path: Path) -> None:
    graph = WholeHead(small_head(horizon=6, times=1)).eval()
    inputs = {
        "observation": torch.randn(1, 5),
        "value": torch.randn(1, 1, 6, 3),
        "times": torch.rand(1, 1, 1),
    }
    path = tmp_path / "head.onnx"
    torch.onnx.export(
        graph,
        tuple(inputs.values()),
        path,
        input_names=list(inputs),
        dynamo=True,
        external_data=False,
        opset_version=20,
        verbose=False,
    )
    session = onnxruntime.InferenceSession(path)
    (exported,) = session.run(None, {name: value.numpy() for name, value in inputs.items()})
    with torch.no_grad():
        np.testing.assert_allclose(exported, graph(**inputs).numpy(), atol=1e-5)
