"""Messages are converted or refused with the reason."""

import time
from array import array

import numpy as np
import pytest
from builtin_interfaces.msg import Duration, Time
from rclpy.clock import Clock
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image, JointState
from stamps import stamp_to_ns
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from dbp_ros.errors import CommandError, ObservationError
from dbp_ros.nodes.camera_images import transport_of
from dbp_ros.nodes.conversions import (
    ChunkReader,
    ChunkWriter,
    JointReader,
    camera_info_message,
    image_message,
)
from dbp_ros.nodes.steady_clock import SteadyClock, ns_to_stamp
from dbp_ros.sensing.image_decoding import decode_raw
from dbp_ros.types import NS_PER_S, ActionChunk, Array

JOINTS = ("shoulder", "elbow", "gripper")
PIXELS = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
# The offset between the clocks is constant until they differ by a millisecond.
CLOCKS_NS = 20_000_000


def joint_states(**positions: float) -> JointState:
    return JointState(name=list(positions), position=array("d", positions.values()))


def read(message: JointState, reader: JointReader | None = None) -> Array:
    """Return the positions of a message, in the order of the joints that it holds."""
    readings = (reader or JointReader(JOINTS)).read(serialize_message(message))
    assert readings is not None
    return readings.positions


def chunk_of(message: JointTrajectory, clock: SteadyClock) -> ActionChunk:
    return ChunkReader(JOINTS, clock).read(serialize_message(message))


def image_of(encoding: str = "rgb8", step: int = 9, data: bytes = PIXELS.tobytes()) -> Image:
    return Image(height=2, width=3, encoding=encoding, step=step, data=array("B", data))


def trajectory(joints=JOINTS, rows=((1.0, 2.0, 3.0),), times_s=(0.1, 0.2, 0.9)) -> JointTrajectory:
    points = [
        JointTrajectoryPoint(
            positions=array("d", row),
            time_from_start=Duration(sec=int(t), nanosec=round(t % 1 * NS_PER_S)),
        )
        for row, t in zip(rows, times_s, strict=False)
    ]
    return JointTrajectory(joint_names=list(joints), points=points)


def chunk() -> ActionChunk:
    stamp_ns = time.monotonic_ns()
    return ActionChunk(
        positions=np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]),
        due_ns=stamp_ns + np.array([33_333_333, 1_066_666_666]),
        stamp_ns=stamp_ns,
    )


@pytest.fixture
def clock() -> SteadyClock:
    return SteadyClock(Clock())


def test_joints_are_read_by_name_in_any_order():
    message = joint_states(gripper=3.0, shoulder=1.0, elbow=2.0)
    assert read(message).tolist() == [1.0, 2.0, 3.0]


def test_other_joints_are_ignored_even_if_not_finite():
    message = joint_states(wheel=float("nan"), elbow=2.0, shoulder=1.0, lamp=9.0, gripper=3.0)
    assert read(message).tolist() == [1.0, 2.0, 3.0]


def test_the_order_of_joints_may_change_with_each_message():
    reader = JointReader(JOINTS)
    read(joint_states(shoulder=1.0, elbow=2.0, gripper=3.0), reader)
    message = joint_states(elbow=5.0, gripper=6.0, shoulder=4.0)
    assert read(message, reader).tolist() == [4.0, 5.0, 6.0]


def test_positions_do_not_alias_the_message():
    positions = read(joint_states(shoulder=1.0, elbow=2.0, gripper=3.0))
    assert positions.flags.owndata


@pytest.mark.parametrize("message", [JointState(), joint_states(wheel=3.0, torso=float("nan"))])
def test_a_message_without_the_robots_joints_is_ignored(message):
    assert JointReader(JOINTS).read(serialize_message(message)) is None


def test_a_message_with_some_joints_returns_those():
    readings = JointReader(JOINTS).read(serialize_message(joint_states(gripper=3.0, elbow=2.0)))
    assert readings is not None
    assert readings.indices.tolist() == [1, 2]
    assert readings.positions.tolist() == [2.0, 3.0]


def test_a_repeated_joint_is_refused_by_name():
    message = JointState(name=["elbow", "wheel", "elbow"], position=array("d", [1.0, 2.0, 3.0]))
    with pytest.raises(ObservationError, match="joint_states names elbow more than once"):
        read(message)


def test_interleaved_messages_of_two_publishers_are_read_by_their_names():
    reader = JointReader(JOINTS)
    for k in range(20):
        arm = joint_states(**{f"other_{k}": 0.0}, elbow=float(k), shoulder=-float(k))
        assert read(arm, reader).tolist() == [-float(k), float(k)]
        assert read(joint_states(gripper=float(k)), reader).tolist() == [float(k)]


def test_joint_states_have_their_stamp():
    message = joint_states(shoulder=1.0, elbow=2.0, gripper=3.0)
    message.header.stamp = Time(sec=5, nanosec=7)
    message.header.frame_id = "world"
    readings = JointReader(JOINTS).read(serialize_message(message))
    assert readings is not None
    assert readings.stamp_ns == 5 * NS_PER_S + 7


@pytest.mark.parametrize("damage", [lambda m: m[:-40], lambda m: m[:2], lambda m: b"\xff" + m])
def test_malformed_messages_are_refused(damage, clock):
    states = serialize_message(joint_states(shoulder=1.0, elbow=2.0, gripper=3.0))
    with pytest.raises(ObservationError, match="joint_states cannot be read"):
        JointReader(JOINTS).read(damage(states))
    with pytest.raises(CommandError, match="a chunk cannot be read"):
        ChunkReader(JOINTS, clock).read(damage(serialize_message(trajectory())))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_position_that_is_not_finite_is_refused_by_name(value):
    with pytest.raises(ObservationError, match="not finite for elbow"):
        read(joint_states(shoulder=1.0, elbow=value, gripper=3.0))


@pytest.mark.parametrize("positions", [(), (1.0, 2.0), (1.0, 2.0, 3.0, 4.0)])
def test_positions_that_do_not_match_the_names_are_refused_with_both_numbers(positions):
    message = JointState(name=list(JOINTS), position=array("d", positions))
    with pytest.raises(ObservationError, match=f"{len(positions)} positions for 3 names"):
        read(message)


def test_rgb8_is_read_without_a_copy():
    message = image_of()
    pixels = decode_raw(message)
    assert np.array_equal(pixels, PIXELS)
    assert np.shares_memory(pixels, np.frombuffer(message.data, np.uint8))


def test_bgr8_is_read_with_swapped_channels():
    assert np.array_equal(decode_raw(image_of("bgr8")), PIXELS[:, :, ::-1])


@pytest.mark.parametrize(("encoding", "turn"), [("rgb8", 1), ("bgr8", -1)])
def test_rows_may_be_padded_and_more_data_may_follow(encoding, turn):
    padded = np.full((2, 16), 255, np.uint8)
    padded[:, :9] = PIXELS.reshape(2, 9)
    pixels = decode_raw(image_of(encoding, 16, padded.tobytes() + b"more"))
    assert np.array_equal(pixels, PIXELS[:, :, ::turn])
    assert pixels.flags.c_contiguous


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (image_of(data=bytes(17)), "3x2 with 9 bytes a row has 17 bytes, expected 18"),
        (image_of(data=b""), "has 0 bytes, expected 18"),
        (image_of(step=8), "3x2 with 8 bytes a row has 18 bytes, expected 18"),
        (image_of(step=16), "3x2 with 16 bytes a row has 18 bytes, expected 32"),
        (Image(encoding="rgb8"), "an image of 0x0"),
        (image_of("rgba8"), "3x2 with 9 bytes a row has 18 bytes, expected 24"),
        (image_of("32FC1"), "images are 32FC1"),
        (Image(), "images are without an encoding"),
    ],
)
def test_an_image_that_cannot_be_read_is_refused_with_the_reason(message, reason):
    with pytest.raises(ObservationError, match=reason):
        decode_raw(message)


def test_an_image_survives_serialisation(clock):
    stamp_ns = time.monotonic_ns()
    sent = image_message(PIXELS, "head_camera", clock.to_stamp(stamp_ns))
    frame = transport_of("raw").frame(serialize_message(sent), clock)
    assert sent.header.frame_id == "head_camera_optical_frame"
    assert np.array_equal(frame.image, PIXELS)
    assert frame.stamp_ns == pytest.approx(stamp_ns, abs=CLOCKS_NS)


def test_a_view_that_is_not_contiguous_is_sent_correctly():
    turned = PIXELS[::-1, ::-1]
    assert np.array_equal(decode_raw(image_message(turned, "head_camera", Time())), turned)


@pytest.mark.parametrize("time_ns", [0, 1, 999_999_999, 1_795_407_546_697_302_768, -1])
def test_a_stamp_is_exact_to_the_nanosecond(time_ns):
    assert stamp_to_ns(ns_to_stamp(time_ns)) == time_ns


def test_an_unstamped_image_is_not_fresh(clock):
    sent = image_message(PIXELS, "head_camera", Time())
    frame = transport_of("raw").frame(serialize_message(sent), clock)
    assert time.monotonic_ns() - frame.stamp_ns > 3600 * NS_PER_S


def test_a_chunk_survives_serialisation(clock):
    sent = chunk()
    written = ChunkWriter(JOINTS, clock).write(sent)
    received = ChunkReader(JOINTS, clock).read(written)
    message = deserialize_message(written, JointTrajectory)
    assert (message.joint_names, message.header.frame_id) == (list(JOINTS), "")
    assert np.array_equal(received.positions, sent.positions)
    assert np.array_equal(received.due_ns - received.stamp_ns, sent.due_ns - sent.stamp_ns)
    assert received.stamp_ns == pytest.approx(sent.stamp_ns, abs=CLOCKS_NS)


def test_a_foreign_trajectory_is_read_by_name_without_other_joints(clock):
    message = trajectory(
        ("gripper", "wheel", "shoulder", "elbow"), ((3.0, 9.0, 1.0, 2.0), (6.0, 9.0, 4.0, 5.0))
    )
    received = chunk_of(message, clock)
    assert received.positions.tolist() == [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]


def test_a_foreign_trajectory_keeps_its_uneven_times(clock):
    message = trajectory(rows=((1.0, 2.0, 3.0),) * 3, times_s=(0.0, 0.25, 2.5))
    received = chunk_of(message, clock)
    assert (received.due_ns - received.stamp_ns).tolist() == [0, 250_000_000, 2_500_000_000]
    assert received.due_ns.dtype == np.int64


def test_a_stamp_of_zero_means_now(clock):
    before_ns = time.monotonic_ns()
    received = chunk_of(trajectory(), clock)
    assert before_ns <= received.stamp_ns <= time.monotonic_ns()


def test_an_old_stamp_is_not_replaced(clock):
    message = trajectory()
    message.header.stamp = Time(sec=5)
    assert chunk_of(message, clock).stamp_ns < time.monotonic_ns() - 3600 * NS_PER_S


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (trajectory(("shoulder", "wheel"), ((1.0, 9.0),)), "a chunk lacks elbow, gripper"),
        (JointTrajectory(), "a chunk lacks shoulder, elbow, gripper"),
        (trajectory(rows=()), "a chunk has no points"),
        (trajectory(rows=((1.0, 2.0, 3.0), (1.0, 2.0))), "does not have 3 positions"),
        (trajectory(rows=((),)), "does not have 3 positions"),
    ],
)
def test_an_invalid_trajectory_is_refused_with_the_reason(clock, message, reason):
    with pytest.raises(CommandError, match=reason):
        chunk_of(message, clock)


def test_a_joint_repeated_in_a_small_message_is_refused() -> None:
    message = JointState(name=["a", "b", "a"], position=[1.0, 2.0, 3.0])
    with pytest.raises(ObservationError, match="names a more than once"):
        read(message, JointReader(("a", "b")))


@pytest.mark.parametrize("aspect", [4 / 3, 1.0])
def test_intrinsics_project_the_corner_of_the_view_to_that_of_the_image(aspect: float) -> None:
    image = image_message(np.zeros((480, 640, 3), np.uint8), "head_camera", Time(sec=3))
    info = camera_info_message(image, 60.0, aspect)
    projection = np.array(info.p).reshape(3, 4)
    edge = np.tan(np.radians(30.0))
    corner = projection @ [aspect * edge, edge, 1.0, 1.0]
    np.testing.assert_allclose(corner[:2] / corner[2], [640.0, 480.0])
    np.testing.assert_allclose(projection[:, :3], np.array(info.k).reshape(3, 3))
    assert (info.header, info.height, info.width) == (image.header, 480, 640)
