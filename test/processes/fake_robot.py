"""Fake robot that follows commands at once, with sensors that can fail."""

import gc
import io
import os
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np
import PIL.Image
from builtin_interfaces.msg import Time
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import Float64MultiArray, String
from std_srvs.srv import SetBool, Trigger

from dbp_ros.nodes.conversions import image_message
from dbp_ros.nodes.qos import LATCHED, SENSOR
from dbp_ros.nodes.steady_clock import ns_to_stamp
from dbp_ros.runtime.rate_loop import RateThread
from dbp_ros.runtime.realtime import running_threads, schedule_process
from dbp_ros.settings.controllers import ControllersConfig
from dbp_ros.settings.guard import GuardConfig

EVERY_COMMAND = 1000
DRIVER_PRIORITY = 30
LOG_BYTES = 4000
# Together with the latency, enough to make joint states stale.
SILENT_NS = 30_000_000
# Runs a process at ordinary priority. Until its start it inherits real-time priority, as its parent
# blocks on it.
ORDINARY = ("chrt", "--other", "0")
CAMERA = "head_camera"
CONFIG = GuardConfig()
PERIOD_S = 1 / CONFIG.command_rate_hz
SPEED_RAD_S = 0.5
MOVING = 0.3 * SPEED_RAD_S * PERIOD_S


class FakeRobot(Node):
    """Fake robot that publishes joint states at 250 Hz and images at 30 Hz and records commands."""

    def __init__(self) -> None:
        super().__init__("robot")
        config = ControllersConfig()
        self.joints = list(config.joints)
        self.positions = np.full(len(self.joints), 0.04)
        # Arrival and positions of all joints, whenever the last controller gets a command.
        self.commands: list[tuple[int, np.ndarray]] = []
        # Arrivals and positions of each controller's joints; messages of two controllers may be
        # taken in another order than they were sent in.
        self.received: dict[str, list[tuple[int, np.ndarray]]] = {c: [] for c in config.controllers}
        # Gaps in its own joint states, which explain holds of the guard.
        self.silences_s: list[float] = []
        self._measured_ns = time.monotonic_ns()
        self.states: dict[str, str] = {}
        self.camera = "live"
        self.brightness: int | None = None
        self.measures = True
        # Returns the stamps of images in [ns]; None for system time.
        self.unusual_stamp_ns: Callable[[], int] | None = None
        self._rng = np.random.default_rng(0)
        self._image = self._rng.integers(0, 256, (8, 12, 3), np.uint8)
        self._joint_states = self.create_publisher(JointState, "joint_states", SENSOR)
        self._images = self.create_publisher(Image, f"{CAMERA}/image_raw", SENSOR)
        self._files = self.create_publisher(
            CompressedImage, f"{CAMERA}/image_raw/compressed", SENSOR
        )
        self.file_format = ""
        for name, part in zip(config.controllers, config.controller_slices(), strict=True):
            self.create_subscription(
                Float64MultiArray,
                f"{name}/commands",
                partial(self._on_command, name, part),
                EVERY_COMMAND,
            )
        for name in ("guard", "policy", "learner"):
            self.create_subscription(
                String, f"{name}/state", partial(self._on_state, name), LATCHED
            )
        self.loops = [
            RateThread("joints", 250, self._measure),
            RateThread("camera", 30, self._capture),
        ]

    def _on_command(self, name: str, part: slice, message: Float64MultiArray) -> None:
        self.positions[part] = message.data
        arrival_ns = time.monotonic_ns()
        self.received[name].append((arrival_ns, self.positions[part].copy()))
        if part.stop == len(self.positions):
            self.commands.append((arrival_ns, self.positions.copy()))

    def _on_state(self, name: str, message: String) -> None:
        self.states[name] = message.data

    def _measure(self, now_ns: int) -> None:
        last_ns, self._measured_ns = self._measured_ns, now_ns
        if now_ns - last_ns > SILENT_NS:
            self.silences_s.append((now_ns - last_ns) / 1e9)
        if self.measures:
            # The test may remove a joint at any time.
            names = list(self.joints)
            columns = [CONFIG.joints.index(name) for name in names]
            message = JointState(name=names)
            message.header.stamp = self.stamp()
            message.position = array("d", self.positions[columns].tobytes())
            self._joint_states.publish(message)

    def stamp(self, of_image: bool = False) -> Time:
        """Return the present stamp for joint states, or for an image."""
        time_ns = time.time_ns() if self.unusual_stamp_ns is None else self.unusual_stamp_ns()
        return ns_to_stamp(time_ns if of_image else time.time_ns())

    def _capture(self, _: int) -> None:
        if self.camera == "live":
            self._image = self._rng.integers(0, 256, (8, 12, 3), np.uint8)
        if self.brightness is not None:
            self._image = np.full_like(self._image, self.brightness)
        if self.camera != "off":
            stamp = self.stamp(of_image=True)
            self._images.publish(image_message(self._image, CAMERA, stamp))
            if self.file_format:
                message = CompressedImage(format=self.file_format)
                message.header.stamp, message.data = stamp, png_of(self._image)
                self._files.publish(message)

    def call_service(self, service: str, data: bool | None = None) -> tuple[bool, str]:
        """Call a SetBool service, or a Trigger service without data."""
        kind = Trigger if data is None else SetBool
        client = self.create_client(kind, service)
        assert client.wait_for_service(timeout_sec=60.0), f"no node offers {service}"
        request = kind.Request() if data is None else kind.Request(data=data)
        future = client.call_async(request)
        wait_until(future.done, f"the response of {service}")
        return future.result().success, future.result().message

    def change(self, transition: int) -> None:
        """Perform a lifecycle transition of the policy."""
        client = self.create_client(ChangeState, "policy/change_state")
        assert client.wait_for_service(timeout_sec=60.0)
        request = ChangeState.Request(transition=Transition(id=transition))
        future = client.call_async(request)
        wait_until(future.done, f"transition {transition}")
        assert future.result().success, f"transition {transition} failed"

    def wait_for_state(self, name: str, words: str) -> None:
        """Wait until the state of a node has some words."""
        wait_until(
            lambda: words in self.states.get(name, ""),
            f"{name} to publish {words!r}",
            lambda: str(self.states),
        )


def png_of(image: np.ndarray) -> bytes:
    """Return an image as a PNG file."""
    file = io.BytesIO()
    PIL.Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def wait_until(condition, what: str, found=lambda: "", limit_s: float = 60.0) -> None:
    """Wait until a condition holds, and fail if it does not in time."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {limit_s:g} s for {what}; {found()}"
        time.sleep(0.01)


@contextmanager
def process(
    module: str, *, remaps: Sequence[str] = (), **parameters: object
) -> Iterator[subprocess.Popen[str]]:
    """Run a node as a process, in its own group, until the end of the block."""
    words = [word for key, value in parameters.items() for word in ("-p", f"{key}:={value}")]
    words += [word for rule in remaps for word in ("-r", rule)]
    command = [*ORDINARY, sys.executable, "-m", f"dbp_ros.nodes.{module}", "--ros-args", *words]
    # A pipe without a reader would fill up and block the process.
    with tempfile.TemporaryFile("w+") as log:
        child = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        try:
            yield child
        finally:
            child.terminate()
            child.wait(timeout=20)
            log.seek(0)
            print(f"{module}:\n{log.read()[-LOG_BYTES:]}")


@contextmanager
def driving_in_real_time() -> Iterator[None]:
    """Schedule all threads of this process with the priority of a robot driver, if permitted.

    Garbage collection, which blocks all threads, is off in the block.
    """
    gc.collect()
    gc.freeze()
    gc.disable()
    threads = running_threads()
    schedule_process(DRIVER_PRIORITY)
    try:
        yield
    finally:
        for thread in threads & running_threads():
            os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))
        gc.enable()
        gc.unfreeze()


def moves(robot: FakeRobot) -> bool:
    """Whether the last commands moved both arms."""
    if len(robot.commands) < 10:
        return False
    step = robot.commands[-1][1] - robot.commands[-2][1]
    return bool(abs(step[0]) > MOVING and abs(step[7]) > MOVING)


def rests(robot: FakeRobot) -> bool:
    """Whether commands are published and the last twenty are equal."""
    last = robot.commands[-20:]
    fresh = time.monotonic_ns() - last[-1][0] < 50_000_000
    return fresh and all(np.array_equal(command, last[-1][1]) for _, command in last)


def is_silent(robot: FakeRobot) -> bool:
    """Whether commands came to rest and then ended."""
    (_, before), (last_ns, last) = robot.commands[-2:]
    slow = np.abs(last - before) <= np.array(CONFIG.acceleration_limit) * PERIOD_S**2 + 1e-9
    return bool(slow.all()) and time.monotonic_ns() - last_ns > 100_000_000


def assert_within_limits(robot: FakeRobot, period_s: float = PERIOD_S) -> None:
    """Check all received commands of each controller against the limits."""
    config = ControllersConfig()
    for (name, received), part in zip(
        robot.received.items(), config.controller_slices(), strict=True
    ):
        commands = np.array([command for _, command in received])
        velocity = np.diff(commands, axis=0) / period_s
        acceleration = np.diff(velocity, axis=0) / period_s
        assert len(commands) > 100
        assert (commands <= np.array(CONFIG.position_upper[part]) + 1e-9).all(), f"{name}: too far"
        assert (commands >= np.array(CONFIG.position_lower[part]) - 1e-9).all(), (
            f"{name}: not far enough"
        )
        speed, change = np.abs(velocity), np.abs(acceleration)
        relative = change / np.array(CONFIG.acceleration_limit[part])
        worst, joint = np.unravel_index(np.argmax(relative), relative.shape)
        around = slice(max(0, worst - 2), worst + 6)
        arrivals_ms = np.array([arrival for arrival, _ in received])[around] / 1e6
        about = (
            f"joint {joint} of {name} goes {commands[around, joint]}, "
            f"each {np.diff(arrivals_ms)} ms later"
        )
        assert (speed <= np.array(CONFIG.velocity_limit[part]) + 1e-6).all(), about
        assert (change <= np.array(CONFIG.acceleration_limit[part]) + 1e-3).all(), about
