"""Transitions of the last updates, which later updates use again (GePPO, arXiv 2111.00072)."""

from dataclasses import fields

from torch import Tensor

from dbp_ros.learning.checkpoint import by_number
from dbp_ros.rl.transitions import Transitions


class RecentTransitions:
    """The transitions of the last updates, as consecutive parts of the same streams."""

    def __init__(self, max_parts: int) -> None:
        """Start empty.

        Args:
            max_parts: Earlier updates whose transitions are used again.
        """
        self._max_parts = max_parts
        self._parts: list[Transitions] = []

    def extend(self, new: Transitions) -> Transitions:
        """Return the transitions of the last updates followed by new ones, and keep the latter."""
        # Another number of streams cannot be concatenated, as after a change of the environments.
        same = [part for part in self._parts if part.reward.shape[1] == new.reward.shape[1]]
        self._parts = [*same, new][-1 - self._max_parts :]
        joined = Transitions.concatenate(self._parts)
        if not self._max_parts:
            self._parts = []
        return joined

    def state_dict(self) -> dict[str, Tensor]:
        """Return all parts by `number/field`."""
        return {
            f"{number}/{item.name}": getattr(part, item.name)
            for number, part in enumerate(self._parts)
            for item in fields(part)
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore a state."""
        self._parts = [Transitions(**part) for _, part in sorted(by_number(state).items())]
