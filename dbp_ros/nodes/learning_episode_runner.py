"""Runs episodes of a policy that learns, and hears of every swap of its models."""

import time
from dataclasses import dataclass

from std_msgs.msg import String

from dbp_ros.nodes.episode_runner import EpisodeRunner
from dbp_ros.nodes.qos import LATCHED


@dataclass(frozen=True)
class SwapEvent:
    """A model that took over, or one that had to give way again.

    Attributes:
        at_s: When it was heard of, in [s] of the steady clock.
        version: Of the model that decides from then on.
        phase: `active` or `rolled_back`.
        reason: What the policy node says about it.
    """

    at_s: float
    version: int
    phase: str
    reason: str


class LearningEpisodeRunner(EpisodeRunner):
    """An operator who also counts the swaps.

    Attributes:
        swaps: In order.
    """

    processes = ("guard", "policy", "simulation", "learner")

    def __init__(self) -> None:
        self.swaps: list[SwapEvent] = []
        super().__init__()
        self.create_subscription(String, "policy/model", self._on_model, LATCHED)

    @property
    def version(self) -> int:
        """Version of the model that decides, 0 before the first swap."""
        return self.swaps[-1].version if self.swaps else 0

    def _on_model(self, message: String) -> None:
        state = self.model_state(message)
        if state is not None and state.phase in ("active", "rolled_back"):
            now_s = time.monotonic()
            self.swaps.append(SwapEvent(now_s, state.version, state.phase, state.reason))
