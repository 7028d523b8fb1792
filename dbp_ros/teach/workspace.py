"""Folder of everything that teaching writes."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dbp_ros.files import require_folder
from dbp_ros.teach.settings import TeachConfig, read_settings, write_settings
from dbp_ros.teach.training import Training, create_training

DEFAULT_FOLDER = Path("runs/teach")
SETTINGS = "teach.yaml"


class Workspace:
    """Recordings, trainings, the deployed model and the settings, in one folder.

    Every file is written under another name and renamed, so a workspace can be closed at any time
    and opened again.

    Attributes:
        folder: The folder.
        settings: Settings of the next training.
        is_new: Whether it had no settings when it was opened.
    """

    def __init__(self, folder: Path = DEFAULT_FOLDER) -> None:
        """Open a workspace, or create it.

        Raises:
            ConfigError: If the folder cannot be written, or its settings are invalid.
        """
        self.folder = folder.expanduser().resolve()
        require_folder(self.folder, "folder")
        self.is_new = not (self.folder / SETTINGS).exists()
        self.settings = read_settings(self.folder / SETTINGS)
        self.recordings.mkdir(exist_ok=True)

    @property
    def recordings(self) -> Path:
        """Folder of the recorded episodes, for the recorder."""
        return self.folder / "recordings"

    @property
    def has_episodes(self) -> bool:
        """Whether episodes are recorded."""
        return any(self.recordings.glob("episode_*"))

    @property
    def live_model(self) -> Path:
        """Folder of the bundle that the policy runs."""
        return self.folder / "models" / "live"

    @property
    def trainings(self) -> tuple[Training, ...]:
        """All trainings in order."""
        folders = [path for path in self._trainings.glob("*") if path.name.isdecimal()]
        return tuple(Training(path) for path in sorted(folders))

    def save_settings(self, settings: TeachConfig) -> None:
        """Write the settings of the next training."""
        write_settings(self.folder / SETTINGS, settings)
        self.settings = settings

    def change_settings(self, **changes: Any) -> None:
        """Change some settings of the next training; edits of the file stay.

        Raises:
            ConfigError: If the file cannot be read, or a setting is invalid.
        """
        self.save_settings(replace(read_settings(self.folder / SETTINGS), **changes))

    def new_training(self, starts_s: Mapping[str, float]) -> Training:
        """Create a training with a snapshot of episodes; see `create_training`.

        Raises:
            TrainingError: If there are too few episodes.
        """
        number = self.trainings[-1].number + 1 if self.trainings else 1
        folder = self._trainings / f"{number:03d}"
        return create_training(folder, self.recordings, starts_s, self.settings)

    @property
    def _trainings(self) -> Path:
        return self.folder / "trainings"
