"""Messages to the contract and back. Every field of every message is checked here, once."""

import re
from array import array
from collections.abc import Sequence

import numpy as np
from builtin_interfaces.msg import Duration, Time
from rclpy.clock import Clock, ROSClock
from sensor_msgs.msg import Image as ImageMessage
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from dbp_ros.contract import NS_PER_S, ActionChunk, Array, Image
from dbp_ros.errors import CommandError, ObservationError
from dbp_ros.pace import Pace

# Clocks that part by less are held to run together, so that a stamp comes back as it was.
CLOCKS_APART_NS = 1_000_000
# `/clock` comes in steps and late, which says nothing; a world that was started anew parts by more.
SIMULATED_APART_NS = 500_000_000
IMAGE_STAMPS_PREFIX = "image_stamps_ns="
IMAGE_STAMPS = re.compile(IMAGE_STAMPS_PREFIX + r"(\d{1,19}(?:,\d{1,19}){0,31})", re.ASCII)


class SteadyClock:
    """Moves stamps between the ROS clock and the steady clock, on which all decisions are made.

    There and back a stamp is the same to the nanosecond, unless the clocks part meanwhile: by it
    a learner finds the very picture that a decision was made from.

    The steady clock is that of the world the robot is in, see `dbp_ros.pace`. Where the ROS clock
    is `/clock` it is always late by something, so what holds is the smallest difference seen.
    """

    def __init__(self, ros_clock: Clock, pace: Pace | None = None) -> None:
        self._ros_clock, self._pace = ros_clock, pace or Pace()
        self._may_be_simulated = isinstance(ros_clock, ROSClock)
        self._offset_ns = self._measure()[1]

    def offset_ns(self) -> int:
        """Return what to add to a ROS time to get the steady time."""
        apart_ns = self._measure()[1] - self._offset_ns
        if self._may_be_simulated and self._ros_clock.ros_time_is_active:
            if apart_ns < 0 or apart_ns > SIMULATED_APART_NS:
                self._offset_ns += apart_ns
        elif abs(apart_ns) > CLOCKS_APART_NS:
            # Perhaps this thread was only interrupted between the two clocks.
            self._offset_ns = min(self._measure() for _ in range(3))[1]
        return self._offset_ns

    def _measure(self) -> tuple[int, int]:
        """Return how long it took, and the offset, in [ns]."""
        before_ns = self._pace.now_ns()
        ros_ns = int(self._ros_clock.now().nanoseconds)
        took_ns = self._pace.now_ns() - before_ns
        return took_ns, before_ns + took_ns // 2 - ros_ns

    def now_ns(self) -> int:
        """Return the steady time."""
        return self._pace.now_ns()

    def from_stamp(self, stamp: Time) -> int:
        """Return the steady time in [ns] of a message's stamp."""
        return stamp_to_ns(stamp) + self.offset_ns()

    def to_stamp(self, steady_ns: int) -> Time:
        """Return a steady time in [ns] as a stamp."""
        return ns_to_stamp(steady_ns - self.offset_ns())


def stamp_to_ns(stamp: Time) -> int:
    """Return a stamp in nanoseconds."""
    return int(stamp.sec) * NS_PER_S + int(stamp.nanosec)


def ns_to_stamp(time_ns: int) -> Time:
    """Return nanoseconds as a stamp."""
    return Time(sec=time_ns // NS_PER_S, nanosec=time_ns % NS_PER_S)


def problem_of_names(names: Sequence[str], joints: Sequence[str]) -> str:
    """Return what keeps a message's columns from being mapped to joints; empty where nothing."""
    if missing := [joint for joint in joints if joint not in names]:
        return f"lacks {', '.join(missing)}"
    if repeated := [joint for joint in joints if names.count(joint) > 1]:
        return f"names {', '.join(repeated)} more than once"
    return ""


class JointReader:
    """Reads joint states by name, whatever order and whatever other joints a robot sends."""

    def __init__(self, joints: Sequence[str]) -> None:
        self._joints = tuple(joints)
        self._names: list[str] | None = None
        self._columns: list[int] = []

    def read(self, message: JointState) -> Array:
        """Return the positions in [rad] and [m]. Shape (nu,).

        Raises:
            ObservationError: If a joint is missing or named twice, or a position is not finite.
        """
        if message.name != self._names:
            if problem := problem_of_names(message.name, self._joints):
                raise ObservationError(f"joint_states {problem}")
            self._names = list(message.name)
            self._columns = [self._names.index(joint) for joint in self._joints]
        if len(message.position) != len(message.name):
            raise ObservationError(
                f"joint_states has {len(message.position)} positions for {len(message.name)} names"
            )
        positions = np.frombuffer(message.position, dtype=np.float64)[self._columns]
        if not np.isfinite(positions).all():
            joint = self._joints[int(np.argmin(np.isfinite(positions)))]
            raise ObservationError(f"joint_states is not finite for {joint}")
        return positions


def image_message(image: Image, camera: str, stamp: Time) -> ImageMessage:
    """Return pixels, rgb8, as a message in the camera's optical frame."""
    message = ImageMessage(height=image.shape[0], width=image.shape[1], encoding="rgb8")
    message.header.stamp, message.header.frame_id = stamp, f"{camera}_optical_frame"
    message.step = 3 * image.shape[1]
    message.data = array("B")
    message.data.frombytes(np.ascontiguousarray(image).data)
    return message


def command_message(positions: Array) -> Float64MultiArray:
    """Return positions as the message a forward command controller takes."""
    return Float64MultiArray(data=array("d", positions.tobytes()))


def chunk_message(chunk: ActionChunk, joints: Sequence[str], clock: SteadyClock) -> JointTrajectory:
    """Return a chunk as a trajectory.

    The stamp is that of the observation. The frame id, which a joint trajectory does not use,
    carries the stamp of the newest picture of each camera, so that whoever commands can tell
    their age.
    """
    offset_ns = clock.offset_ns()
    message = JointTrajectory(joint_names=list(joints))
    message.header.stamp = ns_to_stamp(chunk.stamp_ns - offset_ns)
    if chunk.image_stamps_ns:
        stamps = ",".join(str(stamp_ns - offset_ns) for stamp_ns in chunk.image_stamps_ns)
        message.header.frame_id = IMAGE_STAMPS_PREFIX + stamps
    message.points = [
        JointTrajectoryPoint(
            positions=array("d", row.tobytes()), time_from_start=_duration(due_ns - chunk.stamp_ns)
        )
        for row, due_ns in zip(chunk.positions, chunk.due_ns.tolist(), strict=True)
    ]
    return message


def _duration(time_ns: int) -> Duration:
    return Duration(sec=time_ns // NS_PER_S, nanosec=time_ns % NS_PER_S)


def chunk_of(message: JointTrajectory, joints: Sequence[str], clock: SteadyClock) -> ActionChunk:
    """Return a trajectory as a chunk on the steady clock, its columns in the order of `joints`.

    A stamp of zero means that the trajectory starts now, as everywhere in ROS.

    Raises:
        CommandError: If joints are missing or named twice, or points or positions are missing.
    """
    if problem := problem_of_names(message.joint_names, joints):
        raise CommandError(f"a chunk {problem}")
    if not message.points:
        raise CommandError("a chunk has no points")
    nu = len(message.joint_names)
    if any(len(point.positions) != nu for point in message.points):
        raise CommandError(f"a point of a chunk does not have {nu} positions")
    offset_ns = clock.offset_ns()
    stamped_ns = stamp_to_ns(message.header.stamp)
    stamp_ns = stamped_ns + offset_ns if stamped_ns else clock.now_ns()
    due_ns = [stamp_ns + stamp_to_ns(point.time_from_start) for point in message.points]
    stamps = IMAGE_STAMPS.fullmatch(message.header.frame_id)
    positions = np.array([point.positions for point in message.points], dtype=np.float64)
    return ActionChunk(
        positions=positions[:, [message.joint_names.index(joint) for joint in joints]],
        due_ns=np.array(due_ns, dtype=np.int64),
        stamp_ns=stamp_ns,
        image_stamps_ns=tuple(int(ns) + offset_ns for ns in stamps[1].split(",")) if stamps else (),
    )
