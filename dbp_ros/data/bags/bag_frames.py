"""Single images of a bag, decoded on request."""

import struct
from pathlib import Path
from typing import Any

from mcap.exceptions import McapError
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from zstandard import ZstdError

from dbp_ros.data.bags.bag_summary import IMAGE, read_summary
from dbp_ros.errors import EpisodeError, ObservationError
from dbp_ros.sensing.image_decoding import decode_image
from dbp_ros.types import Image


class BagFrames:
    """Images of a bag of this package by camera and time.

    Only the chunks of the file around the requested time are read.

    Attributes:
        cameras: Names of the cameras with images.
    """

    def __init__(self, path: Path) -> None:
        """Read which cameras a bag has.

        Raises:
            EpisodeError: If it is incomplete, or not of a recorder of this package.
        """
        summary = read_summary(path)
        if summary is None:
            raise EpisodeError(f"{path} is not a recording of dbp record: give one of those")
        self._path = path
        self._topics = {
            role.removeprefix(IMAGE): topic
            for role, topic in sorted(summary.topics.items())
            if role.startswith(IMAGE)
        }
        self.cameras = tuple(self._topics)

    def at(self, camera: str, stamp_ns: int) -> Image:
        """Return the newest image at a time, or the first one if there is none before.

        Args:
            camera: One of `cameras`.
            stamp_ns: Time of arrival, on the clock of the recorder.

        Raises:
            EpisodeError: If the bag or the image cannot be read.
        """
        where = f"{self._path}: the image of {camera} at {stamp_ns / 1e9:.3f} s"
        try:
            message = self._newest(self._topics[camera], stamp_ns)
            return decode_image(message)
        except (McapError, ZstdError, OSError, struct.error, ValueError, StopIteration) as error:
            raise EpisodeError(f"{where} cannot be read ({error}): discard the episode") from error
        except ObservationError as error:
            raise EpisodeError(f"{where}: {error}") from error

    def _newest(self, topic: str, stamp_ns: int) -> Any:
        with self._path.open("rb") as file:
            reader = make_reader(file, decoder_factories=[DecoderFactory()])
            before = reader.iter_decoded_messages([topic], ending_at=stamp_ns, reverse=True)
            found = next(before, None) or next(reader.iter_decoded_messages([topic]))
            return found.decoded_message
