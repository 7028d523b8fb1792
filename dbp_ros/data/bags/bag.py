"""One episode as a rosbag2 file: MCAP, with the serialised messages in order of arrival.

The file is written in small chunks. After a kill or a power cut it is readable up to the last
complete chunk; `recover_bag` turns it into a valid bag, which `ros2 bag` reads too.
"""

import json
import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mcap.exceptions import McapError
from mcap.records import Channel, DataEnd, McapRecord, Message, Metadata, Schema
from mcap.stream_reader import StreamReader
from mcap.writer import CompressionType, Writer
from mcap_ros2.decoder import DecoderFactory
from zstandard import ZstdError

from dbp_ros.errors import EpisodeError
from dbp_ros.files import atomic_file

METADATA, OUTCOME, ROLE = "dbp_ros.episode", "dbp_ros.outcome", "dbp_ros.role"
# Metadata key: the failed and the current model version after a rollback, or null.
FELL_BACK = "fell_back"
# Metadata key of an exported episode: time between two rows, in [s].
ROW_STEP_S = "row_step_s"
CHUNK_BYTES = 256 * 1024
CUT_OFF = "cut_off"
# Exceptions of the decoder for a malformed message.
DECODE_ERRORS = (struct.error, ValueError, IndexError, TypeError, OverflowError, MemoryError)


@dataclass(frozen=True)
class BagTopic:
    """One topic of a bag.

    Attributes:
        topic: Full name.
        type_name: Message type, such as `sensor_msgs/msg/Image`.
        definition: Definition of the type and of all types that it contains.
        latched: Whether a message stays in effect until the next one.
    """

    topic: str
    type_name: str
    definition: str
    latched: bool = False


@dataclass(frozen=True)
class EpisodeEnd:
    """End of an episode.

    Attributes:
        outcome: `success` or `failure`.
        termination_reason: `success`, `failure`, `time_limit`, `operator` if an operator ended it
            without a result, `policy`, `control` if control ended, `disk` if the disk became full,
            or `cut_off` if the recording is incomplete.
        stamp_ns: Time of the end on the ROS clock.
    """

    outcome: str
    termination_reason: str
    stamp_ns: int


class BagWriter:
    """Writer of one bag; not thread-safe."""

    def __init__(
        self,
        path: Path,
        topics: Mapping[str, BagTopic],
        metadata: Mapping[str, Any],
        compression: str = "none",
    ) -> None:
        """Open a file in an existing folder.

        Args:
            path: The file.
            topics: The topics, by role.
            metadata: JSON-serialisable values of the episode.
            compression: `none`, `lz4` or `zstd`.
        """
        self._file = path.open("wb")
        self._writer = Writer(self._file, CHUNK_BYTES, CompressionType[compression.upper()])
        self._writer.start(profile="ros2")
        encoded = {key: json.dumps(value) for key, value in metadata.items()}
        self._writer.add_metadata(METADATA, encoded)
        self._channels = {role: self._register(role, topic) for role, topic in topics.items()}

    def _register(self, role: str, topic: BagTopic) -> int:
        definition = topic.definition.encode()
        schema = self._writer.register_schema(topic.type_name, "ros2msg", definition)
        metadata = {ROLE: role, "offered_qos_profiles": ""}
        channel: int = self._writer.register_channel(topic.topic, "cdr", schema, metadata)
        return channel

    def write(self, role: str, data: bytes, stamp_ns: int) -> None:
        """Append a serialised message with its time of arrival on the ROS clock."""
        self._writer.add_message(self._channels[role], stamp_ns, data, stamp_ns)

    def sync(self) -> None:
        """Flush to the disk."""
        self._writer.flush()
        os.fsync(self._file.fileno())

    def close(self, end: EpisodeEnd) -> None:
        """Write the end of the episode and finish the file."""
        self._writer.flush()
        self._writer.add_metadata(OUTCOME, _to_strings(end))
        self._writer.finish()
        self.sync()
        self._file.close()

    def abandon(self) -> None:
        """Close the file without an end, to delete it."""
        self._file.close()


def _to_strings(end: EpisodeEnd) -> dict[str, str]:
    return {key: str(value) for key, value in asdict(end).items()}


@dataclass
class Bag:
    """Content of a bag.

    Attributes:
        metadata: Values written at the start of the episode.
        messages: Time of arrival and decoded message, in order, by role.
        end: End of the episode; None for an incomplete file.
    """

    metadata: dict[str, Any] = field(default_factory=dict)
    messages: dict[str, list[tuple[int, Any]]] = field(default_factory=dict)
    end: EpisodeEnd | None = None


def read_bag(path: Path) -> Bag:
    """Read a bag, an incomplete one up to its last complete chunk.

    Raises:
        EpisodeError: If it cannot be opened, or was not recorded by `BagWriter`.
    """
    bag, decoders = Bag(), DecoderFactory()
    schemas: dict[int, Schema] = {}
    channels: dict[int, Channel] = {}
    for record in _records(path):
        if isinstance(record, Schema):
            schemas[record.id] = record
        elif isinstance(record, Channel):
            channels[record.id] = record
        elif isinstance(record, Message):
            channel = channels[record.channel_id]
            decode = decoders.decoder_for(channel.message_encoding, schemas[channel.schema_id])
            if decode is not None and ROLE in channel.metadata:
                # Malformed messages are also ignored on the robot.
                with suppress(*DECODE_ERRORS):
                    message = (record.log_time, decode(record.data))
                    bag.messages.setdefault(channel.metadata[ROLE], []).append(message)
        elif isinstance(record, Metadata) and record.name == METADATA:
            bag.metadata = {key: json.loads(value) for key, value in record.metadata.items()}
        elif isinstance(record, Metadata) and record.name == OUTCOME:
            end = record.metadata
            bag.end = EpisodeEnd(end["outcome"], end["termination_reason"], int(end["stamp_ns"]))
    if not bag.metadata:
        raise EpisodeError(f"{path} has no episode metadata: give a bag of the learner")
    return bag


def _records(path: Path) -> Iterator[McapRecord]:
    """Yield the records of a file up to the end of its data or its last complete chunk."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise EpisodeError(f"{path} cannot be read: {error.strerror}") from error
    with file:
        try:
            for record in StreamReader(file, validate_crcs=True).records:
                if isinstance(record, DataEnd):
                    return
                yield record
        except (McapError, struct.error, ValueError, RuntimeError, ZstdError):
            # The remainder of an incomplete file is unreadable.
            return


def recover_bag(incomplete: Path, path: Path) -> None:
    """Write the complete chunks of an incomplete bag as a valid bag, and remove the original.

    The episode ends with its last message, and its termination reason is `cut_off`. A file without
    a complete chunk is removed.
    """
    with atomic_file(path) as staging, staging.open("wb") as file:
        writer = Writer(file, CHUNK_BYTES, CompressionType.NONE)
        writer.start(profile="ros2")
        outcome, count = _to_strings(EpisodeEnd("failure", CUT_OFF, 0)), 0
        for record in _records(incomplete):
            if isinstance(record, Schema):
                writer.register_schema(record.name, record.encoding, record.data)
            elif isinstance(record, Channel):
                writer.register_channel(
                    record.topic, record.message_encoding, record.schema_id, record.metadata
                )
            elif isinstance(record, Message):
                times = record.log_time, record.publish_time
                writer.add_message(record.channel_id, times[0], record.data, times[1])
                outcome["stamp_ns"] = str(times[0])
                count += 1
            elif isinstance(record, Metadata) and record.name == METADATA:
                writer.add_metadata(record.name, record.metadata)
            elif isinstance(record, Metadata) and record.name == OUTCOME:
                outcome = record.metadata
        writer.flush()
        writer.add_metadata(OUTCOME, outcome)
        writer.finish()
    if not count:
        path.unlink()
    incomplete.unlink()
