"""Simulated cell, or the simulated arms of another robot, with the topics of a real one.

It publishes joint states and images, and follows forward command controllers, which hold their
last command. The physics thread runs on the steady clock and reads the commands between two steps;
the cameras have their own thread. It refuses to run next to other publishers of its joints.
"""

import sys
import threading
from array import array
from collections.abc import Sequence
from typing import Any

from builtin_interfaces.msg import Time
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock as RosClock
from rclpy.clock import ClockType
from rclpy.node import Node
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Float64

from dbp_ros.errors import ConfigError
from dbp_ros.nodes import diagnostics
from dbp_ros.nodes.cell_operator import CellOperator
from dbp_ros.nodes.discovery import prompt_discovery
from dbp_ros.nodes.joint_publishers import JointPublisherSearch, JointPublisherWatch
from dbp_ros.nodes.parameters import load_settings
from dbp_ros.nodes.process import run_node
from dbp_ros.nodes.qos import COMMAND, LATCHED, SENSOR
from dbp_ros.nodes.simulated_cameras import SimulatedCameras
from dbp_ros.nodes.simulated_controllers import SimulatedControllers
from dbp_ros.nodes.simulated_objects import SimulatedObjects
from dbp_ros.nodes.steady_clock import SteadyClock, ns_to_stamp
from dbp_ros.runtime.cpu_affinity import Role
from dbp_ros.runtime.rate_loop import RateThread
from dbp_ros.runtime.realtime import request_realtime
from dbp_ros.runtime.sim_clock import SimClock
from dbp_ros.settings.simulation import SimulationConfig
from dbp_ros.sim.arm_simulation import NO_TASK, ArmSimulation
from dbp_ros.sim.controllers import JointTargets
from dbp_ros.sim.robot_simulation import simulation_of
from dbp_ros.sim.tasks.registry import make_task
from dbp_ros.telemetry.latency import PeriodRecorder
from dbp_ros.telemetry.trace import Hop, Trace
from dbp_ros.types import NS_PER_S

# The learner uses the last reward before a policy step.
REWARD_RATE_HZ = 60.0
# In simulation time. Nodes with `use_sim_time` lag by up to one period.
CLOCK_RATE_HZ = 125.0
# Periods of the physics to catch up after a delay; a longer delay is skipped.
MAX_CATCH_UP_PERIODS = 10
WATCH_PERIOD_S = 0.2
# Parameter that may be set while the node runs.
TASK = "task"
# From the last joint states to the exit, to publish the reason.
SHUTDOWN_DELAY_S = 0.5


class SimulationNode(Node):  # type: ignore[misc]
    """Node with the topics of a robot around its simulation."""

    def __init__(self) -> None:
        with prompt_discovery():
            super().__init__("simulation")
        self._config = config = load_settings(self, SimulationConfig, writable=(TASK,))
        self._task = self._next_task = str(config.task)
        topic = self.resolve_topic_name("joint_states")
        with JointPublisherSearch(
            self.context, topic, config.joints, config.publisher_search_s
        ) as search:
            self._build()
            if problem := search.problem():
                self._cameras.close()
                raise ConfigError(problem)
        self._watch = JointPublisherWatch(self, topic, config.joints)
        self._open_topics()

    def _build(self) -> None:
        """Build the scene and open the cameras."""
        config = self._config
        self._sim_clock = SimClock(config.real_time_factor)
        self._simulation = simulation_of(config.robot, config.task)
        if config.joints != self._simulation.joint_names:
            raise ConfigError(
                f"joints are {config.joints}, but the robot has {self._simulation.joint_names}"
            )
        self._seed = config.seed
        self._simulation.reset(self._seed)
        self._targets = JointTargets(self._simulation.positions)
        self._lock = threading.Lock()
        self._steady = SteadyClock(self.get_clock())
        self._steps_per_period = max(
            1, round(NS_PER_S / config.joint_state_rate_hz / self._simulation.step_ns)
        )
        self._periods_per_clock = max(1, round(config.joint_state_rate_hz / CLOCK_RATE_HZ))
        self._periods_per_reward = max(1, round(config.joint_state_rate_hz / REWARD_RATE_HZ))
        self._periods = self._simulated_ns = 0
        self._period = PeriodRecorder(round(NS_PER_S / config.joint_state_rate_hz))
        self._trace = Trace()
        self._with_clock = config.publish_clock or config.real_time_factor != 1.0
        self._conflict = ""
        for line in request_realtime(config, Role.REST):
            self.get_logger().info(line)
        self._cameras = SimulatedCameras(
            self, config, self._simulation, self._sim_clock, self._trace, self._stamp
        )

    def _open_topics(self) -> None:
        """Create topics and services, and publish."""
        config = self._config
        self._joint_states = self.create_publisher(JointState, "joint_states", SENSOR)
        self._reward = self.create_publisher(Float64, "reward", COMMAND)
        self._success = self.create_publisher(Bool, "success", LATCHED)
        self._clock_topic = (
            self.create_publisher(Clock, "/clock", SENSOR) if self._with_clock else None
        )
        self._controllers = SimulatedControllers(
            self, config, self._targets, lambda: self._simulation.positions
        )
        self._objects = SimulatedObjects(self, lambda: self._simulation.objects)
        self._operator = CellOperator(self, self, self._sim_clock, config.auto_reset)
        self.add_on_set_parameters_callback(self._set_task)
        diagnostics.DiagnosticsReporter(
            self, "simulation", self._state, self.statistics, self._clear, self._trace
        )
        steady = RosClock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(WATCH_PERIOD_S, self._watch_publishers, clock=steady)
        self._physics = RateThread(
            "physics",
            config.joint_state_rate_hz,
            self._step,
            sim_clock=self._sim_clock,
            prepare=lambda _: self._read_commands(),
        )
        self._cameras.publish()
        self._physics.start()

    def close(self) -> None:
        """Stop the physics, the cameras and the services."""
        self._stop_publishing()
        self._operator.close()
        self._controllers.close()
        self._watch.close()

    def statistics(self) -> dict[str, Any]:
        """Return the statistics, JSON-serialisable."""
        return {
            "task": self._simulation.task_name,
            "seed": self._seed,
            "camera_backend": self._cameras.backend,
            "time_limit_s": self._simulation.time_limit_s,
            "joint_state_period": self._period.statistics(),
            "render_ms": self._cameras.render_time.summary_ms(),
            "pictures": self._cameras.render_time.count,
            "controllers": self._controllers.statistics(),
        }

    def reset(self) -> str:
        """Reset the cell to the next seed, with the task of the parameter; return a message."""
        simulation = self._simulation
        if self._task != self._next_task:
            simulation = simulation_of(self._config.robot, self._next_task)
        with self._lock:
            self._seed += 1
            simulation.reset(self._seed)
            self._simulation, self._task = simulation, self._next_task
            self._targets.hold(simulation.positions)
            self._controllers.clear()
        self._cameras.show(simulation)
        return f"the cell is at the start of {self._describe(simulation)}, seed {self._seed}"

    def _describe(self, simulation: ArmSimulation) -> str:
        task = simulation.task_name
        return f"{self._config.robot} without a task" if task == NO_TASK else task

    @property
    def episode_over(self) -> bool:
        """Whether the task is solved or its time limit is reached."""
        limit_ns = self._simulation.time_limit_s * NS_PER_S
        return self._simulation.terminated or self._simulation.time_ns >= limit_ns

    def commanded_within(self, seconds: float) -> str:
        """Return a controller that received a command in the last seconds; empty if none did."""
        return self._controllers.commanded_within(seconds)

    def _set_task(self, parameters: Sequence[Parameter]) -> SetParametersResult:
        """Accept a task for the next reset."""
        for parameter in parameters:
            if parameter.name != TASK:
                continue
            try:
                self._next_task = make_task(str(parameter.value)).name
            except ConfigError as error:
                return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _read_commands(self) -> None:
        with self._lock:
            self._controllers.read()

    def _step(self, now_ns: int) -> None:
        with self._lock:
            self._simulation.command(self._targets.positions)
            self._simulation.advance(self._steps_due(now_ns))
        stamp = self._stamp(self._sim_clock.now_ns())
        if self._clock_topic is not None and self._periods % self._periods_per_clock == 0:
            self._clock_topic.publish(Clock(clock=stamp))
        message = JointState(name=self._simulation.joint_names)
        message.header.stamp = stamp
        message.position = array("d", self._simulation.positions.tobytes())
        message.velocity = array("d", self._simulation.velocities.tobytes())
        self._watch.add_own_stamp(stamp.sec * NS_PER_S + stamp.nanosec)
        self._joint_states.publish(message)
        self._period.record(now_ns)
        self._trace.add_span(Hop.PHYSICS, now_ns, self._sim_clock.now_ns())
        self._periods += 1
        if self._periods % self._periods_per_reward == 0:
            self._reward.publish(Float64(data=self._simulation.reward))
            self._success.publish(Bool(data=self._simulation.terminated))

    def _steps_due(self, now_ns: int) -> int:
        """Return the steps up to now: a delay of this thread does not slow the arms down."""
        step_ns = self._simulation.step_ns
        due = round((now_ns - self._simulated_ns) / step_ns)
        if due > MAX_CATCH_UP_PERIODS * self._steps_per_period:
            # After a longer delay the simulation continues from its state.
            due = self._steps_per_period
            self._simulated_ns = now_ns - due * step_ns
        self._simulated_ns += due * step_ns
        return due

    def _stamp(self, time_ns: int) -> Time:
        """Convert simulation time to a stamp, which is on `/clock` if the node publishes that."""
        if not self._with_clock:
            return self._steady.to_stamp(time_ns)
        return ns_to_stamp(time_ns)

    def _watch_publishers(self) -> None:
        if self._conflict:
            return
        if problem := self._watch.problem():
            self._conflict = f"shutting down: {problem}"
            self._stop_publishing()
            steady = RosClock(clock_type=ClockType.STEADY_TIME)
            self.create_timer(SHUTDOWN_DELAY_S, self._shut_down, clock=steady)

    def _shut_down(self) -> None:
        raise ConfigError(self._conflict)

    def _stop_publishing(self) -> None:
        self._physics.stop()
        self._cameras.close()

    def _state(self) -> tuple[bytes, str]:
        if self._conflict:
            return diagnostics.ERROR, self._conflict
        for thread in (self._physics, self._cameras.thread):
            if thread.error is not None:
                return diagnostics.ERROR, f"the {thread.name} failed: {thread.error}"
        level, problem = self._controllers.state()
        if problem:
            return level, problem
        if self._operator.problem:
            return diagnostics.ERROR, self._operator.problem
        return diagnostics.OK, f"{self._describe(self._simulation)}, seed {self._seed}"

    def _clear(self) -> None:
        self._period.clear()
        self._cameras.render_time.clear()


def main() -> int:
    """Run the simulated cell."""
    return run_node(SimulationNode)


if __name__ == "__main__":
    sys.exit(main())
