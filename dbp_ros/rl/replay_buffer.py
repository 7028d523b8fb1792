"""Decisions that are remembered and drawn again."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from dbp_ros.rl.transitions import Transitions


@dataclass(frozen=True)
class ReplayBatch:
    """Decisions in one row, each whole in itself.

    A decision is kept with its successor, so nothing is put together from neighbouring rows: no
    draw can straddle the place where the newest decisions overwrite the oldest.

    Attributes:
        observation: Shape (B, observation).
        action: Shape (B, horizon, nu).
        reward: `sum gamma^k r_k` over the points played, unscaled. Shape (B,).
        span: `gamma^n` of the n points played; 0 where the episode has no future. Shape (B,).
        successor: Shape (B, observation).
        whole: Whether all points that were meant to be were played. Shape (B,), bool.
    """

    observation: Tensor
    action: Tensor
    reward: Tensor
    span: Tensor
    successor: Tensor
    whole: Tensor

    @classmethod
    def of(
        cls, transitions: Transitions, used: Tensor, gamma: float, executed: int
    ) -> "ReplayBatch":
        """Return what is worth remembering of the chosen decisions.

        A chunk that a time limit cut short is left out: what was played is another, shorter
        chunk. One that ended for good in between is kept for the critic, its value being known.
        """
        whole = transitions.executed == executed
        kept = used & (whole | transitions.terminated)
        span = torch.where(transitions.terminated, 0.0, gamma**transitions.executed)
        return cls(
            transitions.observation[kept],
            transitions.action[kept],
            transitions.reward[kept],
            span[kept].float(),
            transitions.successor[kept],
            whole[kept],
        )

    def __len__(self) -> int:
        return len(self.reward)

    def rows(self, chosen: Tensor) -> "ReplayBatch":
        """Return some of the rows."""
        return ReplayBatch(*(getattr(self, item.name)[chosen] for item in fields(self)))

    def tensors(self) -> dict[str, Tensor]:
        """Return the columns by name."""
        return {item.name: getattr(self, item.name) for item in fields(self)}


class ReplayBuffer:
    """The newest decisions, up to a number."""

    def __init__(self, capacity: int) -> None:
        """Remember nothing yet."""
        self._capacity = capacity
        self._memory: ReplayBatch | None = None

    def __len__(self) -> int:
        return 0 if self._memory is None else len(self._memory)

    def add(self, newest: ReplayBatch) -> None:
        """Remember some more, and forget the oldest."""
        parts = [newest] if self._memory is None else [self._memory, newest]
        joined = {
            name: torch.cat([part.tensors()[name] for part in parts])[-self._capacity :]
            for name in newest.tensors()
        }
        self._memory = ReplayBatch(**joined)

    def draw(self, count: int, chance: torch.Generator) -> ReplayBatch:
        """Return decisions at random, each as likely as any other; a decision may come twice."""
        assert self._memory is not None
        return self._memory.rows(torch.randint(len(self), (count,), generator=chance))

    def state_dict(self) -> dict[str, Tensor]:
        """Return all that is remembered."""
        return {} if self._memory is None else self._memory.tensors()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from a state."""
        self._memory = ReplayBatch(**{k: v.clone() for k, v in state.items()}) if state else None
