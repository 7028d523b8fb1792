"""Frames of a video by their times."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from dbp_ros.errors import EpisodeError
from dbp_ros.types import Image

# An mp4 is indexed by decode times, which are up to some frames before the presentation times.
SEEK_MARGIN_S = 1.0
BITS = 8


@dataclass(frozen=True)
class VideoSegment:
    """Part of a video file that belongs to one episode.

    Attributes:
        path: The file.
        start_s: Time of the first frame in the file, in [s].
        end_s: Time after the last frame in the file, in [s]; infinite for the end of the file.
    """

    path: Path
    start_s: float = 0.0
    end_s: float = math.inf


def read_frames(segment: VideoSegment, times_s: NDArray[np.float64], tolerance_s: float) -> Image:
    """Return the frame nearest to each time, as rgb8 of the size of the video.

    Only the frames from the last keyframe before the segment on are decoded.

    Args:
        segment: Where to look.
        times_s: Increasing times after the start of the segment, in [s]. Shape (steps,).
        tolerance_s: Maximum difference between a time and that of its frame, in [s].

    Returns:
        Shape (steps, height, width, 3).

    Raises:
        EpisodeError: If the file cannot be decoded, is a depth map, or has no frame at a time.
    """
    wanted_s = segment.start_s + times_s
    distances_s = np.full(len(wanted_s), np.inf)
    images: Image = np.zeros((len(wanted_s), 0, 0, 3), np.uint8)
    last_s = min(wanted_s[-1] + tolerance_s, segment.end_s - tolerance_s)
    try:
        with av.open(str(segment.path)) as container:
            for frame in _frames_from(container, wanted_s[0] + tolerance_s):
                if frame.time > last_s:
                    break
                distance_s = np.abs(wanted_s - frame.time)
                nearer = distance_s < np.minimum(distances_s, tolerance_s)
                if nearer.any():
                    pixels = _pixels(frame)
                    if not images.size:
                        images = np.zeros((len(wanted_s), *pixels.shape), np.uint8)
                    images[nearer], distances_s[nearer] = pixels, distance_s[nearer]
    except av.FFmpegError as error:
        raise EpisodeError(
            f"{segment.path} cannot be decoded ({error.strerror}): copy the data set again"
        ) from error
    _check_found(segment, times_s, distances_s)
    return images


def _frames_from(container: Any, first_s: float) -> Iterator[Any]:
    """Yield the frames of a video from a keyframe before a time on, in order of time."""
    if not container.streams.video:
        raise EpisodeError("has no video stream: copy the data set again")
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    for margin_s in (SEEK_MARGIN_S, math.inf):
        target_s = max(first_s - margin_s, 0.0)
        container.seek(int(target_s / stream.time_base), stream=stream)
        frames = container.decode(stream)
        first = next(frames, None)
        if first is not None and first.time <= first_s:
            yield first
            yield from frames
            return


def _pixels(frame: Any) -> Image:
    components = frame.format.components
    if len(components) == 1 and components[0].bits > BITS:
        raise EpisodeError(f"is a depth map ({frame.format.name}): choose cameras in colour")
    pixels: Image = frame.to_ndarray(format="rgb24")
    return pixels


def _check_found(
    segment: VideoSegment, times_s: NDArray[np.float64], distances_s: NDArray[np.float64]
) -> None:
    missing = np.flatnonzero(np.isinf(distances_s))
    if not len(missing):
        return
    step = int(missing[0])
    end = f", which ends at {segment.end_s:.3f} s" if math.isfinite(segment.end_s) else ""
    raise EpisodeError(
        f"{segment.path} has no frame for step {step} at {times_s[step]:.3f} s of the episode "
        f"({segment.start_s + times_s[step]:.3f} s of the file{end}): copy the data set again, or "
        "drop the episode"
    )
