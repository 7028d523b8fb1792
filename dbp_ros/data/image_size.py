"""Reduction of the images of an episode to the size that a policy is trained on."""

from dataclasses import replace

import numpy as np

from dbp_ros.data.derived_episodes import DerivedEpisodes
from dbp_ros.data.episode import Episode
from dbp_ros.data.episode_set import EpisodeSet
from dbp_ros.sensing.image_size import resize


class ResizedEpisodes(DerivedEpisodes):
    """Set of episodes whose images have another size."""

    def __init__(self, episodes: EpisodeSet, size: tuple[int, int]) -> None:
        """Wrap a set.

        Args:
            episodes: Set with images in the size of the data.
            size: New height and width.
        """
        super().__init__(episodes)
        self._size = size

    def read(self, index: int) -> Episode:
        """Read one episode; see `EpisodeSet.read`."""
        episode = self._episodes.read(index)
        images = {
            camera: np.stack([resize(image, self._size) for image in images])
            for camera, images in episode.images.items()
        }
        return replace(episode, images=images)
