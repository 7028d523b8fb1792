"""A foreign simulator that publishes `/clock`, with a variable real-time factor."""

import threading
import time

import numpy as np
from builtin_interfaces.msg import Time
from processes.fake_robot import FakeRobot
from rclpy.qos import qos_profile_sensor_data
from rosgraph_msgs.msg import Clock
from trajectory_msgs.msg import JointTrajectory

from dbp_ros.nodes.cdr import TrajectoryWriter
from dbp_ros.nodes.qos import COMMAND
from dbp_ros.nodes.steady_clock import ns_to_stamp

STEP_NS = 4_000_000
STEPS_PER_CLOCK, STEPS_PER_IMAGE, STEPS_PER_CHUNK = 2, 8, 2
AMPLITUDE_RAD = 0.3


def planned(time_ns: int) -> np.ndarray:
    """Return the planned joint positions at a simulation time. Shape (nu,)."""
    positions = np.full(14, 0.04 + AMPLITUDE_RAD * (1.0 - np.cos(time_ns * 1e-9)))
    positions[6::7] = 0.04
    return positions


class ForeignSimulator(FakeRobot):
    """A simulator with joint states at 250 Hz and images at 31 Hz in simulation time.

    Attributes:
        real_time_factor: Simulation time per wall time; 0 pauses the simulation.
        time_ns: Simulation time.
        clock_frozen: Whether `/clock` stands still while the sensors continue.
        plans: Whether to publish chunks of the planned positions.
        errors_rad: Error of each command for the left shoulder to the planned position.
    """

    def __init__(self) -> None:
        super().__init__()
        self.real_time_factor = 0.5
        self.time_ns = 100_000_000_000
        self.clock_frozen = False
        self.plans = False
        self.errors_rad: list[float] = []
        self._steps = 0
        self._running = True
        self._clock = self.create_publisher(Clock, "/clock", qos_profile_sensor_data)
        self._writer = TrajectoryWriter(self.joints)
        self._chunks = self.create_publisher(JointTrajectory, "action_chunk", COMMAND)
        self.loops = [threading.Thread(target=self._run, name="simulator")]
        self.loops[0].stop = self._stop

    def stamp(self, of_image: bool = False) -> Time:
        """Return the simulation time."""
        return ns_to_stamp(self.time_ns)

    def _on_command(self, name, part, message) -> None:
        super()._on_command(name, part, message)
        if part.start == 0:
            self.errors_rad.append(float(message.data[0] - planned(self.time_ns)[0]))

    def _plan(self) -> None:
        steps_ns = np.arange(1, 17) * 33_333_333
        positions = np.stack([planned(self.time_ns + step_ns) for step_ns in steps_ns])
        self._chunks.publish(self._writer.write(self.time_ns, positions, steps_ns))

    def _run(self) -> None:
        due_s = time.monotonic()
        while self._running:
            if self.real_time_factor:
                self._step()
            due_s = max(
                due_s + STEP_NS * 1e-9 / (self.real_time_factor or 1.0), time.monotonic() - 0.05
            )
            time.sleep(max(0.0, due_s - time.monotonic()))

    def _step(self) -> None:
        self.time_ns += 0 if self.clock_frozen else STEP_NS
        self._steps += 1
        if self._steps % STEPS_PER_CLOCK == 0 and not self.clock_frozen:
            self._clock.publish(Clock(clock=self.stamp()))
        self._measure(time.monotonic_ns())
        if self.plans and self._steps % STEPS_PER_CHUNK == 0:
            self._plan()
        if self._steps % STEPS_PER_IMAGE == 0:
            # Almost black, which a toy policy ignores, and different each time.
            self.brightness = self._steps // STEPS_PER_IMAGE % 2
            self._capture(0)

    def _stop(self) -> None:
        self._running = False
        self.loops[0].join()
