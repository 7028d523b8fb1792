"""States as tensors by flat names."""

from collections.abc import Mapping

import torch
from torch import Tensor

from dbp_ros.learning.checkpoint import by_number


def with_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return copies of tensors, named `prefix/name`."""
    return {f"{prefix}/{name}": value.detach().clone() for name, value in tensors.items()}


def without_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors under `prefix/`, without it."""
    start = f"{prefix}/"
    return {n.removeprefix(start): value for n, value in tensors.items() if n.startswith(start)}


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return an optimizer's state by `number/name`."""
    state = optimizer.state_dict()["state"]
    return {f"{i}/{name}": value for i, each in state.items() for name, value in each.items()}


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Restore an optimizer's state, without its settings."""
    state = by_number({name: value.clone() for name, value in tensors.items()})
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
