"""A small diffusion checkpoint of LeRobot, with sinusoidal weights."""

import json
from pathlib import Path
from typing import Any

import torch
from lerobot_import.act_files import STATE, TOP, WRIST, waves, write_processors
from safetensors.torch import save_file
from torch import Tensor

from dbp_ros.lerobot_import.diffusion import BACKBONE
from dbp_ros.lerobot_import.diffusion_network import DiffusionNetwork, DiffusionShape
from dbp_ros.settings.fields import from_mapping

SIZE = (48, 64)
SIZES: dict[str, Any] = {
    "n_obs_steps": 2,
    "horizon": 8,
    "vision_backbone": "resnet18",
    "use_group_norm": True,
    "spatial_softmax_num_keypoints": 4,
    "use_separate_rgb_encoder_per_camera": True,
    "down_dims": [16, 24],
    "kernel_size": 3,
    "n_groups": 4,
    "diffusion_step_embed_dim": 8,
    "use_film_scale_modulation": True,
    "crop_shape": [40, 48],
}
CONFIG: dict[str, Any] = {
    "type": "diffusion",
    "n_action_steps": 4,
    "input_features": {
        STATE: {"type": "STATE", "shape": [3]},
        TOP: {"type": "VISUAL", "shape": [3, *SIZE]},
        WRIST: {"type": "VISUAL", "shape": [3, *SIZE]},
    },
    "output_features": {"action": {"type": "ACTION", "shape": [3]}},
    "normalization_mapping": {"VISUAL": "MEAN_STD", "STATE": "MIN_MAX", "ACTION": "MIN_MAX"},
    "noise_scheduler_type": "DDIM",
    "num_train_timesteps": 100,
    "beta_schedule": "squaredcos_cap_v2",
    "beta_start": 0.0001,
    "beta_end": 0.02,
    "prediction_type": "epsilon",
    "clip_sample": True,
    "clip_sample_range": 1.0,
    "num_inference_steps": 5,
    **SIZES,
}
STATISTICS = {
    f"{STATE}.min": torch.tensor([-1.0, -2.0, -0.5]),
    f"{STATE}.max": torch.tensor([1.0, 1.0, 2.0]),
    **{f"{name}.mean": torch.tensor([0.4, 0.5, 0.6])[:, None, None] for name in (TOP, WRIST)},
    **{f"{name}.std": torch.tensor([0.2, 0.3, 0.4])[:, None, None] for name in (TOP, WRIST)},
    "action.min": torch.tensor([-1.0, -2.0, 0.0]),
    "action.max": torch.tensor([1.0, 2.0, 0.1]),
}


def observation() -> tuple[Tensor, list[Tensor], Tensor]:
    """Return raw positions, images from 0 to 1, and noise."""
    count = 2 * 3 * SIZE[0] * SIZE[1]
    images = [
        (0.5 + 0.5 * torch.sin(0.1 * torch.arange(count) + number)).reshape(1, 2, 3, *SIZE)
        for number in range(2)
    ]
    noise = torch.sin(2.3 * torch.arange(24.0)).reshape(1, 8, 3)
    return torch.tensor([[[0.3, -0.4, 0.5], [0.4, -0.3, 0.6]]]), images, noise


def write_checkpoint(folder: Path, **changes: Any) -> Path:
    """Write a checkpoint with some other values in its configuration."""
    folder.mkdir(parents=True)
    config = {**CONFIG, **changes}
    (folder / "config.json").write_text(json.dumps(config))
    sizes = {name: config[name] for name in SIZES}
    cameras = {TOP: list(SIZE), WRIST: list(SIZE)}
    values = {"state_dim": 3, "action_dim": 3, "cameras": cameras, **sizes}
    network = DiffusionNetwork(from_mapping(DiffusionShape, values))
    weights = {_original(name): w for name, w in waves(network.state_dict()).items()}
    for name in weights:
        if name.endswith("pos_grid"):
            weights[name] = _grid(config)
    save_file(weights, folder / "model.safetensors")
    write_processors(folder, STATISTICS)
    return folder


def _grid(config: dict[str, Any]) -> Tensor:
    """Return column and row of each position of the feature map."""
    height, width = (-(-size // 32) for size in config["crop_shape"] or SIZE)
    rows, columns = torch.linspace(-1, 1, height), torch.linspace(-1, 1, width)
    grid = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack((grid[1].flatten(), grid[0].flatten()), dim=1)


def _original(name: str) -> str:
    """Return LeRobot's name of a parameter."""
    for number, own in BACKBONE.items():
        name = name.replace(f"backbone.{own}.", f"backbone.{number}.")
    return f"diffusion.{name}"
