"""Conversion of messages to the types of `dbp_ros.types` and back, with all checks."""

import math
from array import array
from collections.abc import Sequence

import numpy as np
from builtin_interfaces.msg import Duration, Time
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import Image as ImageMessage
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from dbp_ros.errors import CommandError, ObservationError
from dbp_ros.nodes.cdr import UNREADABLE, CachedNames, CdrReader, TrajectoryWriter
from dbp_ros.nodes.steady_clock import SteadyClock
from dbp_ros.sensing.joint_states import JointLayout, JointReadings
from dbp_ros.types import NS_PER_S, ActionChunk, Array, Image

# Publishers of joint states with different joint names.
MAX_LAYOUTS = 8


def problem_of_names(names: Sequence[str], joints: Sequence[str]) -> str:
    """Return why a message's columns cannot be mapped to joints; empty if they can."""
    if missing := [joint for joint in joints if joint not in names]:
        return f"lacks {', '.join(missing)}"
    if repeated := [joint for joint in joints if names.count(joint) > 1]:
        return f"names {', '.join(repeated)} more than once"
    return ""


class JointMapping:
    """Mapping of a message's joints to the robot's, cached while the names repeat.

    Attributes:
        names: Joints of the last message.
        problem: Why they cannot be mapped; empty if they can.
        indices: Column of each joint of the robot, in its order; empty if there is a problem.
    """

    def __init__(self, joints: Sequence[str]) -> None:
        self._joints = tuple(joints)
        self._known = CachedNames()
        self.names: tuple[str, ...] | None = None
        self.problem = ""
        self.indices: list[int] = []

    def read(self, reader: CdrReader) -> int:
        """Read the names at the position of a reader; return their number."""
        names = reader.names(self._known)
        if names is not self.names:
            self.names, self.problem = names, problem_of_names(names, self._joints)
            self.indices = [] if self.problem else [names.index(joint) for joint in self._joints]
        return len(names)


class JointReader:
    """Reader of joint states by name; a message may hold some of the joints, in any order."""

    def __init__(self, joints: Sequence[str]) -> None:
        self._joints = tuple(joints)
        self._known: list[CachedNames] = []
        self._layouts: list[tuple[CachedNames, JointLayout]] = []

    def read(self, message: bytes) -> JointReadings | None:
        """Return the positions of the robot's joints, or None if a message has none.

        Args:
            message: Serialised `sensor_msgs/msg/JointState`.

        Raises:
            ObservationError: If the message cannot be read, names a joint twice, or a position of
                the robot's joints is missing or not finite.
        """
        try:
            reader = CdrReader(message)
            stamp_ns = reader.header()
            names = reader.names_from(self._known, MAX_LAYOUTS)
            positions = reader.doubles()
        except UNREADABLE as error:
            raise ObservationError(f"joint_states cannot be read: {error}") from error
        return self._layout_of(names).readings(positions, stamp_ns)

    def _layout_of(self, names: CachedNames) -> JointLayout:
        for known, layout in self._layouts:
            if known is names:
                return layout
        layout = JointLayout(names.names, self._joints)
        self._layouts = [*self._layouts[1 - MAX_LAYOUTS :], (names, layout)]
        return layout


class ChunkReader:
    """Reader of trajectories as chunks on the steady clock; joints may be in any order."""

    def __init__(self, joints: Sequence[str], clock: SteadyClock) -> None:
        """Prepare.

        Args:
            joints: Joints of the chunks, in order.
            clock: Converts stamps to steady time.
        """
        self._mapping = JointMapping(joints)
        self._clock = clock

    def read(self, message: bytes) -> ActionChunk:
        """Return a trajectory as a chunk; a stamp of zero means now, as in ros2_control.

        `time_from_start` is on the ROS clock: in a simulator slower than real time the points are
        due later on the steady clock.

        Args:
            message: Serialised `trajectory_msgs/msg/JointTrajectory`.

        Raises:
            CommandError: If joints are missing or named twice, or points or positions are missing.
        """
        try:
            reader = CdrReader(message)
            stamped_ns = reader.header()
            count = self._mapping.read(reader)
            if self._mapping.problem:
                raise CommandError(f"a chunk {self._mapping.problem}")
            positions, from_start_ns = reader.points(count)
        except UNREADABLE as error:
            raise CommandError(f"a chunk cannot be read: {error}") from error
        if not len(positions):
            raise CommandError("a chunk has no points")
        clocks = self._clock.current()
        stamp_ns = clocks.steady_ns(stamped_ns) if stamped_ns else self._clock.now_ns()
        return ActionChunk(
            positions=positions[:, self._mapping.indices].astype(np.float64, copy=False),
            due_ns=stamp_ns + clocks.steady_durations_ns(from_start_ns),
            stamp_ns=stamp_ns,
            slowdown=clocks.slowdown,
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
    """Serialiser of chunks as trajectories, stamped with the time of the observation.

    `ImageStampsWriter` publishes the image stamps on a topic of their own.
    """

    def __init__(self, joints: Sequence[str], clock: SteadyClock) -> None:
        """Prepare.

        Args:
            joints: Joints of the chunks, in order.
            clock: Converts steady time to stamps.
        """
        self._writer = TrajectoryWriter(joints)
        self._clock = clock

    def write(self, chunk: ActionChunk) -> bytes:
        """Return a serialised `trajectory_msgs/msg/JointTrajectory`."""
        clocks = self._clock.current()
        return self._writer.write(
            clocks.ros_ns(chunk.stamp_ns),
            chunk.positions,
            clocks.ros_durations_ns(chunk.due_ns - chunk.stamp_ns),
        )


def trajectory_message(joints: Sequence[str], times_s: Array, positions: Array) -> JointTrajectory:
    """Return a trajectory with stamp zero, which means now.

    Args:
        joints: Names of the columns of the positions.
        times_s: Times of the points after the stamp, in [s]. Shape (n,).
        positions: In [rad] and [m]. Shape (n, number of joints).
    """
    message = JointTrajectory(joint_names=list(joints))
    for time_s, point in zip(times_s, positions, strict=True):
        seconds, nanoseconds = divmod(round(NS_PER_S * time_s), NS_PER_S)
        message.points.append(
            JointTrajectoryPoint(
                positions=array("d", point.tobytes()),
                time_from_start=Duration(sec=seconds, nanosec=nanoseconds),
            )
        )
    return message


def camera_info_message(image: ImageMessage, vertical_fov_deg: float, aspect: float) -> CameraInfo:
    """Return the intrinsics of a pinhole camera without distortion.

    Args:
        image: Image of the camera, with its size, stamp and frame.
        vertical_fov_deg: Vertical field of view.
        aspect: Width of the view divided by its height, that of the image for square pixels.
    """
    half_height = math.tan(math.radians(vertical_fov_deg) / 2.0)
    focal_x = 0.5 * image.width / (aspect * half_height)
    focal_y = 0.5 * image.height / half_height
    centre_x, centre_y = image.width / 2.0, image.height / 2.0
    message = CameraInfo(header=image.header, height=image.height, width=image.width)
    message.distortion_model, message.d = "plumb_bob", [0.0] * 5
    message.k = [focal_x, 0.0, centre_x, 0.0, focal_y, centre_y, 0.0, 0.0, 1.0]
    message.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    message.p = [focal_x, 0.0, centre_x, 0.0, 0.0, focal_y, centre_y, 0.0, 0.0, 0.0, 1.0, 0.0]
    return message
