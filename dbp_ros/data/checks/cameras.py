"""Checks of cameras: images that do not change while joints move, and images of one colour."""

from collections.abc import Collection, Iterator
from itertools import pairwise

import numpy as np

from dbp_ros.data.checks.finding import EpisodeFinding
from dbp_ros.data.episode import Episode
from dbp_ros.data.labelled_episodes import elapsed_s
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.types import Array, Flags, Image

# Mean brightness up to which an image is black, and from which it is white.
BLACK, WHITE = 4.0, 251.0
# Standard deviation of the pixels of an image up to which it has one colour.
UNIFORM = 1.5
# Every n-th row and column of an image is enough for its brightness.
PIXEL_STRIDE = 4


def check_cameras(
    name: str, episode: Episode, may_be_still: Collection[str] = ()
) -> Iterator[EpisodeFinding]:
    """Find frozen cameras and images of one colour.

    Args:
        name: Name of the episode.
        episode: The episode.
        may_be_still: Cameras whose image may stay the same while joints move.
    """
    times_s = elapsed_s(episode)
    for camera, images in episode.images.items():
        if camera not in may_be_still:
            yield from _frozen(name, camera, episode, times_s)
        yield from _one_colour(name, camera, images, times_s)


def _frozen(name: str, camera: str, episode: Episode, times_s: Array) -> Iterator[EpisodeFinding]:
    """Find the longest run of equal images with motion; the limits are those of the policy."""
    limits, worst = PolicyConfig(), (0.0, 0.0)
    for first, last in _runs(_repeated(episode.images[camera])):
        # The nominal time: stamps have their own checks.
        seconds = (last - first) * episode.step_s
        motion = np.ptp(episode.states[first : last + 1], axis=0).max(initial=0.0)
        long = seconds >= limits.image_frozen_after_s
        if long and motion >= limits.image_frozen_motion and seconds > worst[0]:
            worst = seconds, float(times_s[first])
    if worst[0]:
        yield EpisodeFinding(
            "error",
            name,
            camera,
            "the same image is repeated while joints move",
            "check cable and driver of the camera, and trim the episode or discard it",
            f"{worst[0]:.2f} s",
            worst[1],
        )


def _repeated(images: Image) -> Flags:
    """Return whether each image equals the previous one. Shape (steps,)."""
    equal = [np.array_equal(one, other) for one, other in pairwise(images)]
    return np.array([False, *equal])[: len(images)]


def _runs(repeated: Flags) -> Iterator[tuple[int, int]]:
    """Yield first and last row of each run of equal images."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], repeated, [False]]).astype(np.int8)))
    for start, end in edges.reshape(-1, 2):
        yield int(start) - 1, int(end) - 1


def _one_colour(name: str, camera: str, images: Image, times_s: Array) -> Iterator[EpisodeFinding]:
    brightness = images[:, ::PIXEL_STRIDE, ::PIXEL_STRIDE].mean(axis=(1, 2, 3))
    uniform = np.array([_is_uniform(image) for image in images], bool)
    black, white = uniform & (brightness <= BLACK), uniform & (brightness >= WHITE)
    kinds = {"black": black, "white": white, "of one colour": uniform & ~black & ~white}
    for kind, found in kinds.items():
        (rows,) = np.nonzero(found)
        if len(rows):
            yield EpisodeFinding(
                "error",
                name,
                camera,
                f"{len(rows)} of {len(images)} images are {kind}",
                "check exposure, lens cap and cable, and trim the episode or discard it",
                f"brightness {brightness[rows[0]]:.0f} of 255",
                float(times_s[rows[0]]),
            )


def _is_uniform(image: Image) -> bool:
    """Return whether an image has one colour, for most images from a part of its pixels.

    A small object may lie between the sampled pixels, so a uniform sample is not enough.
    """
    sampled = image[::PIXEL_STRIDE, ::PIXEL_STRIDE]
    return all(bool((pixels.std(axis=(0, 1)) <= UNIFORM).all()) for pixels in (sampled, image))
