"""Diffusion policies of LeRobot (arXiv 2303.04137) as one graph with their sampler."""

import tempfile
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from dbp_ros.errors import ConfigError, TrainingError
from dbp_ros.learning.onnx_graphs import write_graph
from dbp_ros.lerobot_import.checkpoint import CONFIG_FILE, Checkpoint
from dbp_ros.lerobot_import.diffusion_network import DiffusionNetwork, DiffusionShape
from dbp_ros.lerobot_import.graphs import example_observation, require_parity
from dbp_ros.lerobot_import.statistics import ACTION, STATE, Affine
from dbp_ros.policy_import.denoising_graph import denoising_model
from dbp_ros.policy_import.graph_merge import merge
from dbp_ros.policy_import.reference_sampler import sample
from dbp_ros.settings.denoiser import Denoiser
from dbp_ros.settings.fields import from_mapping
from dbp_ros.types import Array

PREFIX = "diffusion."
NOISE, TIMESTEP, CHUNK = "noise", "timestep", "chunk"
# Children of a torchvision network, by their numbers.
BACKBONE = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}
# DDPM takes every timestep of the training; DDIM agrees with it in far fewer.
DDIM_STEPS = 10
SAMPLER_KEYS = ("num_train_timesteps", "beta_schedule", "beta_start", "beta_end", "prediction_type")


class DiffusionPolicy(nn.Module):
    """Denoising network with the normalisation of its observations, and its sampler.

    Attributes:
        names: Names of the observations, the state first.
        denoiser: The sampler.
    """

    def __init__(
        self,
        network: DiffusionNetwork,
        names: tuple[str, ...],
        inputs: list[Affine],
        output: "ActionsOfChunk",
        denoiser: Denoiser,
    ) -> None:
        """Join a network with its normalisation and its sampler."""
        super().__init__()
        self.network, self.names, self.denoiser = network, names, denoiser
        self.inputs, self.output = nn.ModuleList(inputs), output

    def forward(
        self, state: Tensor, images: list[Tensor], noise: Tensor, timestep: Tensor
    ) -> Tensor:
        """Return the prediction for a noisy chunk. Shape (1, horizon, action_dim).

        Args:
            state: Raw joint positions, oldest first. Shape (1, n_obs_steps, state_dim).
            images: Pixels from 0 to 1. Shapes (1, n_obs_steps, 3, height, width).
            noise: Noisy normalised chunk. Shape (1, horizon, action_dim).
            timestep: Shape (1,).
        """
        state, *images = [n(x) for n, x in zip(self.inputs, (state, *images), strict=True)]
        prediction: Tensor = self.network(state, images, noise, timestep)
        return prediction

    @torch.no_grad()
    def act(self, state: Tensor, images: list[Tensor], noise: Tensor) -> Tensor:
        """Return raw actions from the newest observation on. Shape (1, points, action_dim)."""

        def predict(value: Array, time: float) -> Array:
            chunk, timestep = torch.from_numpy(value).float(), torch.tensor([int(time)])
            prediction: Array = self(state, images, chunk, timestep).double().numpy()
            return prediction

        chunk = sample(predict, noise.double().numpy(), self.denoiser)
        actions: Tensor = self.output(torch.from_numpy(chunk).float())
        return actions


class ActionsOfChunk(nn.Module):
    """Normalised chunk to raw actions, without the points before the newest observation."""

    def __init__(self, output: Affine, past: int) -> None:
        """Denormalise by `output` and drop `past` points."""
        super().__init__()
        self.output, self.past = output, past

    def forward(self, chunk: Tensor) -> Tensor:
        """Return actions of shape (1, horizon - past, action_dim)."""
        actions: Tensor = self.output(chunk[:, self.past :])
        return actions


def read_diffusion(checkpoint: Checkpoint, num_inference_steps: int | None) -> DiffusionPolicy:
    """Read the policy of a checkpoint.

    Args:
        checkpoint: The checkpoint.
        num_inference_steps: Calls of the network per chunk; None for those of the checkpoint if it
            samples by DDIM, and `DDIM_STEPS` if by DDPM.

    Raises:
        TrainingError: If the policy has an option that `DiffusionNetwork` does not have, or a
            weight is missing.
    """
    config = checkpoint.config
    sizes = list(checkpoint.cameras.values())
    checkpoint.refuse({f"the images have the sizes {sizes}, expected one": len(set(sizes)) > 1})
    resized = tuple(config.get("resize_shape") or ())
    cameras = {name: list(resized or size) for name, size in checkpoint.cameras.items()}
    network = DiffusionNetwork(checkpoint.shape(DiffusionShape, cameras=cameras))
    weights = checkpoint.weights()
    own = {
        _own_name(name.removeprefix(PREFIX)): weight
        for name, weight in weights.items()
        if name.startswith(PREFIX) and not name.endswith("num_batches_tracked")
    }
    checkpoint.fill(network, own)
    names = (STATE, *network.shape.cameras)
    inputs, output = checkpoint.normalisation(names, weights)
    actions = ActionsOfChunk(output, network.shape.n_obs_steps - 1)
    denoiser = _denoiser(checkpoint, num_inference_steps)
    return DiffusionPolicy(network, names, inputs, actions, denoiser).eval()


def export_diffusion(policy: DiffusionPolicy, path: Path) -> float:
    """Write a policy with its sampler as an ONNX graph, and compare it with PyTorch.

    The graph has the input `noise`; the images are encoded once for each chunk.

    Returns:
        Largest difference of an action, in its unit.

    Raises:
        TrainingError: If the graph differs too much from PyTorch.
    """
    shape = policy.network.shape
    state, images = example_observation(shape.state_dim, shape.cameras, (1, shape.n_obs_steps))
    noise = torch.randn((1, shape.horizon, shape.action_dim), generator=torch.manual_seed(0))
    example = (state, images, noise, torch.zeros(1, dtype=torch.int64))
    inputs = [*policy.names, NOISE, TIMESTEP]
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        network, output = Path(folder, "network.onnx"), Path(folder, "output.onnx")
        write_graph(policy, example, network, inputs, [CHUNK])
        write_graph(policy.output, (noise,), output, [CHUNK], [ACTION])
        sampled = denoising_model(onnx.load(network), policy.denoiser)
        onnx.save(merge(sampled, onnx.load(output)), path)
    given = dict(zip((*policy.names, NOISE), (state, *images, noise), strict=True))
    return require_parity(path, given, policy.act(state, images, noise))


def _own_name(name: str) -> str:
    """Return the name of a parameter in `DiffusionNetwork`."""
    before, marker, after = name.partition("backbone.")
    if not marker:
        return name
    child, dot, rest = after.partition(".")
    return f"{before}{marker}{BACKBONE.get(child, child)}{dot}{rest}"


def _denoiser(checkpoint: Checkpoint, num_inference_steps: int | None) -> Denoiser:
    config = checkpoint.config
    values = {key: config[key] for key in SAMPLER_KEYS if key in config}
    limit = config.get("clip_sample_range", 1.0) if config.get("clip_sample", True) else 0.0
    trained = int(config.get("num_train_timesteps", 100))
    by_ddpm = config.get("noise_scheduler_type") == "DDPM"
    given = DDIM_STEPS if by_ddpm else config.get("num_inference_steps") or trained
    values |= {"sample": NOISE, "timestep": TIMESTEP, "output": CHUNK, "clip_sample_range": limit}
    steps = given if num_inference_steps is None else num_inference_steps
    try:
        return from_mapping(Denoiser, {**values, "num_inference_steps": steps})
    except ConfigError as error:
        raise TrainingError(f"{checkpoint.folder / CONFIG_FILE}: {error}") from error
