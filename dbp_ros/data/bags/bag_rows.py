"""Rows of a recording at multiples of the control step."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dbp_ros.data.bags.bag_streams import BagStreams
from dbp_ros.data.bags.rosbag import Rosbag
from dbp_ros.errors import EpisodeError, ObservationError
from dbp_ros.sensing.image_decoding import decode_image
from dbp_ros.types import NS_PER_S, Array, Floats, Image, Indices, seconds_to_ns


@dataclass(frozen=True)
class BagRows:
    """Rows of a recording.

    Attributes:
        stamps_ns: Time of each row, on the recorder's clock. Shape (steps,).
        states: Newest positions. Shape (steps, nu).
        actions: Command in effect one step later. Shape (steps, nu).
        images: Index of the newest image of each camera. Shapes (steps,).
    """

    stamps_ns: NDArray[np.int64]
    states: Floats
    actions: Floats
    images: Mapping[str, Indices]


def sample_rows(streams: BagStreams, step_s: float) -> BagRows:
    """Sample streams from the first time on at which all of them have a value.

    Raises:
        EpisodeError: If they have no value at the same time for a whole step.
    """
    step_ns, positions = seconds_to_ns(step_s), streams.positions
    stamps: list[int] = []
    states: list[Array] = []
    actions: list[Array] = []
    for stamp_ns in range(streams.start_ns, positions.stamps_ns[-1] - step_ns + 1, step_ns):
        state, action = positions.latest(stamp_ns), streams.actions.at(stamp_ns + step_ns)
        if state is not None and action is not None:
            stamps.append(stamp_ns)
            states.append(state)
            actions.append(action)
    if not stamps:
        raise EpisodeError(
            f"joint states, images and commands were never recorded together for {step_s:g} s: "
            "drop the recording or record it again"
        )
    images = {
        camera: np.array([bisect_right(arrivals_ns, ns) - 1 for ns in stamps], np.int64)
        for camera, arrivals_ns in streams.image_arrivals_ns.items()
    }
    return BagRows(
        np.array(stamps, np.int64),
        np.array(states).astype(np.float32),
        np.array(actions).astype(np.float32),
        images,
    )


def read_images(bag: Rosbag, topics: Mapping[str, str], rows: BagRows) -> dict[str, Image]:
    """Decode the images of rows, and no others.

    Args:
        bag: The recording.
        topics: Topic of each camera.
        rows: The rows.

    Returns:
        rgb8 of each camera. Shapes (steps, height, width, 3).

    Raises:
        EpisodeError: If an image cannot be decoded, or has another size than the first.
    """
    cameras = {topic: camera for camera, topic in topics.items()}
    counts = dict.fromkeys(cameras, -1)
    found: dict[str, Image] = {}
    for message in bag.messages(set(cameras)):
        camera = cameras[message.topic]
        counts[message.topic] += 1
        chosen = np.flatnonzero(rows.images[camera] == counts[message.topic])
        if not len(chosen):
            continue
        where = f"the image on {message.topic} at {message.arrival_ns / NS_PER_S:.3f}"
        try:
            image = decode_image(message.value)
        except ObservationError as error:
            raise EpisodeError(f"{where}: {error}") from error
        if camera not in found:
            found[camera] = np.empty((len(rows.stamps_ns), *image.shape), np.uint8)
        if image.shape != found[camera].shape[1:]:
            raise EpisodeError(
                f"{where} has shape {image.shape}, expected {found[camera].shape[1:]} as the first "
                "one: drop the recording"
            )
        found[camera][chosen] = image
    return {camera: found[camera] for camera in topics}
