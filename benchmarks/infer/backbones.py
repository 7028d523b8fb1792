"""The networks that `dbp bench infer` times: the paper's U-Net in several widths, and our head.

Their weights are random: how long a pass takes does not depend on what was learned.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from dbp_ros.learning.config import TrainConfig
from dbp_ros.learning.graphs import write_graph
from dbp_ros.learning.methods.method import Method
from dbp_ros.learning.methods.registry import build_method
from dbp_ros.policy.sessions import open_session

# Those of two UR5e with grippers, three cameras, and the paper's horizon.
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
    """A network in some runtime, whose values are tensors or arrays.

    Attributes:
        observation: What it is given.
        draw: Returns standard normal noise of the shape of a chunk.
    """

    observation: Any
    draw: Callable[[], Any]

    def condition(self, observation: Any) -> Any:
        """Return what is computed once."""

    def step(self, condition: Any, value: Any, time: float) -> Any:
        """Return what one pass makes of a half-finished chunk."""

    def decide(self, observation: Any, latent: Any) -> Any:
        """Return a chunk in one pass."""


def method_of(backbone: str, steps: int) -> Method:
    """Return an untrained method: our generator for one pass, noise prediction for several."""
    torch.manual_seed(SEED)
    name = "dbp" if steps == 1 else "ddim"
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


def weights_of(method: Method) -> int:
    """Return how many weights a method has."""
    return sum(weight.numel() for weight in method.parameters())


def weights_read(method: Method) -> int:
    """Return how many weights a decision reads: those of the condition once, the others a pass."""
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
    return first + method.num_inference_steps * (weights_of(method) - first)


def flops_of(method: Method) -> int:
    """Return the floating-point operations of a decision, products and sums each counted."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        method(torch.zeros(1, OBSERVATION), torch.zeros(CHUNK))
    return int(counter.get_total_flops())


class TorchNetwork:
    """A network in PyTorch, eager or compiled. What it returns is on the CPU and ready."""

    def __init__(self, method: Method, device: str, compiled: bool) -> None:
        """Take over a method."""
        method = method.to(device)
        self._device = device
        self._whole: Any = torch.compile(method) if compiled else method
        self._step: Any = torch.compile(method.head) if compiled else method.head
        self._head = method.head
        self.observation = torch.randn(1, OBSERVATION)
        self.draw = partial(torch.randn, CHUNK)

    @torch.no_grad()
    def condition(self, observation: Tensor) -> Tensor:
        """See `Network`."""
        return self._head.condition(observation.to(self._device))

    @torch.no_grad()
    def step(self, condition: Tensor, value: Tensor, time: float) -> Tensor:
        """See `Network`."""
        times = torch.full((1, 1, 1), time, device=self._device)
        said: Tensor = self._step(condition, value.to(self._device), times)
        return said.cpu()

    @torch.no_grad()
    def decide(self, observation: Tensor, latent: Tensor) -> Tensor:
        """See `Network`."""
        chunk: Tensor = self._whole(observation.to(self._device), latent.to(self._device))
        return chunk.cpu()


class OnnxNetwork:
    """A network in ONNX Runtime: one graph for one pass, or one for the condition and a step."""

    def __init__(self, folder: Path, provider: str, whole: bool) -> None:
        """Open graphs that `write_graphs` wrote."""
        names = ("decide",) if whole else ("condition", "step")
        sessions = {name: open_session(folder / f"{name}.onnx", provider, 1) for name in names}
        self._sessions = sessions
        chance = np.random.default_rng(SEED)
        self.observation = chance.standard_normal((1, OBSERVATION), dtype=np.float32)
        self.draw = partial(chance.standard_normal, CHUNK, np.float32)

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


class _Condition(nn.Module):
    """The part of a head that runs once."""

    def __init__(self, method: Method) -> None:
        super().__init__()
        self.head = method.head

    def forward(self, observation: Tensor) -> Tensor:
        return self.head.condition(observation)


def write_graphs(method: Method, folder: Path) -> None:
    """Write a method's graphs, unless they are there: all in one, or the condition and a step."""
    folder.mkdir(parents=True, exist_ok=True)
    seen, chunk = torch.zeros(1, OBSERVATION), torch.zeros(CHUNK)
    if method.num_inference_steps == 1:
        inputs = ["observation", "latent"]
        _write(method, (seen, chunk), folder / "decide.onnx", inputs)
        return
    _write(_Condition(method), (seen,), folder / "condition.onnx", ["observation"])
    with torch.no_grad():
        condition = method.head.condition(seen)
    inputs = ["condition", "value", "times"]
    example = (condition, chunk, torch.zeros(1, 1, 1))
    _write(method.head, example, folder / "step.onnx", inputs)


def _write(graph: nn.Module, example: tuple[Any, ...], path: Path, inputs: list[str]) -> None:
    if not path.exists():
        write_graph(graph, example, path, inputs, ["answer"])
