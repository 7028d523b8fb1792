"""Checkpoints of the learner: the newest state, and the state of each recent version."""

import shutil
from pathlib import Path

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

    def __init__(self, folder: Path, pretrained: Checkpoint) -> None:
        """Set the folder.

        Args:
            folder: Need not exist yet.
            pretrained: Checkpoint of the pretrained policy.
        """
        self.folder, self._pretrained = folder, pretrained

    @property
    def exists(self) -> bool:
        """Whether there is a checkpoint."""
        return (self.folder / CHECKPOINT).exists()

    def write(self, learner: Learner, version: int, episode: int) -> None:
        """Write the state of a learner, as the newest checkpoint and as that of its version.

        Args:
            learner: The learner.
            version: Its version.
            episode: Number of the last episode of its updates.
        """
        state = finetuned_checkpoint(self._pretrained, learner, {"episode": episode})
        versions = self.folder / BY_VERSION
        write_checkpoint(versions / str(version), state)
        for path in versions.iterdir():
            if not version - MAX_VERSIONS < int(path.name) <= version:
                shutil.rmtree(path)
        write_checkpoint(self.folder, state)

    def resume(self, learner: Learner) -> int:
        """Restore the newest state, if any; return the number of its last episode."""
        if not self.exists:
            return 0
        checkpoint = read_checkpoint(self.folder)
        restore(checkpoint, learner)
        return int(checkpoint.metadata["finetuned"]["episode"])

    def restore_version(self, learner: Learner, version: int) -> bool:
        """Restore the state of a version; return whether there is one."""
        folder = self.folder / BY_VERSION / str(version)
        if not (folder / CHECKPOINT).exists():
            return False
        restore(read_checkpoint(folder), learner)
        return True
