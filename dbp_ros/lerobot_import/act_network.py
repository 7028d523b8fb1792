"""Inference graph of an Action Chunking Transformer (arXiv 2304.13705), without its VAE encoder.

The names of the parameters are those of LeRobot's checkpoints.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from dbp_ros.lerobot_import.resnet import WIDTHS, ResNet

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": functional.relu,
    "gelu": functional.gelu,
}
TEMPERATURE = 10000.0
EPSILON = 1e-6


@dataclass(frozen=True)
class ActShape:
    """Sizes of the network, by their names in `config.json`.

    Attributes:
        state_dim: Joint positions.
        action_dim: Columns of the action.
        cameras: Height and width of the images of each camera, in order.
    """

    state_dim: int
    action_dim: int
    cameras: dict[str, tuple[int, int]]
    chunk_size: int
    dim_model: int
    n_heads: int
    dim_feedforward: int
    feedforward_activation: str
    n_encoder_layers: int
    n_decoder_layers: int
    pre_norm: bool
    latent_dim: int
    vision_backbone: str


class EncoderLayer(nn.Module):
    """Self-attention and a feed-forward network; positions are added to queries and keys."""

    def __init__(self, shape: ActShape, norms: int = 2) -> None:
        """Create a layer with some normalisations."""
        super().__init__()
        self.self_attn = nn.MultiheadAttention(shape.dim_model, shape.n_heads, batch_first=True)
        self.linear1 = nn.Linear(shape.dim_model, shape.dim_feedforward)
        self.linear2 = nn.Linear(shape.dim_feedforward, shape.dim_model)
        for number in range(1, norms + 1):
            self.add_module(f"norm{number}", nn.LayerNorm(shape.dim_model))
        self._activation = ACTIVATIONS[shape.feedforward_activation]
        self._pre_norm = shape.pre_norm

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        """Return the tokens after the layer. Shape (n, tokens, dim_model)."""
        x = self._residual(x, 1, lambda y: self._attend(self.self_attn, y, position, y, position))
        return self._residual(x, 2, self._feed_forward)

    def _residual(self, x: Tensor, norm: int, layer: Callable[[Tensor], Tensor]) -> Tensor:
        """Add the output of a layer, normalised before or after it."""
        normalise = self.get_submodule(f"norm{norm}")
        result: Tensor = x + layer(normalise(x)) if self._pre_norm else normalise(x + layer(x))
        return result

    def _attend(
        self,
        attention: nn.MultiheadAttention,
        x: Tensor,
        position: Tensor,
        memory: Tensor,
        memory_position: Tensor,
    ) -> Tensor:
        keys = memory + memory_position
        found: Tensor = attention(x + position, keys, memory, need_weights=False)[0]
        return found

    def _feed_forward(self, x: Tensor) -> Tensor:
        hidden = self._activation(self.linear1(x))
        result: Tensor = self.linear2(hidden)
        return result


class DecoderLayer(EncoderLayer):
    """Encoder layer with attention to the tokens of the encoder."""

    def __init__(self, shape: ActShape) -> None:
        """Create a layer."""
        super().__init__(shape, norms=3)
        self.multihead_attn = nn.MultiheadAttention(
            shape.dim_model, shape.n_heads, batch_first=True
        )

    def decode(
        self, x: Tensor, position: Tensor, memory: Tensor, memory_position: Tensor
    ) -> Tensor:
        """Return the queries after the layer. Shape (n, chunk_size, dim_model)."""
        x = self._residual(x, 1, lambda y: self._attend(self.self_attn, y, position, y, position))
        x = self._residual(
            x,
            2,
            lambda y: self._attend(self.multihead_attn, y, position, memory, memory_position),
        )
        return self._residual(x, 3, self._feed_forward)


class Layers(nn.Module):
    """Layers with a last normalisation."""

    def __init__(self, layers: list[EncoderLayer], norm: nn.Module) -> None:
        """Stack layers."""
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.norm = norm


class ActNetwork(nn.Module):
    """Normalised joint positions and images to a normalised action chunk."""

    def __init__(self, shape: ActShape) -> None:
        """Create the network."""
        super().__init__()
        width = shape.dim_model
        self.shape = shape
        if shape.cameras:
            self.backbone = ResNet(shape.vision_backbone)
            self.encoder_img_feat_input_proj = nn.Conv2d(WIDTHS[-1], width, 1)
        self.encoder_latent_input_proj = nn.Linear(shape.latent_dim, width)
        self.encoder_robot_state_input_proj = nn.Linear(shape.state_dim, width)
        self.encoder_1d_feature_pos_embed = nn.Embedding(2, width)
        last = nn.LayerNorm(width) if shape.pre_norm else nn.Identity()
        self.encoder = Layers([EncoderLayer(shape) for _ in range(shape.n_encoder_layers)], last)
        self.decoder = Layers(
            [DecoderLayer(shape) for _ in range(shape.n_decoder_layers)], nn.LayerNorm(width)
        )
        self.decoder_pos_embed = nn.Embedding(shape.chunk_size, width)
        self.action_head = nn.Linear(width, shape.action_dim)

    def forward(self, state: Tensor, images: list[Tensor]) -> Tensor:
        """Return a chunk of shape (1, chunk_size, action_dim), for the latent zero.

        Args:
            state: Shape (1, state_dim).
            images: Of each camera. Shapes (1, 3, height, width).
        """
        latent = torch.zeros(1, self.shape.latent_dim)
        tokens = [
            self.encoder_latent_input_proj(latent),
            self.encoder_robot_state_input_proj(state),
        ]
        positions = [self.encoder_1d_feature_pos_embed.weight]
        for image in images:
            features = self.backbone(image)
            projected = self.encoder_img_feat_input_proj(features)
            tokens.append(projected[0].flatten(1).T)
            height, width = features.shape[2:]
            positions.append(grid_positions(height, width, self.shape.dim_model))
        memory, position = torch.cat(tokens)[None], torch.cat(positions)[None]
        for layer in self.encoder.layers:
            memory = layer(memory, position)
        memory = self.encoder.norm(memory)
        queries = self.decoder_pos_embed.weight[None]
        x = torch.zeros_like(queries)
        for layer in self.decoder.layers:
            assert isinstance(layer, DecoderLayer)
            x = layer.decode(x, queries, memory, position)
        action: Tensor = self.action_head(self.decoder.norm(x))
        return action


def grid_positions(height: int, width: int, size: int) -> Tensor:
    """Return sinusoidal embeddings of a feature map. Shape (height * width, size).

    The first half encodes the row, the second half the column, both from 0 to 2 pi.
    """
    half = size // 2
    frequencies = TEMPERATURE ** (2 * (torch.arange(half) // 2) / half)
    rows = torch.arange(1.0, height + 1) / (height + EPSILON) * 2 * math.pi
    columns = torch.arange(1.0, width + 1) / (width + EPSILON) * 2 * math.pi
    encoded = []
    for values in (rows, columns):
        angles = values[:, None] / frequencies
        pairs = torch.stack((angles[:, 0::2].sin(), angles[:, 1::2].cos()), dim=-1)
        encoded.append(pairs.flatten(1))
    by_row = encoded[0][:, None].expand(height, width, half)
    by_column = encoded[1][None].expand(height, width, half)
    return torch.cat((by_row, by_column), dim=-1).reshape(height * width, size)
