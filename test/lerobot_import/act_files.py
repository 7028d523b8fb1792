"""A small ACT checkpoint in the two layouts of LeRobot, with sinusoidal weights."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from dbp_ros.lerobot_import.act_network import ActNetwork, ActShape

STATE, TOP, WRIST = "observation.state", "observation.images.top", "observation.images.wrist"
CAMERAS = {TOP: (32, 64), WRIST: (64, 32)}
SIZES: dict[str, Any] = {
    "chunk_size": 3,
    "dim_model": 16,
    "n_heads": 2,
    "dim_feedforward": 24,
    "feedforward_activation": "relu",
    "n_encoder_layers": 2,
    "n_decoder_layers": 1,
    "pre_norm": False,
    "latent_dim": 4,
    "vision_backbone": "resnet18",
}
CONFIG: dict[str, Any] = {
    "type": "act",
    "n_obs_steps": 1,
    "n_action_steps": 2,
    "replace_final_stride_with_dilation": False,
    "input_features": {
        STATE: {"type": "STATE", "shape": [3]},
        **{name: {"type": "VISUAL", "shape": [3, *size]} for name, size in CAMERAS.items()},
    },
    "output_features": {"action": {"type": "ACTION", "shape": [3]}},
    "normalization_mapping": {"VISUAL": "MEAN_STD", "STATE": "MEAN_STD", "ACTION": "MIN_MAX"},
    **SIZES,
}
STATISTICS = {
    f"{STATE}.mean": torch.tensor([0.1, -0.2, 0.3]),
    f"{STATE}.std": torch.tensor([0.5, 1.5, 2.0]),
    **{f"{name}.mean": torch.tensor([0.4, 0.5, 0.6])[:, None, None] for name in CAMERAS},
    **{f"{name}.std": torch.tensor([0.2, 0.3, 0.4])[:, None, None] for name in CAMERAS},
    "action.min": torch.tensor([-1.0, -2.0, 0.0]),
    "action.max": torch.tensor([1.0, 2.0, 0.1]),
}


def waves(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return sinusoidal weights for parameters, by their names."""
    found = {}
    for number, (name, tensor) in enumerate(sorted(tensors.items())):
        # A rising frequency: at a constant one the products with neighbouring pixels cancel.
        wave = torch.sin(0.37 * torch.arange(tensor.numel(), dtype=torch.float64) ** 2 + number)
        # Large enough for the attention to depend on every input.
        scale = 3.0 * tensor[0].numel() ** -0.5 if tensor.dim() > 1 else 0.2
        offset = 1.0 if name.endswith(("running_var", "norm.weight")) else 0.0
        offset += 1.0 if "bn" in name and name.endswith(".weight") else 0.0
        found[name] = (offset + scale * wave).reshape(tensor.shape).float()
    return found


def observation() -> tuple[Tensor, list[Tensor]]:
    """Return raw positions and images from 0 to 1."""
    images = []
    for number, size in enumerate(CAMERAS.values()):
        wave = torch.sin(0.1 * torch.arange(3 * size[0] * size[1]) + number)
        images.append((0.5 + 0.5 * wave).reshape(1, 3, *size))
    return torch.tensor([[0.3, -0.4, 0.5]]), images


def write_checkpoint(folder: Path, layout: str = "processors") -> Path:
    """Write a checkpoint whose statistics are in files of processors, or among the weights."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    network = ActNetwork(ActShape(3, 3, CAMERAS, **SIZES))
    weights = {f"model.{name}": w for name, w in waves(network.state_dict()).items()}
    weights["model.vae_encoder_cls_embed.weight"] = torch.zeros(1, 16)
    if layout == "processors":
        write_processors(folder, STATISTICS)
    else:
        for key, value in STATISTICS.items():
            name, _, kind = key.rpartition(".")
            prefix = "unnormalize_outputs" if name == "action" else "normalize_inputs"
            weights[f"{prefix}.buffer_{name.replace('.', '_')}.{kind}"] = value
    save_file(weights, folder / "model.safetensors")
    return folder


def write_processors(folder: Path, statistics: dict[str, Tensor]) -> None:
    """Write statistics as the processors of recent checkpoints."""
    for name, kind in (("pre", "normalizer"), ("post", "unnormalizer")):
        state_file = f"policy_{name}processor_{kind}.safetensors"
        steps = [
            {"registry_name": "device_processor"},
            {"registry_name": f"{kind}_processor", "state_file": state_file},
        ]
        (folder / f"policy_{name}processor.json").write_text(json.dumps({"steps": steps}))
        save_file(statistics, folder / state_file)
