"""Node of the guard: subscribes to chunks and joint states, publishes joint commands.

It is the only publisher of commands, in a process separate from the policy: when chunks stop, for
any reason, it brings both arms to rest. It needs no images and no model.
"""

import sys
import threading
import time
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.publisher import Publisher
from std_srvs.srv import SetBool, Trigger

from dbp_ros.errors import CommandError
from dbp_ros.guard_state import EMERGENCY_STOP, GuardMode
from dbp_ros.motion.guard import MotionGuard
from dbp_ros.nodes import diagnostics
from dbp_ros.nodes.cdr import CommandWriter
from dbp_ros.nodes.controller_monitor import ControllerMonitor
from dbp_ros.nodes.guard_inputs import GuardInputs
from dbp_ros.nodes.guard_report import level_and_sentence
from dbp_ros.nodes.operator_control import OperatorControl
from dbp_ros.nodes.parameters import load_settings
from dbp_ros.nodes.process import run_node
from dbp_ros.nodes.robot_watch import RobotWatch
from dbp_ros.nodes.steady_clock import SteadyClock
from dbp_ros.runtime.cpu_affinity import Role
from dbp_ros.runtime.rate_loop import RateThread
from dbp_ros.runtime.realtime import request_realtime
from dbp_ros.runtime.sim_clock import SimClock, scale_timeouts
from dbp_ros.runtime.stop_socket import StopSocket
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.telemetry.command_statistics import CommandStatistics
from dbp_ros.telemetry.trace import Hop, Trace
from dbp_ros.types import NS_PER_S, Array

# Time from the end of control until the commands end, beyond that of braking; and at most.
SETTLE_S, MAX_SETTLE_S = 0.3, 4.0
START_RETRY_S = 0.2
# A command is discarded if it is later than this.
OUTDATED_NS = 50_000_000
TIMEOUTS = ("chunk_timeout_s", "joint_state_timeout_s", "joint_state_loss_s")


class GuardNode(Node):  # type: ignore[misc]
    """Node that connects a `MotionGuard` to topics and services.

    The thread of the command loop polls the inputs and computes each command shortly before it is
    due, so that only publishing remains. Services, diagnostics and the monitor of the controllers
    have another thread.
    """

    def __init__(self) -> None:
        super().__init__("guard")
        config = load_settings(self, GuardConfig)
        self._config = config
        self._sim_clock = SimClock(config.real_time_factor)
        scaled_config = _in_simulation_time(config)
        self._guard = MotionGuard(scaled_config)
        self._slices = config.controller_slices()
        self._lock = threading.Lock()
        self._trace = Trace()
        steady = SteadyClock(self.get_clock(), self._sim_clock)
        self._inputs = GuardInputs(self, scaled_config, steady, self._trace)
        self._writers = [CommandWriter(size) for size in config.controller_sizes]
        self._messages: list[tuple[Publisher, bytes]] = []
        self._prepare_duration_ns = self._due_ns = 0
        self._enable_pending = config.enable_control
        self._refusal = ""
        self._limits_logged = False
        period_s = 1.0 / self._sim_clock.wall_rate_hz(config.command_rate_hz)
        self._statistics = CommandStatistics(round(NS_PER_S * period_s), self._trace)
        self._loop = RateThread(
            "command loop",
            config.command_rate_hz,
            self._send,
            config.realtime_priority + 1 if config.realtime_priority else 0,
            self._sim_clock,
            prepare=self._prepare,
        )
        self._monitor = ControllerMonitor(
            self,
            config,
            self._on_controller_loss,
            self._on_other_publisher,
            self._loop.wait_for_tick,
        )
        self._operator = OperatorControl(self, self._guard, self._lock)
        self._create_services()
        self._robot_watch = RobotWatch(self)
        for line in request_realtime(config, Role.GUARD):
            self.get_logger().info(line)
        self._loop.start()

    def _create_services(self) -> None:
        """Create the services, the reports and the socket of the emergency stop."""
        self.create_service(SetBool, "~/enable_control", self._on_enable)
        for name, action in (("emergency_stop", self._emergency_stop), ("reset", self._reset)):
            self.create_service(Trigger, f"~/{name}", diagnostics.trigger_callback(action))
        diagnostics.DiagnosticsReporter(
            self,
            "guard",
            self._state,
            self.statistics,
            self._clear,
            self._trace,
            self._loop.wait_for_tick,
        )
        start_clock = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(START_RETRY_S, self._enable_if_pending, clock=start_clock)
        self._stop_socket = StopSocket(
            self.context.get_domain_id(), self.get_fully_qualified_name(), self._emergency_stop
        )

    def close(self) -> None:
        """Bring the arms to rest, then stop commanding them."""
        self._stop_socket.close()
        with self._lock:
            self._guard.disable()
        limits = self._guard.limits
        braking_s = float((limits.velocity / limits.acceleration).max())
        braking_s /= min(1.0, self._config.real_time_factor)
        deadline = time.monotonic() + min(SETTLE_S + braking_s, MAX_SETTLE_S)
        while self._guard.moving and time.monotonic() < deadline:
            time.sleep(0.01)
        self._loop.stop()

    def statistics(self) -> dict[str, Any]:
        """Return all statistics, JSON-serialisable."""
        return {
            **asdict(self._guard.counters),
            "damaged_chunks": self._inputs.damaged_chunks,
            "refused_joint_states": self._inputs.refused_joint_states,
            "mode": self._guard.mode.value,
            "reason": self._guard.reason,
            "operator_control": self._guard.chunks.operator_control,
            "speed_scaling": self._guard.speed_scaling,
            "tracking_error_peak": self._tracking_error_peak(),
            **self._statistics.summary(self._inputs.received),
        }

    def _tracking_error_peak(self) -> dict[str, float]:
        peaks = np.round(self._guard.following.peak, 4).tolist()
        return dict(zip(self._config.joints, peaks, strict=True))

    def _prepare(self, due_ns: int) -> None:
        """Compute the command that is due at a time, from the newest inputs."""
        start_ns = self._sim_clock.now_ns()
        with self._lock:
            # A service call takes the inputs, too.
            self._inputs.poll()
            self._take_inputs(start_ns)
            command = self._guard.tick(due_ns)
        self._messages = [] if command is None else self._serialise(command)
        self._due_ns = due_ns
        self._prepare_duration_ns = self._sim_clock.wall_duration_ns(
            start_ns, self._sim_clock.now_ns()
        )

    def _serialise(self, command: Array) -> list[tuple[Publisher, bytes]]:
        lost = self._guard.lost_joints
        parts = zip(self._monitor.publishers, self._writers, self._slices, strict=True)
        return [(p, writer.write(command[k])) for p, writer, k in parts if not lost[k].any()]

    def _send(self, now_ns: int) -> None:
        if not self._messages or now_ns - self._due_ns > OUTDATED_NS:
            # No command, or this process was suspended before or after computing it.
            self._statistics.period.pause(time.monotonic_ns())
            return
        for publisher, message in self._messages:
            publisher.publish(message)
        sent_ns = time.monotonic_ns()
        sent_at_ns = self._sim_clock.from_steady_ns(sent_ns)
        publishing_ns = self._sim_clock.wall_duration_ns(now_ns, sent_at_ns)
        self._statistics.record(sent_ns, self._prepare_duration_ns + publishing_ns)
        self._trace.add_span(Hop.COMMANDED, now_ns, sent_at_ns)
        chunk = self._guard.chunks.chunk if self._guard.mode is GuardMode.TRACKING else None
        if chunk is not None and chunk.image_stamp_ns is not None:
            self._statistics.record_images(chunk.image_stamps_ns, chunk.image_stamp_ns, sent_at_ns)

    def _take_inputs(self, now_ns: int) -> None:
        self._monitor.arms_held = self._guard.mode is GuardMode.HOLDING
        checked_ns = self._monitor.checked_ns
        self._guard.controllers_checked_ns = self._sim_clock.from_steady_ns(checked_ns)
        if (new := self._inputs.take_states()) is not None:
            self._guard.add_measurement(new.positions, new.arrival_ns, new.arrivals_ns)
        if restarted := self._inputs.take_restarted_joints():
            self._disable_on_restart(restarted, now_ns)
        self._inputs.take_chunks(self._guard.accept)
        if self._guard.enabled and (topic := self._inputs.conflicting_topic(now_ns)):
            self._guard.stop(self._inputs.describe_conflict(topic))

    def _disable_on_restart(self, joints: frozenset[int], now_ns: int) -> None:
        """Stop commanding joints whose publisher of joint states was restarted.

        The controllers usually run in its process.
        """
        for name, part in zip(self._config.controllers, self._slices, strict=True):
            if not joints.isdisjoint(range(part.start, part.stop)):
                reason = f"{name} may have been restarted, as its joint states were"
                self._guard.disable_on_controller_loss(part, reason, now_ns)

    def _on_controller_loss(self, index: int, reason: str) -> None:
        with self._lock:
            self._guard.disable_on_controller_loss(
                self._slices[index], reason, self._sim_clock.now_ns()
            )

    def _on_other_publisher(self, reason: str) -> None:
        with self._lock:
            if self._guard.commanding:
                self._guard.stop(reason)

    def _enable(self) -> None:
        """Enable control, or raise `CommandError` with all reasons against it."""
        now_ns = self._sim_clock.now_ns()
        problems = [*self._monitor.problems, *self._input_problems(now_ns)]
        if topic := self._inputs.conflicting_topic(now_ns):
            problems.append(self._inputs.describe_conflict(topic))
        with self._lock:
            # Not while control is enabled; `enable` reports a latched stop first.
            if problems and not (self._guard.enabled or self._guard.stop_reason):
                raise CommandError("; ".join(problems))
            self._take_inputs(now_ns)
            self._guard.enable(now_ns)
        if not self._limits_logged:
            # Once: the limits are constant, and logging holds the GIL.
            self._limits_logged = True
            self._loop.wait_for_tick()
            limits = self._guard.limits.table(self._config.joints)
            self.get_logger().info(f"control is enabled, within these limits:\n{limits}")

    def _enable_if_pending(self) -> None:
        if not self._enable_pending:
            return
        try:
            self._enable()
            self._enable_pending, self._refusal = False, ""
        except CommandError as error:
            self._refusal = f"waiting to enable control: {error}"

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self._enable_pending, self._refusal = False, ""
        try:
            if request.data:
                self._enable()
            else:
                with self._lock:
                    self._guard.disable()
            response.success = True
        except CommandError as error:
            self._refusal = f"enabling was refused: {error}"
            response.success, response.message = False, str(error)
        return response

    def _input_problems(self, now_ns: int) -> list[str]:
        return self._inputs.problems(now_ns, self._guard.chunks.operator_control)

    def _emergency_stop(self) -> None:
        with self._lock:
            self._enable_pending, self._refusal = False, ""
            self._guard.stop(EMERGENCY_STOP, replace=True)

    def _reset(self) -> None:
        if others := self._monitor.other_publishers:
            raise CommandError("; ".join(others))
        with self._lock:
            self._guard.reset()

    def _state(self) -> tuple[bytes, str]:
        if self._loop.error is not None:
            return diagnostics.ERROR, f"the {self._loop.name} failed: {self._loop.error}"
        disabled = self._guard.mode is GuardMode.DISABLED
        if disabled and self._refusal:
            problems = [self._refusal]
        else:
            problems = self._input_problems(self._sim_clock.now_ns())
        return level_and_sentence(self._guard, [*problems, self._operator.problem])

    def _clear(self) -> None:
        self._statistics.clear()
        self._inputs.received.age.clear()
        self._guard.following.clear_peak()


def _in_simulation_time(config: GuardConfig) -> GuardConfig:
    """Return settings whose timeouts and tracking error limits fit the real-time factor.

    Wall-clock latency causes a larger tracking error in a faster simulation.
    """
    factor = max(1.0, config.real_time_factor)
    limits = tuple(factor * limit for limit in config.tracking_error_limit)
    return replace(scale_timeouts(config, *TIMEOUTS), tracking_error_limit=limits)


def main() -> int:
    """Run the guard."""
    return run_node(GuardNode)


if __name__ == "__main__":
    sys.exit(main())
