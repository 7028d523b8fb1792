"""The CDR codec agrees with the middleware, in either byte order."""

import struct
from array import array

import numpy as np
import pytest
from builtin_interfaces.msg import Duration, Time
from hypothesis import given
from hypothesis import strategies as st
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Float64MultiArray, MultiArrayDimension, MultiArrayLayout
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from dbp_ros.nodes.cdr import (
    UNREADABLE,
    CachedNames,
    CdrReader,
    CommandWriter,
    TrajectoryWriter,
    read_command,
)

NAMES = st.lists(st.text("abc_", max_size=9), min_size=1, max_size=4)
SIZE = st.integers(0, 3)


def trajectory(names, frame_id, rows, extra=()):
    points = [
        JointTrajectoryPoint(
            positions=array("d", row), time_from_start=Duration(sec=-number, nanosec=number + 1)
        )
        for number, row in enumerate(rows)
    ]
    for point in points[:1]:
        point.velocities = array("d", extra)
    message = JointTrajectory(joint_names=names, points=points)
    message.header.frame_id = frame_id
    return message


def read_trajectory(message, joints):
    reader = CdrReader(message)
    reader.header()
    names = reader.names(CachedNames())
    return names, *reader.points(joints)


@given(NAMES, st.text("xyz", max_size=9), st.integers(0, 4), st.lists(st.just(0.5), max_size=2))
def test_the_reader_agrees_with_the_middleware_at_any_alignment(names, frame_id, count, velocities):
    rows = np.arange(1.0, 1.0 + count * len(names)).reshape(count, len(names))
    message = serialize_message(trajectory(names, frame_id, rows, velocities))
    found, positions, times_ns = read_trajectory(message, len(names))
    assert found == tuple(names)
    assert np.array_equal(positions, rows)
    assert times_ns.tolist() == [-number * 10**9 + number + 1 for number in range(count)]


@given(NAMES, st.integers(1, 4))
def test_the_writer_agrees_with_the_middleware_at_any_alignment(names, count):
    rows = np.arange(1.0, 1.0 + count * len(names)).reshape(count, len(names))
    times_ns = np.array([-number * 10**9 + number + 1 for number in range(count)])
    written = TrajectoryWriter(names).write(7_000_000_008, rows, times_ns)
    expected = trajectory(names, "", rows)
    expected.header.stamp = Time(sec=7, nanosec=8)
    assert deserialize_message(written, JointTrajectory) == expected


@pytest.mark.parametrize("sizes", [(3, 2), (2, 3), (3, 3, 2), (4, 4)])
def test_points_of_another_size_are_refused(sizes):
    rows = [[1.0] * size for size in sizes]
    message = serialize_message(trajectory(["a", "b", "c"], "", rows))
    with pytest.raises(ValueError, match="a point does not have 3 positions"):
        read_trajectory(message, 3)


@given(st.integers(0, 400))
def test_a_truncated_message_is_refused(length):
    # The middleware adds padding at the end.
    whole = serialize_message(trajectory(["a", "b"], "f", [[1.0, 2.0]] * 3, [3.0, 4.0]))
    end = whole.rindex(struct.pack("<iI", -2, 3)) + 8
    read_trajectory(whole[:end], 2)
    if length < end:
        with pytest.raises(UNREADABLE):
            read_trajectory(whole[:length], 2)


def test_big_endian_trajectories_are_read():
    body = struct.pack(">iI I4s I I2sxx I d", 1, 2, 4, b"abc\0", 1, 2, b"j\0", 1, 0.5)
    reader = CdrReader(b"\x00\x00\x00\x00" + body)
    assert reader.header() == 1_000_000_002
    assert reader.names(CachedNames()) == ("j",)
    assert reader.doubles().tolist() == [0.5]


def test_names_are_decoded_only_when_they_change():
    cache = CachedNames()

    def names(*texts):
        reader = CdrReader(serialize_message(trajectory(list(texts), "", [])))
        reader.header()
        return reader.names(cache)

    first = names("a", "b")
    assert names("a", "b") is first
    assert names("a", "c") == ("a", "c")
    assert names("a") == ("a",)
    assert names("a", "b") == first


@pytest.mark.parametrize("part", [slice(7, 13), slice(None, None, 7), slice(3, 4)])
def test_a_command_may_be_a_view_of_an_array(part):
    positions = np.arange(14.0)[part]
    written = CommandWriter(len(positions)).write(positions)
    message = deserialize_message(written, Float64MultiArray)
    assert message == Float64MultiArray(data=positions)
    assert np.array_equal(read_command(written), positions)


def test_a_command_with_a_layout_is_read():
    layout = MultiArrayLayout(dim=[MultiArrayDimension(label="joint", size=2, stride=2)] * 2)
    message = Float64MultiArray(layout=layout, data=[1.0, 2.0])
    assert read_command(serialize_message(message)).tolist() == [1.0, 2.0]
    assert read_command(serialize_message(Float64MultiArray())).tolist() == []
