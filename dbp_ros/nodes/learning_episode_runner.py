"""Episodes of a policy that is fine-tuned while the stack runs, with its model swaps."""

import time
from dataclasses import dataclass

from std_msgs.msg import String

from dbp_ros.nodes.episode_runner import EpisodeRunner
from dbp_ros.nodes.qos import LATCHED


@dataclass(frozen=True)
class SwapEvent:
    """A promotion or a rollback of a model.

    Attributes:
        at_s: Time of the message, in [s] of the steady clock.
        version: Version of the model that is active afterwards.
        phase: `active` or `rolled_back`.
        reason: Reason given by the policy node.
    """

    at_s: float
    version: int
    phase: str
    reason: str


class LearningEpisodeRunner(EpisodeRunner):
    """An episode runner that also records model swaps.

    Attributes:
        swaps: Model swaps in chronological order.
    """

    processes = ("guard", "policy", "simulation", "learner")

    def __init__(self) -> None:
        self.swaps: list[SwapEvent] = []
        super().__init__()
        self.create_subscription(String, "policy/model", self._on_model, LATCHED)

    @property
    def version(self) -> int:
        """Version of the active model; 0 before the first swap."""
        return self.swaps[-1].version if self.swaps else 0

    def _on_model(self, message: String) -> None:
        status = self.parse_swap_status(message)
        if status is not None and status.phase in ("active", "rolled_back"):
            now_s = time.monotonic()
            self.swaps.append(SwapEvent(now_s, status.version, status.phase, status.reason))
