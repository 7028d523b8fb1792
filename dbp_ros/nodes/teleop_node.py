"""Node of teleoperation: inputs of an operator to chunks on `operator_chunk`.

The guard follows these chunks while an operator has control. When this process dies, the guard
brings the arms to rest and holds them.
"""

import sys
import threading
from typing import Any

import numpy as np
from rclpy.node import Node
from std_msgs.msg import Float64, String
from trajectory_msgs.msg import JointTrajectory

from dbp_ros.guard_state import GuardMode, GuardState
from dbp_ros.nodes import diagnostics
from dbp_ros.nodes.command_listener import CommandListener
from dbp_ros.nodes.control_services import ControlServices
from dbp_ros.nodes.conversions import ChunkWriter
from dbp_ros.nodes.ignored_messages import IgnoredMessages
from dbp_ros.nodes.parameters import load_settings
from dbp_ros.nodes.process import run_node
from dbp_ros.nodes.qos import COMMAND, LATCHED
from dbp_ros.nodes.stateful_topic import subscribe_stateful
from dbp_ros.nodes.steady_clock import SteadyClock
from dbp_ros.nodes.teleop_inputs import GamepadInput, TeleopInputs
from dbp_ros.robots.check import urdf_of
from dbp_ros.runtime.cpu_affinity import Role
from dbp_ros.runtime.rate_loop import RateThread
from dbp_ros.runtime.realtime import apply_cpu_affinity
from dbp_ros.runtime.sim_clock import SimClock, scale_timeouts
from dbp_ros.settings.robot_files import read_robot
from dbp_ros.settings.teleop import TeleopConfig
from dbp_ros.teleop.gamepad import Gamepad
from dbp_ros.teleop.session import Phase, Session
from dbp_ros.teleop.target_motion import TargetMotion
from dbp_ros.types import ActionChunk

# Points of a chunk, one per period: they outlast a late chunk, not a dead process.
POINTS = 5
# Largest number of periods that a late loop catches up.
MAX_STEPS = 5
TIMEOUTS = ("input_timeout_s", "twist_timeout_s")


class TeleopNode(Node):  # type: ignore[misc]
    """Node that connects a `TargetMotion` and a `Session` to topics and services."""

    def __init__(self) -> None:
        super().__init__("teleop")
        config = load_settings(self, TeleopConfig)
        self._sim_clock = SimClock(config.real_time_factor)
        config = scale_timeouts(config, *TIMEOUTS)
        robot, urdf = read_robot(config.robot), urdf_of(config.robot)
        self.get_logger().info(apply_cpu_affinity(Role.REST, config.cpu_affinity))
        self._lock = threading.Lock()
        self._motion = TargetMotion(robot, urdf, config)
        self._session = Session()
        self._steps_ns = np.arange(1, POINTS + 1) * round(1e9 / config.teleop_rate_hz)
        self._num_chunks, self._stepped_ns = 0, 0
        now_ns = self._sim_clock.now_ns
        self._ignored = IgnoredMessages(self.get_logger().warning)
        self._inputs = TeleopInputs(
            self, self._motion, self._lock, urdf.root, now_ns, self._ignored
        )
        self._commands = CommandListener(self, robot, now_ns)
        self._writer = ChunkWriter(robot.joints, SteadyClock(self.get_clock(), self._sim_clock))
        self._publisher = self.create_publisher(JointTrajectory, "operator_chunk", COMMAND)
        self.create_subscription(String, "guard/state", self._on_guard_state, LATCHED)
        subscribe_stateful(self, Float64, "guard/speed_scaling", self._on_speed_scaling)
        self._control = ControlServices(self, self._begin, self._end)
        self._gamepad = GamepadInput(
            self._control.node,
            self.resolve_topic_name("joy"),
            Gamepad(config, list(robot.arms)),
            self._inputs.set_gamepad,
            self._control.run,
        )
        diagnostics.DiagnosticsReporter(
            self, "teleop", self._state, self.statistics, self._ignored.counts.clear
        )
        self._loop = RateThread(
            "teleop loop", config.teleop_rate_hz, self._tick, sim_clock=self._sim_clock
        )
        self._control.start()
        self._loop.start()

    def close(self) -> None:
        """End the chunks: the guard brings the arms to rest."""
        self._loop.stop()
        self._control.close()

    def statistics(self) -> dict[str, Any]:
        """Return the statistics, JSON-serialisable."""
        return {
            "in_control": self._session.in_control,
            "phase": self._session.phase.name.lower(),
            "selected_arm": self._gamepad.arm,
            "chunks": self._num_chunks,
            "unsolved_steps": self._motion.kinematics.failures,
            "ignored_messages": dict(self._ignored.counts),
        }

    def _tick(self, now_ns: int) -> None:
        newest = self._commands.poll()
        with self._lock:
            if newest is not None:
                self._session.add_command(*newest)
            start = self._session.update(self._motion.positions, now_ns)
            if start is not None:
                self._motion.start(start)
                self._stepped_ns = now_ns
            if self._session.phase is not Phase.DRIVING:
                return
            for _ in range(self._periods_since_last(now_ns)):
                self._motion.step(now_ns)
            chunk = self._chunk(now_ns)
        self._publisher.publish(self._writer.write(chunk))
        self._num_chunks += 1

    def _periods_since_last(self, now_ns: int) -> int:
        """Return the number of steps that are due: a late loop must not slow the motion down."""
        last_ns, self._stepped_ns = self._stepped_ns, now_ns
        return min(MAX_STEPS, max(1, round((now_ns - last_ns) / int(self._steps_ns[0]))))

    def _chunk(self, now_ns: int) -> ActionChunk:
        """Return points that continue with the present velocity."""
        after_s = 1e-9 * (self._steps_ns - self._steps_ns[0])
        positions = self._motion.positions + after_s[:, None] * self._motion.velocity
        return ActionChunk(positions, now_ns + self._steps_ns, now_ns)

    def _begin(self) -> str:
        with self._lock:
            self._session.begin(self._sim_clock.now_ns())
            guard = self._session.guard
        if guard.mode is GuardMode.DISABLED:
            return "in control; control is disabled: dbp enable moves the arms by your inputs"
        if guard.mode is GuardMode.STOPPED:
            return "in control; the guard has stopped: dbp reset, then dbp enable"
        return "in control: the arms follow your inputs from their present pose"

    def _end(self) -> str:
        with self._lock:
            self._session.end()
        return "the policy has control"

    def _on_guard_state(self, message: String) -> None:
        with self._lock:
            self._session.guard = GuardState.parse(message.data)

    def _on_speed_scaling(self, message: Float64) -> None:
        # The guard reports invalid factors.
        if 0.0 < message.data <= 1.0:
            with self._lock:
                self._motion.scale_speed(message.data)

    def _state(self) -> tuple[bytes, str]:
        if self._loop.error is not None:
            return diagnostics.ERROR, f"the {self._loop.name} failed: {self._loop.error}"
        sentence = self._session.sentence
        driving = self._session.phase is Phase.DRIVING
        if driving and not self._motion.driven:
            sentence = f"{sentence}: no input, the arms are held"
        if problem := self._ignored.problem:
            return diagnostics.WARN, f"{sentence}; {problem}"
        idle = self._session.phase is Phase.IDLE and not self._session.guard.operator_control
        return (diagnostics.OK if driving or idle else diagnostics.WARN), sentence


def main() -> int:
    """Run the teleoperation node."""
    return run_node(TeleopNode)


if __name__ == "__main__":
    sys.exit(main())
