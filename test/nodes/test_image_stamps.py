"""Image stamps of chunks: published on change, joined by the stamp of the chunk."""

import time
from array import array
from dataclasses import replace

import numpy as np
import pytest
from rclpy.clock import Clock
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Int64MultiArray

from dbp_ros.errors import ObservationError
from dbp_ros.nodes.image_stamps import MAX_CAMERAS, ImageStampsReader, ImageStampsWriter
from dbp_ros.nodes.steady_clock import SteadyClock
from dbp_ros.types import ActionChunk

MS = 1_000_000


@pytest.fixture
def clock() -> SteadyClock:
    return SteadyClock(Clock())


def chunk(*ages_ms: int, later_ms: int = 0) -> ActionChunk:
    now_ns = time.monotonic_ns()
    stamps_ns = tuple(now_ns - age_ms * MS for age_ms in ages_ms)
    due_ns = now_ns + np.arange(3) * MS
    return ActionChunk(np.zeros((3, 2)), due_ns, now_ns + later_ms * MS, stamps_ns)


@pytest.mark.parametrize("ages_ms", [(42,), (42, 7, 30)])
def test_stamps_survive_serialisation(clock: SteadyClock, ages_ms: tuple[int, ...]) -> None:
    sent = chunk(*ages_ms)
    message = ImageStampsWriter(clock).write(sent)
    assert message is not None
    data = deserialize_message(message, Int64MultiArray).data
    assert [(data[0] - stamp_ns) // MS for stamp_ns in data[1:]] == list(ages_ms)
    reader = ImageStampsReader(clock)
    reader.add(message)
    assert reader.stamps_of(sent) == pytest.approx(sent.image_stamps_ns, abs=20 * MS)


def test_unchanged_stamps_are_not_published_again(clock: SteadyClock) -> None:
    writer, sent = ImageStampsWriter(clock), chunk(20, 10)
    assert writer.write(sent) is not None
    assert writer.write(replace(sent, stamp_ns=sent.stamp_ns + 8 * MS)) is None
    assert writer.write(replace(sent, image_stamps_ns=(1, 2))) is not None
    assert ImageStampsWriter(clock).write(chunk()) is None


def test_stamps_apply_from_their_chunk_until_the_next_change(clock: SteadyClock) -> None:
    writer, reader = ImageStampsWriter(clock), ImageStampsReader(clock)
    first, second = chunk(20), chunk(10, later_ms=100)
    for sent in (first, second):
        reader.add(writer.write(sent))
    before = replace(first, stamp_ns=first.stamp_ns - 50 * MS)
    between = replace(first, stamp_ns=first.stamp_ns + 50 * MS)
    assert reader.stamps_of(before) == ()
    assert reader.stamps_of(between) == reader.stamps_of(first)
    assert reader.stamps_of(second)[0] - reader.stamps_of(first)[0] > 5 * MS


@pytest.mark.parametrize(
    "data", [[], [-5], [5, -1], [-1, 5], [5, 2**63 - 1], [5] * (MAX_CAMERAS + 2)]
)
def test_invalid_stamps_are_refused(clock: SteadyClock, data: list[int]) -> None:
    with pytest.raises(ObservationError, match=r"out of range|no image stamps"):
        ImageStampsReader(clock).add(serialize_message(Int64MultiArray(data=array("q", data))))


@pytest.mark.parametrize("message", [b"", b"\x00\x01\x00\x00", b"\x00\x01\x00\x00" + b"\xff" * 40])
def test_malformed_messages_are_refused(clock: SteadyClock, message: bytes) -> None:
    with pytest.raises(ObservationError, match="no image stamps"):
        ImageStampsReader(clock).add(message)
