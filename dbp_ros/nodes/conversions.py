"""Messages to the contract and back. Every field of every message is checked here, once."""

import re
from array import array
from collections.abc import Sequence

import numpy as np
from builtin_interfaces.msg import Time
from rclpy.clock import Clock, ROSClock
from sensor_msgs.msg import Image as ImageMessage

from dbp_ros.contract import NS_PER_S, ActionChunk, Array, Image
from dbp_ros.errors import CommandError, ObservationError
from dbp_ros.nodes.wire import UNREADABLE, Names, Reader, TrajectoryWriter
from dbp_ros.pace import Pace
from dbp_ros.stamps import NO_CLOCK_NS, UNSTAMPED_NS

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
        self._offset_ns = self._undisturbed_ns()

    def offset_ns(self) -> int:
        """Return what to add to a ROS time to get the steady time."""
        apart_ns = self._measure()[1] - self._offset_ns
        if self._may_be_simulated and self._ros_clock.ros_time_is_active:
            if apart_ns < 0 or apart_ns > SIMULATED_APART_NS:
                self._offset_ns += apart_ns
        elif abs(apart_ns) > CLOCKS_APART_NS:
            offset_ns = self._undisturbed_ns()
            if abs(offset_ns - self._offset_ns) > CLOCKS_APART_NS:
                self._offset_ns = offset_ns
        return self._offset_ns

    def _undisturbed_ns(self) -> int:
        """Return the offset; this thread may be interrupted between the two clocks at times."""
        return min(self._measure() for _ in range(3))[1]

    def _measure(self) -> tuple[int, int]:
        """Return how long it took, and an offset in [ns], too large by as much at most."""
        before_ns = self._pace.now_ns()
        ros_ns = int(self._ros_clock.now().nanoseconds)
        after_ns = self._pace.now_ns()
        return after_ns - before_ns, after_ns - ros_ns

    def now_ns(self) -> int:
        """Return the steady time."""
        return self._pace.now_ns()

    def steady_ns(self, stamp_ns: int) -> int:
        """Return a stamp on the steady clock; `dbp_ros.stamps` names those that have no time.

        Args:
            stamp_ns: Stamp of a message, on the ROS clock.
        """
        if stamp_ns == 0:
            return UNSTAMPED_NS
        if self._may_be_simulated and not self._ros_clock.now().nanoseconds:
            return NO_CLOCK_NS
        return stamp_ns + self.offset_ns()

    def to_stamp(self, steady_ns: int) -> Time:
        """Return a steady time in [ns] as a stamp."""
        return ns_to_stamp(steady_ns - self.offset_ns())


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


class Columns:
    """Where our joints are in messages that name theirs, mostly the same in the same order.

    Attributes:
        names: The joints of the last message.
        problem: What keeps its columns from being mapped to ours; empty where nothing.
        ours: The columns of our joints, in our order; empty where there is a problem.
    """

    def __init__(self, joints: Sequence[str]) -> None:
        self._joints = tuple(joints)
        self._known = Names()
        self.names: tuple[str, ...] | None = None
        self.problem = ""
        self.ours: list[int] = []

    def read(self, reader: Reader) -> int:
        """Read the names that are next in a message; return how many there are."""
        names = reader.names(self._known)
        if names is not self.names:
            self.names, self.problem = names, problem_of_names(names, self._joints)
            self.ours = [] if self.problem else [names.index(joint) for joint in self._joints]
        return len(names)


class JointReader:
    """Reads joint states by name, whatever order and whatever other joints a robot sends."""

    def __init__(self, joints: Sequence[str]) -> None:
        self._joints = tuple(joints)
        self._columns = Columns(joints)

    def read(self, message: bytes) -> tuple[Array, int]:
        """Return the positions in [rad] and [m], shape (nu,), and their stamp in [ns].

        Args:
            message: The bytes of a `sensor_msgs/msg/JointState`.

        Raises:
            ObservationError: If a joint is missing or named twice, or a position is not finite.
        """
        try:
            reader = Reader(message)
            stamp_ns = reader.header()
            count = self._columns.read(reader)
            positions = reader.doubles()
        except UNREADABLE as error:
            raise ObservationError(f"joint_states cannot be read: {error}") from error
        if self._columns.problem:
            raise ObservationError(f"joint_states {self._columns.problem}")
        if len(positions) != count:
            raise ObservationError(f"joint_states has {len(positions)} positions for {count} names")
        ours = positions[self._columns.ours].astype(np.float64, copy=False)
        if not np.isfinite(ours).all():
            joint = self._joints[int(np.argmin(np.isfinite(ours)))]
            raise ObservationError(f"joint_states is not finite for {joint}")
        return ours, stamp_ns


class ChunkReader:
    """Reads trajectories as chunks on the steady clock, whatever order their joints come in."""

    def __init__(self, joints: Sequence[str], clock: SteadyClock) -> None:
        """Prepare.

        Args:
            joints: Whose positions a chunk has, in this order.
            clock: Gives the steady time of a stamp.
        """
        self._columns = Columns(joints)
        self._clock = clock

    def read(self, message: bytes) -> ActionChunk:
        """Return a trajectory as a chunk; a stamp of zero means now, as everywhere in ROS.

        Args:
            message: The bytes of a `trajectory_msgs/msg/JointTrajectory`.

        Raises:
            CommandError: If joints are missing or named twice, or points or positions are missing.
        """
        try:
            reader = Reader(message)
            stamped_ns, frame_id = reader.time(), reader.text()
            count = self._columns.read(reader)
            if self._columns.problem:
                raise CommandError(f"a chunk {self._columns.problem}")
            positions, from_start_ns = reader.points(count)
        except UNREADABLE as error:
            raise CommandError(f"a chunk cannot be read: {error}") from error
        if not len(positions):
            raise CommandError("a chunk has no points")
        offset_ns = self._clock.offset_ns()
        stamp_ns = stamped_ns + offset_ns if stamped_ns else self._clock.now_ns()
        stamps = IMAGE_STAMPS.fullmatch(frame_id)
        return ActionChunk(
            positions=positions[:, self._columns.ours].astype(np.float64, copy=False),
            due_ns=stamp_ns + from_start_ns,
            stamp_ns=stamp_ns,
            image_stamps_ns=tuple(int(ns) + offset_ns for ns in stamps[1].split(","))
            if stamps
            else (),
        )


def image_message(image: Image, camera: str, stamp: Time) -> ImageMessage:
    """Return pixels, rgb8, as a message in the camera's optical frame."""
    message = ImageMessage(height=image.shape[0], width=image.shape[1], encoding="rgb8")
    message.header.stamp, message.header.frame_id = stamp, f"{camera}_optical_frame"
    message.step = 3 * image.shape[1]
    message.data = array("B")
    message.data.frombytes(np.ascontiguousarray(image).data)
    return message


class ChunkWriter:
    """Writes chunks as trajectories.

    The stamp is that of the observation. The frame id, which a joint trajectory does not use,
    carries the stamp of the newest picture of each camera, so that whoever commands can tell
    their age.
    """

    def __init__(self, joints: Sequence[str], clock: SteadyClock) -> None:
        """Prepare.

        Args:
            joints: Those of the chunks, in their order.
            clock: Gives the stamp of a steady time.
        """
        self._writer = TrajectoryWriter(joints)
        self._clock = clock

    def write(self, chunk: ActionChunk) -> bytes:
        """Return the bytes of a `trajectory_msgs/msg/JointTrajectory`."""
        offset_ns = self._clock.offset_ns()
        stamps = ",".join(str(stamp_ns - offset_ns) for stamp_ns in chunk.image_stamps_ns)
        return self._writer.write(
            chunk.stamp_ns - offset_ns,
            IMAGE_STAMPS_PREFIX + stamps if stamps else "",
            chunk.positions,
            chunk.due_ns - chunk.stamp_ns,
        )
