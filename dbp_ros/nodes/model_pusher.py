"""Pushes models to a running policy and measures the time of each swap."""

import time
from pathlib import Path

from std_msgs.msg import String

from dbp_ros.errors import DbpError
from dbp_ros.nodes.episode_runner import EpisodeRunner
from dbp_ros.nodes.model_sender import ModelSender
from dbp_ros.nodes.qos import LATCHED

SWAP_LIMIT_S = 30.0


class ModelPusher(EpisodeRunner):
    """Announces models and waits until they are active.

    Attributes:
        rolled_back: Number of models that were rolled back.
    """

    def __init__(self) -> None:
        super().__init__()
        self._senders = {share: ModelSender(self, share) for share in (True, False)}
        self.rolled_back = 0
        self._ended: dict[str, tuple[float, str]] = {}
        self._active = ""
        self.create_subscription(String, "policy/model", self._on_model, LATCHED)

    def swap(self, directory: Path, share_path: bool) -> float:
        """Return the time in [s] from the announcement of a bundle to its activation, 0 if active.

        Raises:
            DbpError: If it is refused, or takes too long.
        """
        start_s = time.monotonic()
        self._ended.clear()
        sha256 = self._senders[share_path].announce(directory).sha256
        if sha256 == self._active:
            return 0.0
        self.wait_for(lambda: sha256 in self._ended, "the swap", SWAP_LIMIT_S)
        end_s, reason = self._ended[sha256]
        if reason:
            raise DbpError(f"{directory} was refused: {reason}")
        return end_s - start_s

    def _on_model(self, message: String) -> None:
        state = self.parse_swap_status(message)
        if state is None:
            return
        self._active = state.sha256
        self.rolled_back += state.phase == "rolled_back"
        if state.phase in ("active", "refused", "rolled_back"):
            reason = "" if state.phase == "active" else state.reason
            self._ended.setdefault(state.candidate, (time.monotonic(), reason))
