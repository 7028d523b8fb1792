"""The guard as a process: chunks and joint states in, joint commands out.

It alone commands the arms, and it outlives the policy: when chunks stop, for whatever reason, it
brings both arms to rest. It loads neither images nor a model.
"""

import sys
import threading
import time
from dataclasses import asdict
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import SetBool, Trigger
from trajectory_msgs.msg import JointTrajectory

from dbp_ros.config import GuardConfig
from dbp_ros.contract import EMERGENCY_STOP, NS_PER_S, ActionChunk, Array
from dbp_ros.errors import CommandError, ObservationError
from dbp_ros.latency import Histogram, PeriodRecorder
from dbp_ros.loops import PacedThread
from dbp_ros.motion.guard import Mode, MotionGuard
from dbp_ros.nodes import reports
from dbp_ros.nodes.conversions import ChunkReader, JointReader
from dbp_ros.nodes.parameters import load_settings
from dbp_ros.nodes.process import run_node
from dbp_ros.nodes.qos import COMMAND_SOURCE, SENSOR
from dbp_ros.nodes.steady_clock import SteadyClock
from dbp_ros.nodes.streams import Streams
from dbp_ros.nodes.wire import CommandWriter
from dbp_ros.pace import Pace, patient
from dbp_ros.placement import Place
from dbp_ros.realtime import request_realtime
from dbp_ros.trace import FirstSight, Hop, Trace

SETTLE_S = 1.0
LEVELS = {
    Mode.DISABLED: reports.OK,
    Mode.TRACKING: reports.OK,
    Mode.HOLDING: reports.WARN,
    Mode.STOPPED: reports.ERROR,
}


class GuardNode(Node):  # type: ignore[misc]
    """Wires a `MotionGuard` to topics.

    The command loop has a thread of its own, which a moment before each command reads chunks and
    joint states and works the command out: when it is due, it is only sent. Services and
    diagnostics have another thread.
    """

    def __init__(self) -> None:
        super().__init__("guard")
        config = load_settings(self, GuardConfig)
        self._pace = Pace(config.speed)
        self._guard = MotionGuard(patient(config, "chunk_timeout_s", "joint_state_timeout_s"))
        self._slices = config.controller_slices()
        self._lock = threading.Lock()
        self._steady = SteadyClock(self.get_clock(), self._pace)
        self._joint_reader = JointReader(config.joints)
        self._chunk_reader = ChunkReader(config.joints, self._steady)
        self._writers = [CommandWriter(size) for size in config.controller_sizes]
        self._prepared: list[bytes] = []
        self._preparing_ns = 0
        self._new_positions: tuple[Array, int] | None = None
        self._new_chunk: tuple[ActionChunk, int] | None = None
        self._problems = {"joint_states": "", "action_chunk": ""}
        self._enable_when_ready = config.enable_control
        self._period = PeriodRecorder(round(NS_PER_S / self._pace.rate_hz(config.command_rate_hz)))
        self._image_age = Histogram()
        self._tick_time = Histogram()
        self._trace = Trace()
        self._received = FirstSight(Hop.RECEIVED, self._trace)
        self._commanded = FirstSight(Hop.COMMANDED, self._trace)
        self._command_topics = [
            self.create_publisher(Float64MultiArray, f"{name}/commands", COMMAND_SOURCE)
            for name in config.controllers
        ]
        self._streams = Streams(self)
        self._streams.subscribe(JointState, "joint_states", self._on_joint_states, SENSOR)
        self._streams.subscribe(JointTrajectory, "action_chunk", self._on_chunk, SENSOR)
        self.create_service(SetBool, "~/enable_control", self._on_enable)
        self.create_service(Trigger, "~/emergency_stop", reports.answer_to(self._ask_to_stop))
        self.create_service(Trigger, "~/reset", reports.answer_to(self._reset))
        self._loop = PacedThread(
            "command loop",
            config.command_rate_hz,
            self._send,
            config.realtime_priority + 1 if config.realtime_priority else 0,
            self._pace,
            beforehand=self._prepare,
        )
        reports.Reporter(
            self,
            "guard",
            self._state,
            self.statistics,
            self._clear,
            self._trace,
            self._loop.wait_for_tick,
        )
        for line in request_realtime(config, Place.GUARD):
            self.get_logger().info(line)
        self._loop.start()

    def close(self) -> None:
        """Bring the arms to rest, then stop commanding: controllers hold the last command."""
        with self._lock:
            self._guard.disable()
        deadline = time.monotonic() + SETTLE_S
        while self._guard.moving and time.monotonic() < deadline:
            time.sleep(0.01)
        self._loop.stop()

    def statistics(self) -> dict[str, Any]:
        """Return every number the guard keeps, fit for JSON."""
        return {
            **asdict(self._guard.counters),
            "mode": self._guard.mode.value,
            "reason": self._guard.reason,
            "command_period": self._period.statistics(),
            "tick_ms": self._tick_time.summary_ms(),
            "image_age_at_command_ms": self._image_age.summary_ms(),
            "image_age_at_command_bars": self._image_age.bars_ms(),
            "reaction_ms": self._commanded.age.summary_ms(),
            "reaction_bars": self._commanded.age.bars_ms(),
            "reaction_path_ms": {
                "received": self._received.age.summary_ms(),
                "commanded": self._commanded.age.summary_ms(),
            },
        }

    def _prepare(self, due_ns: int) -> None:
        """Work out the command that is due at a time, from all that came until now."""
        start_ns = self._pace.now_ns()
        self._streams.read()
        with self._lock:
            self._take_mail()
            command = self._guard.tick(due_ns)
        self._prepared = [] if command is None else self._messages(command)
        self._preparing_ns = self._pace.lasted_ns(start_ns, self._pace.now_ns())

    def _messages(self, command: Array) -> list[bytes]:
        parts = zip(self._writers, self._slices, strict=True)
        return [writer.write(command[part]) for writer, part in parts]

    def _send(self, now_ns: int) -> None:
        if not self._prepared:
            self._period.pause()
            return
        for publisher, message in zip(self._command_topics, self._prepared, strict=True):
            publisher.publish(message)
        sent_ns = time.monotonic_ns()
        self._period.record(sent_ns)
        sent_at_ns = self._pace.at_ns(sent_ns)
        self._tick_time.record(self._preparing_ns + self._pace.lasted_ns(now_ns, sent_at_ns))
        self._trace.span(Hop.COMMANDED, now_ns, sent_at_ns)
        chunk = self._guard.chunk if self._guard.mode is Mode.TRACKING else None
        if chunk is not None and chunk.image_stamp_ns is not None:
            self._image_age.record(sent_at_ns - chunk.image_stamp_ns)
            self._commanded.note(chunk.image_stamps_ns, sent_at_ns)

    def _take_mail(self) -> None:
        positions, self._new_positions = self._new_positions, None
        if positions is not None:
            self._guard.measure(*positions)
            if self._enable_when_ready:
                self._enable_when_ready = False
                self._guard.enable(positions[1])
        chunk, self._new_chunk = self._new_chunk, None
        if chunk is not None:
            try:
                self._guard.accept(*chunk)
                self._problems["action_chunk"] = ""
            except CommandError as error:
                self._problems["action_chunk"] = str(error)

    def _on_joint_states(self, message: bytes) -> None:
        try:
            positions, _ = self._joint_reader.read(message)
            self._new_positions = (positions, self._pace.now_ns())
            self._problems["joint_states"] = ""
        except ObservationError as error:
            self._problems["joint_states"] = str(error)

    def _on_chunk(self, message: bytes) -> None:
        arrival_ns = self._pace.now_ns()
        try:
            chunk = self._chunk_reader.read(message)
        except CommandError as error:
            with self._lock:
                self._guard.counters.refused_chunks += 1
            self._problems["action_chunk"] = str(error)
            return
        self._new_chunk = (chunk, arrival_ns)
        self._trace.span(Hop.RECEIVED, arrival_ns, self._pace.now_ns())
        self._received.note(chunk.image_stamps_ns, arrival_ns)

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        with self._lock:
            self._enable_when_ready = False
            try:
                if request.data:
                    self._take_mail()
                    self._guard.enable(self._pace.now_ns())
                else:
                    self._guard.disable()
                response.success = True
            except CommandError as error:
                response.success, response.message = False, str(error)
        return response

    def _ask_to_stop(self) -> None:
        with self._lock:
            self._enable_when_ready = False
            self._guard.stop(EMERGENCY_STOP)

    def _reset(self) -> None:
        with self._lock:
            self._guard.reset()

    def _state(self) -> tuple[bytes, str]:
        if self._loop.error is not None:
            return reports.ERROR, f"the {self._loop.name} failed: {self._loop.error}"
        mode = self._guard.mode
        reasons = [reason for reason in (self._guard.reason, *self._problems.values()) if reason]
        return LEVELS[mode], ": ".join([mode.value, *(["; ".join(reasons)] if reasons else [])])

    def _clear(self) -> None:
        self._period.clear()
        for times in (self._image_age, self._tick_time, self._received.age, self._commanded.age):
            times.clear()


def main() -> int:
    """Run the guard."""
    return run_node(GuardNode)


if __name__ == "__main__":
    sys.exit(main())
