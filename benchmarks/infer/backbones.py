"""Networks of `dbp bench infer`: the paper's U-Net in several widths, and the default head.

The weights are random, because the time of a pass does not depend on them.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from dbp_ros.learning.config import MethodName, TrainConfig
from dbp_ros.learning.methods.method import Method
from dbp_ros.learning.methods.registry import build_method
from dbp_ros.learning.onnx_graphs import write_graph
from dbp_ros.policy.onnx_sessions import open_session

# Sizes of two UR5e with grippers, three cameras, and the paper's horizon.
OBSERVATION, HORIZON, ACTIONS = 350, 16, 14
CHUNK = (1, 1, HORIZON, ACTIONS)
SEED = 0
UNETS = {
    "unet_64": (64, 128, 256),
    "unet_128": (128, 256, 512),
    "unet_256": (256, 512, 1024),
    "unet_512": (512, 1024, 2048),
}
BACKBONES = ("small", *UNETS)


class Network(Protocol):
    """A network in one runtime, with tensors or arrays as values.

    Attributes:
        observation: Input.
        sample_noise: Returns standard normal noise of the shape of a chunk.
    """

    observation: Any
    sample_noise: Callable[[], Any]

    def condition(self, observation: Any) -> Any:
        """Return the part that is computed once per chunk."""

    def step(self, condition: Any, value: Any, time: float) -> Any:
        """Return the output of one denoising pass."""

    def decide(self, observation: Any, latent: Any) -> Any:
        """Return a chunk in one pass."""


def build_untrained(backbone: str, steps: int) -> Method:
    """Return an untrained method: a one-step generator, or DDIM for several steps."""
    torch.manual_seed(SEED)
    name: MethodName = "dbp" if steps == 1 else "ddim"
    config = TrainConfig(method=name, num_inference_steps=steps, horizon=HORIZON)
    if backbone in UNETS:
        config = TrainConfig(
            method=name,
            num_inference_steps=steps,
            horizon=HORIZON,
            head="unet",
            unet_widths=UNETS[backbone],
        )
    method = build_method(config, OBSERVATION, ACTIONS).eval()
    return method.requires_grad_(False)


def count_weights(method: Method) -> int:
    """Return the number of weights of a method."""
    return sum(weight.numel() for weight in method.parameters())


def count_weight_reads(method: Method) -> int:
    """Return the weights read for a decision: the condition once, the others once per pass."""
    once: set[int] = set()
    handles = [
        part.register_forward_pre_hook(lambda part, _: once.add(id(part)))
        for part in method.head.modules()
        if not list(part.children())
    ]
    with torch.no_grad():
        method.head.condition(torch.zeros(1, OBSERVATION))
    for handle in handles:
        handle.remove()
    parts = [part for part in method.head.modules() if id(part) in once]
    first = sum(weight.numel() for part in parts for weight in part.parameters())
    return first + method.num_inference_steps * (count_weights(method) - first)


def count_flops(method: Method) -> int:
    """Return the floating-point operations of a decision; a multiply-add counts as two."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        method(torch.zeros(1, OBSERVATION), torch.zeros(CHUNK))
    return int(counter.get_total_flops())


class TorchNetwork:
    """A network in PyTorch, eager or compiled. Outputs are synchronised and on the CPU."""

    def __init__(self, method: Method, device: str, compiled: bool) -> None:
        """Move a method to a device."""
        method = method.to(device)
        self._device = device
        self._whole: Any = torch.compile(method) if compiled else method
        self._step: Any = torch.compile(method.head) if compiled else method.head
        self._head = method.head
        self.observation = torch.randn(1, OBSERVATION)
        self.sample_noise = partial(torch.randn, CHUNK)

    @torch.no_grad()
    def condition(self, observation: Tensor) -> Tensor:
        """See `Network`."""
        return self._head.condition(observation.to(self._device))

    @torch.no_grad()
    def step(self, condition: Tensor, value: Tensor, time: float) -> Tensor:
        """See `Network`."""
        times = torch.full((1, 1, 1), time, device=self._device)
        output: Tensor = self._step(condition, value.to(self._device), times)
        return output.cpu()

    @torch.no_grad()
    def decide(self, observation: Tensor, latent: Tensor) -> Tensor:
        """See `Network`."""
        chunk: Tensor = self._whole(observation.to(self._device), latent.to(self._device))
        return chunk.cpu()


class OnnxNetwork:
    """A network in ONNX Runtime: one graph for one pass, or one for the condition and a step."""

    def __init__(self, folder: Path, provider: str, whole: bool) -> None:
        """Open the graphs of `write_graphs`."""
        names = ("decide",) if whole else ("condition", "step")
        sessions = {name: open_session(folder / f"{name}.onnx", provider, 1) for name in names}
        self._sessions = sessions
        rng = np.random.default_rng(SEED)
        self.observation = rng.standard_normal((1, OBSERVATION), dtype=np.float32)
        self.sample_noise = partial(rng.standard_normal, CHUNK, np.float32)

    def condition(self, observation: Any) -> Any:
        """See `Network`."""
        return self._sessions["condition"].run(None, {"observation": observation})[0]

    def step(self, condition: Any, value: Any, time: float) -> Any:
        """See `Network`."""
        times = np.full((1, 1, 1), time, np.float32)
        feeds = {"condition": condition, "value": value, "times": times}
        return self._sessions["step"].run(None, feeds)[0]

    def decide(self, observation: Any, latent: Any) -> Any:
        """See `Network`."""
        feeds = {"observation": observation, "latent": latent}
        return self._sessions["decide"].run(None, feeds)[0]


class _ConditionGraph(nn.Module):
    """The part of a head that runs once per chunk."""

    def __init__(self, method: Method) -> None:
        super().__init__()
        self.head = method.head

    def forward(self, observation: Tensor) -> Tensor:
        return self.head.condition(observation)


def write_graphs(method: Method, folder: Path) -> None:
    """Write the missing graphs of a method: one graph, or the condition and a step."""
    folder.mkdir(parents=True, exist_ok=True)
    observation, chunk = torch.zeros(1, OBSERVATION), torch.zeros(CHUNK)
    if method.num_inference_steps == 1:
        inputs = ["observation", "latent"]
        _write(method, (observation, chunk), folder / "decide.onnx", inputs)
        return
    _write(_ConditionGraph(method), (observation,), folder / "condition.onnx", ["observation"])
    with torch.no_grad():
        condition = method.head.condition(observation)
    inputs = ["condition", "value", "times"]
    example = (condition, chunk, torch.zeros(1, 1, 1))
    _write(method.head, example, folder / "step.onnx", inputs)


def _write(graph: nn.Module, example: tuple[Any, ...], path: Path, inputs: list[str]) -> None:
    if not path.exists():
        write_graph(graph, example, path, inputs, ["output"])
