"""One episode as a bag of ROS 2: an MCAP file with the messages as they came.

The file is written in small chunks. One that was cut off, by a kill or a power cut, is read as far
as whole chunks reach; `mend_bag` makes it a whole bag again, which `ros2 bag` reads too.
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

from dbp_ros.errors import EpisodeError
from dbp_ros.files import written_aside

FACTS, OUTCOME, ROLE = "dbp_ros.episode", "dbp_ros.outcome", "dbp_ros.role"
# A fact: which version failed before the episode began, and which one decides since; or null.
FELL_BACK = "fell_back"
CHUNK_BYTES = 256 * 1024
# Pixels with noise shrink by little, and the robot's processor has better things to do.
COMPRESSION = CompressionType.NONE
CUT_OFF = "cut_off"
# What decoding a malformed message raises.
UNREADABLE = (struct.error, ValueError, IndexError, TypeError, OverflowError, MemoryError)


@dataclass(frozen=True)
class BagTopic:
    """One topic of a bag.

    Attributes:
        topic: Its full name.
        kind: Its type, such as `sensor_msgs/msg/Image`.
        definition: The type's definition, with those of the types that it is made of.
        lasts: Whether what was said last holds until something else is said.
    """

    topic: str
    kind: str
    definition: str
    lasts: bool = False


@dataclass(frozen=True)
class EpisodeEnd:
    """How an episode ended.

    Attributes:
        outcome: `success` or `failure`.
        termination_reason: Why it ended: `success`, `failure`, `time_limit`, `operator`, `policy`,
            or `cut_off` where the recording broke off.
        stamp_ns: When, on the ROS clock.
    """

    outcome: str
    termination_reason: str
    stamp_ns: int


class BagWriter:
    """Writes one bag. One thread owns it."""

    def __init__(
        self, path: Path, sources: Mapping[str, BagTopic], facts: Mapping[str, Any]
    ) -> None:
        """Begin a file.

        Args:
            path: Where. Its folder is there.
            sources: The topics, by what role they play.
            facts: What is known from the start; anything JSON can hold.
        """
        self._file = path.open("wb")
        self._writer = Writer(self._file, CHUNK_BYTES, COMPRESSION)
        self._writer.start(profile="ros2")
        self._writer.add_metadata(FACTS, {key: json.dumps(value) for key, value in facts.items()})
        self._channels = {role: self._register(role, source) for role, source in sources.items()}

    def _register(self, role: str, source: BagTopic) -> int:
        schema = self._writer.register_schema(source.kind, "ros2msg", source.definition.encode())
        metadata = {ROLE: role, "offered_qos_profiles": ""}
        channel: int = self._writer.register_channel(source.topic, "cdr", schema, metadata)
        return channel

    def write(self, role: str, data: bytes, stamp_ns: int) -> None:
        """Append a serialised message that arrived at a time on the ROS clock."""
        self._writer.add_message(self._channels[role], stamp_ns, data, stamp_ns)

    def sync(self) -> None:
        """Put on the disk what was written so far."""
        self._writer.flush()
        os.fsync(self._file.fileno())

    def close(self, end: EpisodeEnd) -> None:
        """Say how it ended, and finish the file."""
        self._writer.flush()
        self._writer.add_metadata(OUTCOME, _words(end))
        self._writer.finish()
        self.sync()
        self._file.close()


def _words(end: EpisodeEnd) -> dict[str, str]:
    return {key: str(value) for key, value in asdict(end).items()}


@dataclass
class Bag:
    """What is in a bag.

    Attributes:
        facts: What was known from the start.
        messages: The messages of each role with the times of their arrival, in order.
        end: How the episode ended; None where the file was cut off.
    """

    facts: dict[str, Any] = field(default_factory=dict)
    messages: dict[str, list[tuple[int, Any]]] = field(default_factory=dict)
    end: EpisodeEnd | None = None


def read_bag(path: Path) -> Bag:
    """Read a bag, as far as it is whole.

    Raises:
        EpisodeError: If it cannot be opened, or holds none of our episodes.
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
                # A malformed message was ignored by the robot, too.
                with suppress(*UNREADABLE):
                    message = (record.log_time, decode(record.data))
                    bag.messages.setdefault(channel.metadata[ROLE], []).append(message)
        elif isinstance(record, Metadata) and record.name == FACTS:
            bag.facts = {key: json.loads(value) for key, value in record.metadata.items()}
        elif isinstance(record, Metadata) and record.name == OUTCOME:
            said = record.metadata
            bag.end = EpisodeEnd(said["outcome"], said["termination_reason"], int(said["stamp_ns"]))
    if not bag.facts:
        raise EpisodeError(f"{path} holds no episode of ours: give a bag that the learner recorded")
    return bag


def _records(path: Path) -> Iterator[McapRecord]:
    """Yield the records of a file up to the end of its data, or to where it was cut off."""
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
        except (McapError, struct.error, ValueError):
            # What follows the last whole chunk cannot be told from nothing.
            return


def mend_bag(cut_off: Path, path: Path) -> None:
    """Write what is whole of a bag that was cut off as a whole bag, and remove it.

    Its episode ends with its last message, as `cut_off`: whatever it would have become, nobody
    saw it. A bag of which nothing is whole is only removed.
    """
    with written_aside(path) as aside, aside.open("wb") as file:
        writer = Writer(file, CHUNK_BYTES, COMPRESSION)
        writer.start(profile="ros2")
        outcome, messages = _words(EpisodeEnd("failure", CUT_OFF, 0)), 0
        for record in _records(cut_off):
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
                messages += 1
            elif isinstance(record, Metadata) and record.name == FACTS:
                writer.add_metadata(record.name, record.metadata)
            elif isinstance(record, Metadata) and record.name == OUTCOME:
                outcome = record.metadata
        writer.flush()
        writer.add_metadata(OUTCOME, outcome)
        writer.finish()
    if not messages:
        path.unlink()
    cut_off.unlink()
