"""Content of one recorded episode for its review."""

from pathlib import Path

import numpy as np

from dbp_ros.data.bags.bag_frames import BagFrames
from dbp_ros.data.editing.motion_limits import motion_limits
from dbp_ros.data.episode import Episode
from dbp_ros.data.formats import open_recordings
from dbp_ros.data.labelled_episodes import elapsed_s, trimmed_rows
from dbp_ros.data.selection import Selection
from dbp_ros.types import Array, Image, seconds_to_ns

MAX_IMAGE_WIDTH = 240
CACHED_IMAGES = 64


class OpenedEpisode:
    """Content of one episode: positions in memory, images decoded on request.

    Attributes:
        joints: Names of the columns of the positions.
        cameras: Names of the cameras.
        last_s: Time of the last step, from the first joint state.
    """

    def __init__(self, path: Path) -> None:
        """Read the positions.

        Raises:
            EpisodeError: If the recording is damaged or incomplete.
        """
        self._frames = BagFrames(path)
        self._episode: Episode = open_recordings(path, Selection(images=(), points=())).read(0)
        self._times_s = elapsed_s(self._episode)
        self._images: dict[tuple[str, int], Image] = {}
        self.joints, self.cameras = self._episode.state_names, self._frames.cameras
        self.last_s = float(self._times_s[-1])

    def positions(self, time_s: float) -> Array:
        """Return the measured positions at a time. Shape (joints,)."""
        row = int(np.searchsorted(self._times_s, time_s, side="right")) - 1
        found: Array = self._episode.states[max(0, row)].astype(np.float64)
        return found

    def image(self, camera: str, time_s: float) -> Image:
        """Return the image of a camera at a time, at most `MAX_IMAGE_WIDTH` wide.

        Raises:
            EpisodeError: If it cannot be read.
        """
        # Before the first step there may be no image.
        after_s = max(0.0, time_s - float(self._times_s[0]))
        stamp_ns = int(self._episode.stamps_ns[0]) + seconds_to_ns(after_s)
        key = camera, stamp_ns
        if key not in self._images:
            while len(self._images) >= CACHED_IMAGES:
                del self._images[next(iter(self._images))]
            self._images[key] = reduced(self._frames.at(camera, stamp_ns))
        return self._images[key]

    def first_motion_s(self) -> float:
        """Return the time before the first motion, with a margin.

        Raises:
            EpisodeError: If no joint moves.
        """
        return motion_limits(self._episode)[0]

    def check_limits(self, start_s: float, end_s: float) -> None:
        """Raise `EpisodeError` if no step is between two times."""
        trimmed_rows(self._episode, start_s, end_s)


def reduced(image: Image, width: int = MAX_IMAGE_WIDTH) -> Image:
    """Return an image that is at most `width` wide, by leaving out rows and columns."""
    step = -(-image.shape[1] // width)
    return np.ascontiguousarray(image[::step, ::step])
