"""The simulated cell as a process that speaks like a real one.

It publishes joint states and cameras and obeys forward command controllers, which hold their last
command for ever. The physics runs in one thread at real-time pace on the steady clock and takes the
commands between two steps; the cameras have another, one after the other: like real ones they have
the same rate and not the same moment, and each picture is sent as soon as there is one.
"""

import sys
import threading
from array import array
from functools import partial
from itertools import cycle
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Bool, Float64, Float64MultiArray
from std_srvs.srv import Trigger

from dbp_ros.config import CAMERAS, SimulationConfig
from dbp_ros.contract import NS_PER_S
from dbp_ros.latency import Histogram, PeriodRecorder
from dbp_ros.loops import PacedThread
from dbp_ros.nodes import reports
from dbp_ros.nodes.conversions import image_message
from dbp_ros.nodes.parameters import load_settings
from dbp_ros.nodes.process import run_node
from dbp_ros.nodes.qos import COMMAND, LATCHED, SENSOR
from dbp_ros.nodes.steady_clock import SteadyClock, ns_to_stamp
from dbp_ros.nodes.streams import Streams
from dbp_ros.nodes.wire import UNREADABLE, command_of
from dbp_ros.pace import Pace
from dbp_ros.placement import Place
from dbp_ros.realtime import prefer, request_realtime
from dbp_ros.sim.camera import CameraRig, open_cameras
from dbp_ros.sim.enlarge import Enlarger
from dbp_ros.sim.noise import SensorNoise
from dbp_ros.sim.simulation import Simulation
from dbp_ros.trace import Hop, Trace

# Of reward and success: who learns takes the reward just before a decision for that of the last.
JUDGE_RATE_HZ = 60.0
# Of the simulation. Whoever follows `/clock` is late by up to one period.
CLOCK_RATE_HZ = 125.0
# Of the joint states. What was missed for longer is left out.
MOST_BEATS_AT_ONCE = 10
# What a real camera's own hardware does shall not wait for what others compute.
CAMERA_NICENESS = -10


class SimulationNode(Node):  # type: ignore[misc]
    """Wires a `Simulation` to the topics of a dual-arm robot."""

    def __init__(self) -> None:
        super().__init__("simulation")
        self._config = config = load_settings(self, SimulationConfig)
        self._simulation = Simulation(config.task)
        self._seed = config.seed
        self._pace = Pace(config.speed)
        self._clock_topic = (
            self.create_publisher(Clock, "/clock", SENSOR)
            if config.publish_clock or config.speed != 1.0
            else None
        )
        self._lock = threading.Lock()
        self._steady = SteadyClock(self.get_clock())
        self._rig: CameraRig | None = None
        self._steps = max(
            1, round(NS_PER_S / config.joint_state_rate_hz / self._simulation.step_ns)
        )
        self._beats_per_clock = max(1, round(config.joint_state_rate_hz / CLOCK_RATE_HZ))
        self._drawn = (
            config.drawn_height or config.image_height,
            config.drawn_width or config.image_width,
        )
        self._noise = SensorNoise(*self._drawn, config.seed)
        self._enlarge = Enlarger(self._drawn, (config.image_height, config.image_width))
        self._beats = 0
        self._simulated_ns = 0
        self._problem = ""
        self._threads: list[PacedThread] = []
        self._beats_per_judgement = max(1, round(config.joint_state_rate_hz / JUDGE_RATE_HZ))
        self._period = PeriodRecorder(round(NS_PER_S / config.joint_state_rate_hz))
        self._render_time = Histogram()
        self._trace = Trace()
        self._trace.cameras = CAMERAS
        self._turns = cycle(enumerate(CAMERAS))
        self._simulation.reset(self._seed)
        self._targets = self._simulation.positions
        self._joint_states = self.create_publisher(JointState, "joint_states", SENSOR)
        self._cameras = {
            name: self.create_publisher(Image, f"{name}/image_raw", SENSOR) for name in CAMERAS
        }
        self._reward = self.create_publisher(Float64, "reward", COMMAND)
        self._success = self.create_publisher(Bool, "success", LATCHED)
        streams = Streams(self)
        for name, part in zip(config.controllers, config.controller_slices(), strict=True):
            obey = partial(self._on_command, name, part)
            streams.subscribe(Float64MultiArray, f"{name}/commands", obey, COMMAND)
        self.create_service(Trigger, "~/reset", reports.answer_to(self._reset))
        reports.Reporter(self, "simulation", self._state, self.statistics, self._clear, self._trace)
        for line in request_realtime(config, Place.REST):
            self.get_logger().info(line)
        self._threads = [
            PacedThread(
                "physics",
                config.joint_state_rate_hz,
                self._step,
                pace=self._pace,
                beforehand=lambda _: streams.read(),
            ),
            PacedThread(
                "cameras", len(CAMERAS) * config.camera_rate_hz, self._render, pace=self._pace
            ),
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop the physics and the cameras."""
        for thread in self._threads:
            thread.stop()

    def statistics(self) -> dict[str, Any]:
        """Return every number the node keeps, fit for JSON."""
        return {
            "task": self._config.task,
            "seed": self._seed,
            "camera_backend": self._rig.backend if self._rig else "not open",
            "time_limit_s": self._simulation.time_limit_s,
            "joint_state_period": self._period.statistics(),
            "render_ms": self._render_time.summary_ms(),
            "pictures": self._render_time.count,
        }

    def _step(self, now_ns: int) -> None:
        with self._lock:
            self._simulation.command(self._targets)
            self._simulation.advance(self._steps_due(now_ns))
        stamp = self._stamp(self._pace.now_ns())
        if self._clock_topic is not None and self._beats % self._beats_per_clock == 0:
            self._clock_topic.publish(Clock(clock=stamp))
        message = JointState(name=self._simulation.joint_names)
        message.header.stamp = stamp
        message.position = array("d", self._simulation.positions.tobytes())
        message.velocity = array("d", self._simulation.velocities.tobytes())
        self._joint_states.publish(message)
        self._period.record(now_ns)
        self._trace.span(Hop.PHYSICS, now_ns, self._pace.now_ns())
        self._beats += 1
        if self._beats % self._beats_per_judgement == 0:
            self._reward.publish(Float64(data=self._simulation.reward))
            self._success.publish(Bool(data=self._simulation.terminated))

    def _steps_due(self, now_ns: int) -> int:
        """Return how many steps bring the simulation to now: arms do not move slower when we do."""
        step_ns = self._simulation.step_ns
        due = round((now_ns - self._simulated_ns) / step_ns)
        if due > MOST_BEATS_AT_ONCE * self._steps:
            # So long a stop is none of the arms'.
            due, self._simulated_ns = self._steps, now_ns - self._steps * step_ns
        self._simulated_ns += due * step_ns
        return due

    def _render(self, now_ns: int) -> None:
        if self._rig is None:
            config = self._config
            self.get_logger().info(prefer(CAMERA_NICENESS))
            self._rig = open_cameras(
                self._simulation.model,
                CAMERAS,
                *self._drawn,
                config.camera_backend,
            )
        number, camera = next(self._turns)
        snapshot = self._simulation.snapshot()
        taken_ns = self._pace.now_ns()
        image = self._noise.add(self._rig.look_through(camera, snapshot))
        message = image_message(self._enlarge(image), camera, self._stamp(taken_ns))
        self._cameras[camera].publish(message)
        sent_ns = self._pace.now_ns()
        self._render_time.record(self._pace.lasted_ns(taken_ns, sent_ns))
        self._trace.span(Hop.RENDERED, taken_ns, sent_ns, number, taken_ns)

    def _stamp(self, time_ns: int) -> Time:
        """Return a time of this world as a stamp: `/clock` tells that time, where we publish it."""
        if self._clock_topic is None:
            return self._steady.to_stamp(time_ns)
        return ns_to_stamp(time_ns)

    def _on_command(self, controller: str, part: slice, message: bytes) -> None:
        try:
            positions = command_of(message)
        except UNREADABLE as error:
            self._problem = f"{controller}/commands cannot be read: {error}"
            return
        targets = self._targets.copy()
        if len(positions) != part.stop - part.start or not np.isfinite(positions).all():
            self._problem = (
                f"{controller}/commands: expected {part.stop - part.start} finite numbers, got "
                f"{positions.tolist()}"
            )
            return
        targets[part] = positions
        self._targets = targets

    def _reset(self) -> None:
        with self._lock:
            self._seed += 1
            self._simulation.reset(self._seed)
            self._targets = self._simulation.positions
            self._problem = ""

    def _state(self) -> tuple[bytes, str]:
        for thread in self._threads:
            if thread.error is not None:
                return reports.ERROR, f"the {thread.name} failed: {thread.error}"
        if self._problem:
            return reports.WARN, self._problem
        return reports.OK, f"{self._config.task}, seed {self._seed}"

    def _clear(self) -> None:
        self._period.clear()
        self._render_time.clear()


def main() -> int:
    """Run the simulated cell."""
    return run_node(SimulationNode)


if __name__ == "__main__":
    sys.exit(main())
