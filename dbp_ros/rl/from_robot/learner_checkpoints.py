"""Checkpoints of the learner: the newest state, and the state of each recent version."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from dbp_ros.errors import TrainingError
from dbp_ros.learning.checkpoint import CHECKPOINT, Checkpoint, read_checkpoint, write_checkpoint
from dbp_ros.rl.checkpoint import finetuned_checkpoint, restore
from dbp_ros.rl.learner import Learner

# Folder of the states by version, and their number.
BY_VERSION, MAX_VERSIONS = "kept", 8


class LearnerCheckpoints:
    """Folder of the checkpoints of a learner.

    Attributes:
        folder: Holds the newest checkpoint.
    """

    def __init__(self, folder: Path, pretrained: Checkpoint, model: str) -> None:
        """Set the folder.

        Args:
            folder: Need not exist yet.
            pretrained: Checkpoint of the pretrained policy.
            model: The sha256 of its bundle.
        """
        self.folder, self._pretrained, self._model = folder, pretrained, model

    @property
    def exists(self) -> bool:
        """Whether there is a checkpoint."""
        return (self.folder / CHECKPOINT).exists()

    def write(self, learner: Learner, version: int, episodes: Mapping[str, int]) -> None:
        """Write the state of a learner, as the newest checkpoint and as that of its version.

        Args:
            learner: The learner.
            version: Its version.
            episodes: Number of the last episode of its updates, by robot.
        """
        progress = {"episodes": dict(episodes), "model": self._model}
        state = finetuned_checkpoint(self._pretrained, learner, progress)
        write_checkpoint(self._folder_of(version), state)
        for path in (self.folder / BY_VERSION).iterdir():
            if not version - MAX_VERSIONS < int(path.name) <= version:
                shutil.rmtree(path)
        write_checkpoint(self.folder, state)

    def resume(self, learner: Learner) -> dict[str, int]:
        """Restore the newest state, if any; return its last episode of each robot.

        Raises:
            TrainingError: If it is the state of another model.
        """
        if not self.exists:
            return {}
        checkpoint = read_checkpoint(self.folder)
        progress = checkpoint.metadata["finetuned"]
        if "episodes" not in progress:
            raise TrainingError(
                f"{self.folder} is of an earlier version of dbp_ros: set out of the learner to "
                "another folder"
            )
        found = progress["model"]
        if found != self._model:
            raise TrainingError(
                f"{self.folder} continues another model ({found[:12]} and not "
                f"{self._model[:12]}): set out of the learner to another folder"
            )
        restore(checkpoint, learner)
        return dict(progress["episodes"])

    def episodes_of(self, version: int) -> dict[str, int] | None:
        """Return the last episode of each robot in the state of a version; None without a state."""
        folder = self._folder_of(version)
        if not (folder / CHECKPOINT).exists():
            return None
        return dict(read_checkpoint(folder).metadata["finetuned"]["episodes"])

    def restore_version(self, learner: Learner, version: int) -> None:
        """Restore the state of a version, which must exist."""
        restore(read_checkpoint(self._folder_of(version)), learner)

    def _folder_of(self, version: int) -> Path:
        return self.folder / BY_VERSION / str(version)
