"""Messages become what was meant by them, or are refused with the reason."""

import time
from array import array

import numpy as np
import pytest
from builtin_interfaces.msg import Duration, Time
from rclpy.clock import Clock, ClockType, ROSClock
from rclpy.serialization import deserialize_message, serialize_message
from rclpy.time import Time as RosTime
from sensor_msgs.msg import Image, JointState
from stamps import stamp_to_ns
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from dbp_ros.errors import CommandError, ObservationError
from dbp_ros.nodes.camera_images import transport_of
from dbp_ros.nodes.conversions import ChunkReader, ChunkWriter, JointReader, image_message
from dbp_ros.nodes.steady_clock import SteadyClock, ns_to_stamp
from dbp_ros.runtime.sim_clock import SimClock
from dbp_ros.sensing.image_decoding import decode_raw
from dbp_ros.types import NS_PER_S, ActionChunk, Array

JOINTS = ("shoulder", "elbow", "gripper")
PICTURE = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
# The offset between the clocks is held until they part by a millisecond.
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


def picture(encoding: str = "rgb8", step: int = 9, data: bytes = PICTURE.tobytes()) -> Image:
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


def test_joints_are_read_by_name_in_whatever_order_they_come():
    message = joint_states(gripper=3.0, shoulder=1.0, elbow=2.0)
    assert read(message).tolist() == [1.0, 2.0, 3.0]


def test_joints_that_are_not_ours_are_ignored_even_where_they_are_not_finite():
    message = joint_states(wheel=float("nan"), elbow=2.0, shoulder=1.0, lamp=9.0, gripper=3.0)
    assert read(message).tolist() == [1.0, 2.0, 3.0]


def test_joints_may_come_in_another_order_with_each_message():
    reader = JointReader(JOINTS)
    read(joint_states(shoulder=1.0, elbow=2.0, gripper=3.0), reader)
    message = joint_states(elbow=5.0, gripper=6.0, shoulder=4.0)
    assert read(message, reader).tolist() == [4.0, 5.0, 6.0]


def test_positions_that_were_read_do_not_change_with_the_message():
    positions = read(joint_states(shoulder=1.0, elbow=2.0, gripper=3.0))
    assert positions.flags.owndata


@pytest.mark.parametrize("message", [JointState(), joint_states(wheel=3.0, torso=float("nan"))])
def test_a_message_without_any_of_our_joints_is_ignored(message):
    assert JointReader(JOINTS).read(serialize_message(message)) is None


def test_a_message_with_some_of_our_joints_gives_those():
    readings = JointReader(JOINTS).read(serialize_message(joint_states(gripper=3.0, elbow=2.0)))
    assert readings is not None
    assert readings.indices.tolist() == [1, 2]
    assert readings.positions.tolist() == [2.0, 3.0]


def test_a_joint_that_is_named_twice_is_refused_by_name():
    message = JointState(name=["elbow", "wheel", "elbow"], position=array("d", [1.0, 2.0, 3.0]))
    with pytest.raises(ObservationError, match="joint_states names elbow more than once"):
        read(message)


def test_messages_of_two_publishers_in_turns_are_each_read_by_their_own_names():
    reader = JointReader(JOINTS)
    for k in range(20):
        arm = joint_states(**{f"other_{k}": 0.0}, elbow=float(k), shoulder=-float(k))
        assert read(arm, reader).tolist() == [-float(k), float(k)]
        assert read(joint_states(gripper=float(k)), reader).tolist() == [float(k)]


def test_joint_states_bring_their_stamp():
    message = joint_states(shoulder=1.0, elbow=2.0, gripper=3.0)
    message.header.stamp = Time(sec=5, nanosec=7)
    message.header.frame_id = "world"
    readings = JointReader(JOINTS).read(serialize_message(message))
    assert readings is not None
    assert readings.stamp_ns == 5 * NS_PER_S + 7


@pytest.mark.parametrize("damage", [lambda m: m[:-40], lambda m: m[:2], lambda m: b"\xff" + m])
def test_bytes_that_are_no_message_are_refused(damage, clock):
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
    message = picture()
    pixels = decode_raw(message)
    assert np.array_equal(pixels, PICTURE)
    assert np.shares_memory(pixels, np.frombuffer(message.data, np.uint8))


def test_bgr8_is_read_with_its_channels_turned():
    assert np.array_equal(decode_raw(picture("bgr8")), PICTURE[:, :, ::-1])


@pytest.mark.parametrize(("encoding", "turn"), [("rgb8", 1), ("bgr8", -1)])
def test_rows_may_be_padded_and_more_data_may_follow(encoding, turn):
    padded = np.full((2, 16), 255, np.uint8)
    padded[:, :9] = PICTURE.reshape(2, 9)
    pixels = decode_raw(picture(encoding, 16, padded.tobytes() + b"more"))
    assert np.array_equal(pixels, PICTURE[:, :, ::turn])
    assert pixels.flags.c_contiguous


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (picture(data=bytes(17)), "3x2 with 9 bytes a row has 17 bytes, expected 18"),
        (picture(data=b""), "has 0 bytes, expected 18"),
        (picture(step=8), "3x2 with 8 bytes a row has 18 bytes, expected 18"),
        (picture(step=16), "3x2 with 16 bytes a row has 18 bytes, expected 32"),
        (Image(encoding="rgb8"), "an image of 0x0"),
        (picture("rgba8"), "3x2 with 9 bytes a row has 18 bytes, expected 24"),
        (picture("32FC1"), "images are 32FC1"),
        (Image(), "images are without an encoding"),
    ],
)
def test_an_image_that_cannot_be_read_is_refused_with_the_reason(message, reason):
    with pytest.raises(ObservationError, match=reason):
        decode_raw(message)


def test_an_image_survives_the_way_through_a_message(clock):
    stamp_ns = time.monotonic_ns()
    sent = image_message(PICTURE, "head_camera", clock.to_stamp(stamp_ns))
    frame = transport_of("raw").frame(serialize_message(sent), clock)
    assert sent.header.frame_id == "head_camera_optical_frame"
    assert np.array_equal(frame.image, PICTURE)
    assert frame.stamp_ns == pytest.approx(stamp_ns, abs=CLOCKS_NS)


def test_a_view_of_an_image_is_sent_as_it_looks():
    turned = PICTURE[::-1, ::-1]
    assert np.array_equal(decode_raw(image_message(turned, "head_camera", Time())), turned)


@pytest.mark.parametrize("time_ns", [0, 1, 999_999_999, 1_795_407_546_697_302_768, -1])
def test_a_stamp_holds_a_time_to_the_nanosecond(time_ns):
    assert stamp_to_ns(ns_to_stamp(time_ns)) == time_ns


def test_a_camera_without_a_clock_is_not_taken_for_fresh(clock):
    sent = image_message(PICTURE, "head_camera", Time())
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


def test_a_foreign_trajectory_is_read_by_name_without_the_joints_that_are_not_ours(clock):
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


def test_another_stamp_means_what_it_says(clock):
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
def test_a_trajectory_that_is_no_chunk_is_refused_with_the_reason(clock, message, reason):
    with pytest.raises(CommandError, match=reason):
        chunk_of(message, clock)


def test_a_joint_named_twice_is_refused() -> None:
    message = JointState(name=["a", "b", "a"], position=[1.0, 2.0, 3.0])
    with pytest.raises(ObservationError, match="names a more than once"):
        read(message, JointReader(("a", "b")))


def test_a_stamp_comes_back_to_the_nanosecond(clock: SteadyClock) -> None:
    for stamp_ns in range(10**18, 10**18 + 50):
        stamp = ns_to_stamp(stamp_ns)
        assert stamp_to_ns(clock.to_stamp(stamp_to_ns(stamp) + clock.offset_ns())) == stamp_ns


class RunAway:
    """A ROS clock that can be set, and the reading of which can be interrupted once."""

    ahead_ns = 0
    interrupted_s = 0.0

    @property
    def nanoseconds(self) -> int:
        now_ns = time.time_ns() + self.ahead_ns
        time.sleep(self.interrupted_s)
        self.interrupted_s = 0.0
        return now_ns

    def now(self) -> "RunAway":
        return self


def test_a_thread_that_was_interrupted_between_the_clocks_moves_no_stamp() -> None:
    ros_clock = RunAway()
    ros_clock.interrupted_s = 0.1
    clock = SteadyClock(ros_clock)
    before_ns = clock.offset_ns()
    assert abs(before_ns - (time.monotonic_ns() - time.time_ns())) < CLOCKS_NS
    ros_clock.interrupted_s = 0.1
    assert clock.offset_ns() == before_ns


def test_clocks_that_part_are_noticed() -> None:
    ros_clock = RunAway()
    clock = SteadyClock(ros_clock)
    before_ns = clock.offset_ns()
    ros_clock.ahead_ns = 10**9
    assert abs(before_ns - clock.offset_ns() - 10**9) < 10**8


def simulated_clock(at_ns: int) -> ROSClock:
    clock = ROSClock()
    clock._set_ros_time_is_active(True)
    clock.set_ros_time_override(rclpy_time(at_ns))
    return clock


def rclpy_time(at_ns: int) -> RosTime:
    return RosTime(nanoseconds=at_ns, clock_type=ClockType.ROS_TIME)


def test_a_clock_of_a_simulation_that_comes_in_steps_moves_no_stamp():
    sim_clock = SimClock(2.0)
    clock = simulated_clock(sim_clock.now_ns())
    steady = SteadyClock(clock, sim_clock)
    offset_ns = steady.offset_ns()
    time.sleep(0.01)
    # No step for 20 ms of the simulation: the clock is late, and that is all.
    assert steady.offset_ns() == offset_ns
    clock.set_ros_time_override(rclpy_time(sim_clock.now_ns()))
    assert 0 <= steady.offset_ns() <= offset_ns


def test_a_simulation_that_began_anew_is_noticed():
    sim_clock = SimClock(2.0)
    clock = simulated_clock(sim_clock.now_ns())
    steady = SteadyClock(clock, sim_clock)
    clock.set_ros_time_override(rclpy_time(sim_clock.now_ns() - 7 * NS_PER_S))
    assert steady.offset_ns() == pytest.approx(7 * NS_PER_S, abs=CLOCKS_NS)
