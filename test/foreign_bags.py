"""Recordings of rosbag2 with sinusoidal numbers, written with the library of the format."""

import io
import math
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from mcap.writer import Writer as McapWriter
from PIL import Image as PilImage
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

TYPES = get_typestore(Stores.ROS2_JAZZY)
START_NS = 1_700_000_000_000_000_000
SECOND_NS = 1_000_000_000
STEP_NS = SECOND_NS // 30
# Time from a stamp to the arrival of its message.
DELAY_NS = 2_000_000
# Description of the robot.
ROBOT = """
name: cell
urdf: cell.urdf
arms:
  left: {base: a, tip: b, joints: [left_elbow_joint, left_wrist_joint], controller: left_controller}
  right: {base: a, tip: d, joints: [right_elbow_joint], controller: right_controller}
command_rate_hz: 100.0
joint_limits:
  left_elbow_joint: &limits
    {min_position: -1, max_position: 1, max_velocity: 1, max_acceleration: 1,
     max_tracking_error: 1}
  left_wrist_joint: *limits
  right_elbow_joint: *limits
home: {left_elbow_joint: 0, left_wrist_joint: 0, right_elbow_joint: 0}
home_speed: 0.2
collision_capsules: {}
cameras:
  head_camera: {}
"""
URDF = """<robot name="cell"><link name="a"/><link name="b"/><link name="c"/><link name="d"/>
{}</robot>"""
URDF_JOINT = """<joint name="{}" type="revolute"><parent link="{}"/><child link="{}"/>
<axis xyz="0 0 1"/><origin xyz="0.3 0 0"/>
<limit lower="-1" upper="1" velocity="1" effort="1"/></joint>"""
LINKS = {"left_elbow_joint": "ac", "left_wrist_joint": "cb", "right_elbow_joint": "ad"}
ARMS = {"left": ("left_elbow_joint", "left_wrist_joint"), "right": ("right_elbow_joint",)}
JOINTS = (*ARMS["left"], *ARMS["right"])
CAMERA = "/head_camera/image_raw"
SIZE = (24, 32)

Message = tuple[str, str, int, Any]


def write_robot(folder: Path) -> Path:
    """Write the description of the robot and its URDF."""
    joints = "".join(URDF_JOINT.format(name, *links) for name, links in LINKS.items())
    (folder / "cell.urdf").write_text(URDF.format(joints))
    (folder / "cell.yaml").write_text(ROBOT)
    return folder / "cell.yaml"


def position(joint: str, stamp_ns: int) -> float:
    """Return the sinusoidal position of a joint."""
    return 0.4 * math.sin(2.0 * (stamp_ns - START_NS) / SECOND_NS + JOINTS.index(joint))


def command(joint: str, stamp_ns: int) -> float:
    return position(joint, stamp_ns) + 0.125


def header(stamp_ns: int) -> Any:
    types = TYPES.types
    stamp = types["builtin_interfaces/msg/Time"](*divmod(stamp_ns, SECOND_NS))
    return types["std_msgs/msg/Header"](stamp, "base")


def joint_state(joints: Sequence[str], positions: Sequence[float], stamp_ns: int) -> Any:
    none = np.zeros(0)
    kind = TYPES.types["sensor_msgs/msg/JointState"]
    return kind(header(stamp_ns), list(joints), np.array(positions, np.float64), none, none)


def pixels(index: int) -> np.ndarray:
    return np.full((*SIZE, 3), index, np.uint8)


def raw_image(index: int, stamp_ns: int, encoding: str = "rgb8") -> Any:
    kind, (height, width) = TYPES.types["sensor_msgs/msg/Image"], SIZE
    data = pixels(index).reshape(-1)
    return kind(header(stamp_ns), height, width, encoding, 0, 3 * width, data)


def png_image(index: int, stamp_ns: int) -> Any:
    buffer = io.BytesIO()
    PilImage.fromarray(pixels(index)).save(buffer, "PNG")
    kind = TYPES.types["sensor_msgs/msg/CompressedImage"]
    return kind(header(stamp_ns), "png", np.frombuffer(buffer.getvalue(), np.uint8))


def floats(values: Sequence[float]) -> Any:
    layout = TYPES.types["std_msgs/msg/MultiArrayLayout"]([], 0)
    return TYPES.types["std_msgs/msg/Float64MultiArray"](layout, np.array(values, np.float64))


def trajectory(
    joints: Sequence[str], points: Sequence[Sequence[float]], step_ns: int, stamp_ns: int
) -> Any:
    none, duration = np.zeros(0), TYPES.types["builtin_interfaces/msg/Duration"]
    point = TYPES.types["trajectory_msgs/msg/JointTrajectoryPoint"]
    made = [
        point(np.array(values), none, none, none, duration(*divmod(k * step_ns, SECOND_NS)))
        for k, values in enumerate(points, 1)
    ]
    kind = TYPES.types["trajectory_msgs/msg/JointTrajectory"]
    return kind(header(stamp_ns), list(joints), made)


@dataclass
class Robot:
    """Topics of a robot with two arms and a camera.

    Attributes:
        steps: Duration in steps of 1/30 s.
        compressed: Whether the images are PNG files on the compressed topic.
        commands: Whether the commands of both controllers were recorded.
        leader: Whether joint states of a leading arm were recorded.
        trajectories: Whether trajectories of all joints were recorded.
        drop: Returns whether a message was lost, by its topic and stamp.
        clock_ns: Returns the error of the clock of a topic at a time.
    """

    steps: int = 60
    compressed: bool = False
    commands: bool = False
    leader: bool = False
    trajectories: bool = False
    drop: Callable[[str, int], bool] = lambda topic, stamp_ns: False
    clock_ns: Callable[[str, int], int] = lambda topic, stamp_ns: 0
    extra: list[Message] = field(default_factory=list)

    def messages(self) -> list[Message]:
        """Return topic, type, arrival and message, in order of arrival."""
        made = [*self._streams(), *self.extra]
        kept_back = [one for one in made if not self.drop(one[0], one[2] - DELAY_NS)]
        return sorted(kept_back, key=lambda message: message[2])

    def _streams(self) -> Iterator[Message]:
        end_ns = START_NS + self.steps * STEP_NS
        for stamp_ns in range(START_NS, end_ns, SECOND_NS // 100):
            yield from self._at(stamp_ns)
        for index, stamp_ns in enumerate(range(START_NS, end_ns, STEP_NS)):
            stamped_ns = stamp_ns + self.clock_ns(CAMERA, stamp_ns)
            if self.compressed:
                topic, kind = f"{CAMERA}/compressed", "sensor_msgs/msg/CompressedImage"
                yield topic, kind, stamp_ns + DELAY_NS, png_image(index, stamped_ns)
            else:
                image = raw_image(index, stamped_ns)
                yield CAMERA, "sensor_msgs/msg/Image", stamp_ns + DELAY_NS, image

    def _at(self, stamp_ns: int) -> Iterator[Message]:
        arrival_ns, kind = stamp_ns + DELAY_NS, "sensor_msgs/msg/JointState"
        for arm, joints in ARMS.items():
            topic = f"/{arm}/joint_states"
            stamped_ns = stamp_ns + self.clock_ns(topic, stamp_ns)
            positions = [position(joint, stamp_ns) for joint in joints]
            yield topic, kind, arrival_ns, joint_state(joints, positions, stamped_ns)
            targets = [command(joint, stamp_ns) for joint in joints]
            if self.commands:
                array = "std_msgs/msg/Float64MultiArray"
                yield f"/{arm}_controller/commands", array, arrival_ns, floats(targets)
        if self.leader:
            targets = [command(joint, stamp_ns) for joint in JOINTS]
            yield "/leader/joint_states", kind, arrival_ns, joint_state(JOINTS, targets, stamp_ns)
        if self.trajectories and (stamp_ns - START_NS) % (SECOND_NS // 10) == 0:
            times = [stamp_ns + k * STEP_NS for k in range(1, 9)]
            points = [[command(joint, ns) for joint in JOINTS] for ns in times]
            kind = "trajectory_msgs/msg/JointTrajectory"
            message = trajectory(JOINTS, points, STEP_NS, stamp_ns)
            yield "/arms/joint_trajectory", kind, arrival_ns, message


def write_bag(
    folder: Path,
    messages: Sequence[Message],
    storage: StoragePlugin = StoragePlugin.MCAP,
    compression: CompressionMode = CompressionMode.NONE,
) -> Path:
    """Write a bag folder of rosbag2."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    writer = Writer(folder, version=9, storage_plugin=storage)
    if compression is not CompressionMode.NONE:
        writer.set_compression(compression, CompressionFormat.ZSTD)
    with writer:
        connections = {}
        for topic, kind, arrival_ns, message in messages:
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=TYPES)
            data = TYPES.serialize_cdr(message, kind)
            writer.write(connections[topic], arrival_ns, data)
    return folder


def write_split_bag(folder: Path, messages: Sequence[Message], storage: StoragePlugin) -> Path:
    """Write a bag of two files, as `ros2 bag record --max-bag-duration` does."""
    half = len(messages) // 2
    parts = [messages[:half], messages[half:]]
    names = []
    for number, part in enumerate(parts):
        written = write_bag(folder.with_name(f"{folder.name}_{number}"), part, storage)
        (file,) = (path for path in written.iterdir() if path.suffix != ".yaml")
        folder.mkdir(exist_ok=True)
        names.append(f"{folder.name}_{number}{file.suffix}")
        shutil.move(file, folder / names[-1])
        description = yaml.safe_load((written / "metadata.yaml").read_text())
        shutil.rmtree(written)
    description["rosbag2_bagfile_information"]["relative_file_paths"] = names
    (folder / "metadata.yaml").write_text(yaml.safe_dump(description))
    return folder


def write_mcap(path: Path, messages: Sequence[Message], *arguments: Any, **options: Any) -> Path:
    """Write one MCAP file with definitions of ROS 2; see `mcap.writer.Writer` for the options."""
    with path.open("wb") as file:
        writer = McapWriter(file, 1 << 16, *arguments, **options)
        writer.start(profile="ros2")
        channels: dict[str, int] = {}
        for topic, kind, arrival_ns, message in messages:
            if topic not in channels:
                definition = TYPES.generate_msgdef(kind, ros_version=2)[0].encode()
                schema = writer.register_schema(kind, "ros2msg", definition)
                channels[topic] = writer.register_channel(topic, "cdr", schema)
            data = bytes(TYPES.serialize_cdr(message, kind))
            writer.add_message(channels[topic], arrival_ns, data, arrival_ns)
        writer.finish()
    return path


def write_old_database(path: Path, messages: Sequence[Message]) -> Path:
    """Write one .db3 file as ROS 2 Foxy does, without message definitions."""
    database = sqlite3.connect(path)
    database.executescript(
        """
        CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL,
                            serialization_format TEXT NOT NULL, offered_qos_profiles TEXT NOT NULL);
        CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL,
                              timestamp INTEGER NOT NULL, data BLOB NOT NULL);
        """
    )
    numbers: dict[str, int] = {}
    for topic, kind, arrival_ns, message in messages:
        if topic not in numbers:
            numbers[topic] = len(numbers) + 1
            row = (numbers[topic], topic, kind, "cdr", "")
            database.execute("INSERT INTO topics VALUES(?, ?, ?, ?, ?)", row)
        data = bytes(TYPES.serialize_cdr(message, kind))
        database.execute(
            "INSERT INTO messages(topic_id, timestamp, data) VALUES(?, ?, ?)",
            (numbers[topic], arrival_ns, data),
        )
    database.commit()
    database.close()
    return path
