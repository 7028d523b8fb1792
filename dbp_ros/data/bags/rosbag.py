"""One recording of rosbag2, MCAP or sqlite3, without ROS.

Bags of older distributions do not contain the definitions of their messages, so the standard
types are decoded by the definitions that come with the library.
"""

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_typestore

from dbp_ros.errors import EpisodeError

TYPES = get_typestore(Stores.ROS2_JAZZY)
JOINT_STATE = "sensor_msgs/msg/JointState"
TRAJECTORY = "trajectory_msgs/msg/JointTrajectory"
COMMANDS = "std_msgs/msg/Float64MultiArray"
FLOAT = "std_msgs/msg/Float64"
FLOATS = (FLOAT, "std_msgs/msg/Float32")
BOOL, STRING = "std_msgs/msg/Bool", "std_msgs/msg/String"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"
IMAGES = ("sensor_msgs/msg/Image", COMPRESSED_IMAGE)


@dataclass(frozen=True)
class BagMessage:
    """A decoded message.

    Attributes:
        topic: Full name of its topic.
        arrival_ns: Time at which the recorder received it.
        value: The fields of the message.
    """

    topic: str
    arrival_ns: int
    value: Any


class Rosbag(AbstractContextManager["Rosbag"]):
    """A bag folder with its `metadata.yaml`, or one file; open while in a `with` block.

    Attributes:
        topics: Message type of each topic with messages, sorted by topic.
    """

    def __init__(self, path: Path) -> None:
        """Open the bag.

        Raises:
            EpisodeError: If it cannot be opened, or has no messages.
        """
        self._path = path
        try:
            self._reader = Reader(path)
            self._reader.open()
        # The storage plugins raise many types of errors for damaged files.
        except Exception as error:
            raise EpisodeError(
                f"{path} cannot be opened as a bag ({error}): restore an incomplete one with "
                "`ros2 bag reindex` or `mcap recover`"
            ) from error
        found = {one.topic: one.msgtype for one in self._reader.connections if one.msgcount}
        self.topics = dict(sorted(found.items()))
        if not found:
            self._reader.close()
            raise EpisodeError(f"{path} has no messages: delete it or record it again")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the files."""
        self._reader.close()

    def of_types(self, *types: str) -> tuple[str, ...]:
        """Return the topics with one of some message types."""
        return tuple(topic for topic, found in self.topics.items() if found in types)

    def messages(self, topics: Collection[str]) -> Iterator[BagMessage]:
        """Yield the messages of some topics in order of arrival.

        Raises:
            EpisodeError: If a part of the bag or a message cannot be read.
        """
        chosen = [one for one in self._reader.connections if one.topic in topics]
        if not chosen:
            return
        serialised, last_ns = self._reader.messages(chosen), 0
        while True:
            topic = ""
            try:
                connection, arrival_ns, data = next(serialised)
                topic, last_ns = connection.topic, arrival_ns
                value = TYPES.deserialize_cdr(data, connection.msgtype)
            except StopIteration:
                return
            except Exception as error:
                what = f"a message on {topic}" if topic else "the bag"
                raise EpisodeError(
                    f"{self._path}: {what} cannot be read at {last_ns / 1e9:.3f} s ({error}): "
                    "copy or record it again"
                ) from error
            yield BagMessage(topic, arrival_ns, value)
