"""Replay buffer of decisions."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from dbp_ros.rl.transitions import Transitions


@dataclass(frozen=True)
class ReplayBatch:
    """Flattened decisions, each with its successor.

    A row contains its successor, so it is independent of its neighbours in the buffer.

    Attributes:
        observation: Shape (B, observation).
        action: Shape (B, horizon, nu).
        reward: `sum gamma^k r_k` over the executed points, unscaled. Shape (B,).
        discount: `gamma^n` of the n executed points; 0 where the episode terminated. Shape (B,).
        successor: Shape (B, observation).
        complete: Whether all planned points were executed. Shape (B,), bool.
    """

    observation: Tensor
    action: Tensor
    reward: Tensor
    discount: Tensor
    successor: Tensor
    complete: Tensor

    @classmethod
    def of(
        cls, transitions: Transitions, used: Tensor, gamma: float, executed: int
    ) -> "ReplayBatch":
        """Select the decisions for replay.

        Truncated chunks are left out. Incomplete chunks of terminated episodes are included for the
        critic.

        Args:
            transitions: Of shape (T, N).
            used: Which decisions may be used. Shape (T, N), bool.
            gamma: Discount per control step.
            executed: Planned number of points.
        """
        complete = transitions.executed == executed
        selected = used & (complete | transitions.terminated)
        discount = torch.where(transitions.terminated, 0.0, gamma**transitions.executed)
        return cls(
            transitions.observation[selected],
            transitions.action[selected],
            transitions.reward[selected],
            discount[selected].float(),
            transitions.successor[selected],
            complete[selected],
        )

    def __len__(self) -> int:
        return len(self.reward)

    def rows(self, indices: Tensor) -> "ReplayBatch":
        """Return some of the rows."""
        return ReplayBatch(*(getattr(self, item.name)[indices] for item in fields(self)))

    def tensors(self) -> dict[str, Tensor]:
        """Return the columns by name."""
        return {item.name: getattr(self, item.name) for item in fields(self)}


class ReplayBuffer:
    """The newest decisions, up to a capacity."""

    def __init__(self, capacity: int) -> None:
        """Create an empty buffer."""
        self._capacity = capacity
        self._batch: ReplayBatch | None = None

    def __len__(self) -> int:
        return 0 if self._batch is None else len(self._batch)

    def add(self, newest: ReplayBatch) -> None:
        """Add decisions and remove the oldest beyond the capacity."""
        parts = [newest] if self._batch is None else [self._batch, newest]
        joined = {
            name: torch.cat([part.tensors()[name] for part in parts])[-self._capacity :]
            for name in newest.tensors()
        }
        self._batch = ReplayBatch(**joined)

    def sample(self, count: int, generator: torch.Generator) -> ReplayBatch:
        """Sample decisions uniformly with replacement."""
        assert self._batch is not None
        return self._batch.rows(torch.randint(len(self), (count,), generator=generator))

    def state_dict(self) -> dict[str, Tensor]:
        """Return the columns."""
        return {} if self._batch is None else self._batch.tensors()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore a state."""
        self._batch = ReplayBatch(**{k: v.clone() for k, v in state.items()}) if state else None
