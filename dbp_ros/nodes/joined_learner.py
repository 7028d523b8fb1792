"""The learner of another robot, reached through its folder."""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from dbp_ros.bundle.manifest import MANIFEST
from dbp_ros.data.recording.recorder import LOCK
from dbp_ros.errors import ConfigError
from dbp_ros.files import locked
from dbp_ros.settings.learner import EPISODES, VERSIONS

POLL_S = 0.5
LOCK_TIMEOUT_S = 5.0


class JoinedLearner:
    """Learner that reads the episodes of this robot, and whose versions this robot announces.

    It has the interface of `LearnerProcess`. If the learner ends, this robot continues to record.

    Attributes:
        episodes: Folder for the bags of this robot.
        statistics: Empty: those of the learner are on its own node.
        problem: Empty: the process of the learner is another node's.
        progress: What happens to the episodes.
    """

    def __init__(self, folder: Path, robot: str, on_version: Callable[[Path], None]) -> None:
        """Reserve the folder of this robot and watch the versions.

        Args:
            folder: Setting `out` of the learner's node.
            robot: Name of this robot, different from that of all others.
            on_version: Called by another thread with the folder of each new version.

        Raises:
            ConfigError: If another node records for a robot of this name.
        """
        self.episodes = folder / EPISODES / robot
        self.statistics: dict[str, Any] = {}
        self.problem = ""
        self.progress = f"for the learner in {folder}"
        self._versions, self._on_version = folder / VERSIONS, on_version
        self._resources, self._closing = ExitStack(), threading.Event()
        try:
            self._resources.enter_context(locked(self.episodes / LOCK, LOCK_TIMEOUT_S))
        except TimeoutError as error:
            raise ConfigError(
                f"another node records the episodes of robot {robot!r} for this learner: start "
                f"this one in another namespace ({error})"
            ) from error
        self._thread = threading.Thread(target=self._watch, name="learner", daemon=True)
        self._thread.start()

    def notify(self) -> None:
        """Do nothing: the learner looks for new episodes by itself."""

    def close(self) -> None:
        """Stop watching the versions."""
        self._closing.set()
        self._thread.join()
        self._resources.close()

    def _watch(self) -> None:
        announced: Path | None = None
        while not self._closing.wait(POLL_S):
            # A version appears as a whole.
            found = [path.parent for path in self._versions.glob(f"[0-9]*/{MANIFEST}")]
            newest = max(found, key=lambda path: int(path.name), default=None)
            if newest is not None and newest != announced:
                announced = newest
                self._on_version(newest.absolute())
