"""Data sets of `dbp collect`: a folder with an `episode_*.npz` for each episode."""

from dataclasses import replace
from functools import cached_property
from pathlib import Path

from dbp_ros.data.episode import Episode, episode_paths, read_episode
from dbp_ros.data.episode_set import RowShape
from dbp_ros.data.hashing import files_sha256
from dbp_ros.data.read_errors import error_context
from dbp_ros.data.row_stamps import stored_step
from dbp_ros.data.selection import DEFAULT_SELECTION, Selection, choose, choose_action

ACTIONS = "actions"


class NpzFolder:
    """A folder of `.npz` episodes.

    The keys of the state are the names of its columns; the only action is `actions`.
    """

    def __init__(self, path: Path, selection: Selection = DEFAULT_SELECTION) -> None:
        """Find the episodes.

        Raises:
            EpisodeError: If the folder holds none, or another action is selected.
        """
        self.origin = str(path)
        self._paths = episode_paths(path)
        self.names = tuple(file.name for file in self._paths)
        self._selection = selection
        with error_context(self.origin):
            choose_action(selection.action, ACTIONS, (ACTIONS,))

    def __len__(self) -> int:
        return len(self._paths)

    @cached_property
    def unused(self) -> dict[str, RowShape]:
        """Columns, cameras and point clouds of the first episode that are not read."""
        whole, taken = read_episode(self._paths[0]), self.read(0)
        columns: dict[str, RowShape] = dict.fromkeys(whole.state_names, ())
        images = {name: rows.shape[1:] for name, rows in whole.images.items()}
        shapes = columns | images | {name: rows.shape[1:] for name, rows in whole.points.items()}
        read = {*taken.state_names, *taken.images, *taken.points}
        return {name: shapes[name] for name in sorted(shapes) if name not in read}

    def read(self, index: int) -> Episode:
        """Read one episode; see `EpisodeSet`.

        Raises:
            EpisodeError: If it is damaged, or another step is selected than it stores.
        """
        episode = read_episode(self._paths[index])
        with error_context(str(self._paths[index])):
            return _selected(episode, self._selection)

    def sha256(self) -> str:
        """Return the sha256 over the sorted sha256 of the files."""
        return files_sha256(self._paths)


def _selected(episode: Episode, selection: Selection) -> Episode:
    states = choose("state", selection.state, episode.state_names, episode.state_names)
    images = choose("images", selection.images, episode.images, episode.images)
    points = choose("points", selection.points, episode.points, episode.points)
    columns = [episode.state_names.index(name) for name in states]
    return replace(
        episode,
        step_s=stored_step(episode.step_s, selection.step_s),
        state_names=states,
        states=episode.states[:, columns],
        images={camera: episode.images[camera] for camera in images},
        points={sensor: episode.points[sensor] for sensor in points},
    )
