"""The recorder node: records episodes of a robot, driven by any node.

A bag has the measurements, images, commands, chunks and decisions of one episode, as serialised by
their publishers. An operator begins and ends episodes, see `RecordingInputs`.
"""

import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from trajectory_msgs.msg import JointTrajectory

from dbp_ros.data.recording.arrivals import Arrivals
from dbp_ros.data.recording.disk_space import DiskSpace
from dbp_ros.data.recording.recorder import LOCK, PREROLL_S, BagRecorder
from dbp_ros.data.recording.recording_manifest import RecordingManifest, manifest_of
from dbp_ros.data.recording.recording_session import RecordingSession
from dbp_ros.data.recording.ring_buffer import BYTES_PER_MB, RingBuffer
from dbp_ros.errors import BundleError, ConfigError, EpisodeError
from dbp_ros.files import locked, require_folder
from dbp_ros.hotswap.swap_status import SwapStatus
from dbp_ros.nodes import diagnostics
from dbp_ros.nodes.ignored_messages import IgnoredMessages
from dbp_ros.nodes.parameters import load_settings
from dbp_ros.nodes.process import run_node
from dbp_ros.nodes.recorded_topics import bag_topics, recorder_topics, subscribe_recorded
from dbp_ros.nodes.recording_inputs import RecordingInputs
from dbp_ros.runtime.cpu_affinity import Role
from dbp_ros.runtime.realtime import apply_cpu_affinity
from dbp_ros.settings.recorder import RecorderConfig
from dbp_ros.telemetry.policy_step import parse_policy_step
from dbp_ros.types import NS_PER_S, seconds_to_ns

# Time without a message after which a topic counts as missing.
SILENT_NS = 2 * NS_PER_S
WAITING = "waiting: begin an episode with key b of dbp record, a button or ~/begin_episode"


class RecorderNode(Node):  # type: ignore[misc]
    """Node with a `BagRecorder` and a `RecordingSession`."""

    def __init__(self) -> None:
        super().__init__("recorder")
        config = load_settings(self, RecorderConfig)
        self._manifest, folder = manifest_of(config), config.folder()
        self._topics = recorder_topics(self, config)
        # Without these an episode is useless.
        self._required = [r for r in self._topics if r == "joint_states" or r.startswith("image.")]
        self._model: SwapStatus | None = None
        self._chunk = b""
        self._lost_before = 0
        self._ignored = IgnoredMessages(self.get_logger().warning)
        self._arrivals = Arrivals(self._topics, time.monotonic_ns())
        self.get_logger().info(apply_cpu_affinity(Role.BACKGROUND))
        require_folder(folder, "out")
        self._resources = ExitStack()
        try:
            self._resources.enter_context(locked(folder / LOCK, 0.0))
        except TimeoutError:
            raise ConfigError(
                f"another recorder writes to {folder}: end it, or give another folder as out"
            ) from None
        self._recorder = BagRecorder(
            folder,
            bag_topics(self, self._topics),
            lambda _: None,
            config.bag_compression,
            RingBuffer(max(PREROLL_S, config.ring_buffer_s), config.ring_buffer_mb),
        )
        self._disk = DiskSpace(folder, config.min_free_gb)
        self._session = RecordingSession(
            self._recorder, self._metadata, self._disk, lambda: self._missing
        )
        self._inputs = RecordingInputs(self, self._run, config.task, config.buttons())
        subscribe_recorded(self, self._topics, self._record, self._arrivals.add_lost)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1.0, self._tick, clock=steady)
        diagnostics.DiagnosticsReporter(self, "recorder", self._state, self.statistics, self._clear)
        self.get_logger().info(f"episodes of {config.robot} are written to {folder}")
        if self._recorder.recovered:
            self.get_logger().warning(
                f"recovered the incomplete episodes {self._recorder.recovered}"
            )

    def close(self) -> None:
        """End the episode and write everything to the disk."""
        self._session.close(self._now_ns())
        self._recorder.close()
        self._resources.close()

    def statistics(self) -> dict[str, Any]:
        """Return the statistics, JSON-serialisable."""
        recorder, arrivals = self._recorder, self._arrivals
        remaining_s = self._disk.remaining_s(arrivals.bytes_per_s)
        return {
            "recording": recorder.recording,
            "writing": self._session.writing,
            "episode": recorder.number,
            "duration_s": round(self._session.duration_s(self._now_ns()), 1),
            "messages": recorder.messages,
            "megabytes": round(recorder.size_bytes / BYTES_PER_MB, 1),
            "megabytes_per_s": round(arrivals.bytes_per_s / BYTES_PER_MB, 2),
            "rates_hz": {self._topics[r].name: round(v, 1) for r, v in arrivals.rates_hz.items()},
            "required_hz": {
                self.resolve_topic_name(self._topics[role].name): round(arrivals.rates_hz[role], 1)
                for role in self._required
            },
            "missing": self._missing,
            "dropped_messages": recorder.dropped,
            "lost_messages": {self._topics[r].name: count for r, count in arrivals.lost.items()},
            "ignored_messages": dict(self._ignored.counts),
            "buffered_s": round(recorder.buffer.duration_s, 1),
            "buffered_mb": round(recorder.buffer.size_bytes / BYTES_PER_MB, 1),
            "free_gb": round(self._disk.free_gb, 2),
            "remaining_s": None if remaining_s is None else round(remaining_s),
            "ended": dict(self._session.ended),
            "discarded": self._session.discarded,
            "recovered": len(recorder.recovered),
            "task": self._inputs.task,
        }

    def _clear(self) -> None:
        self._arrivals.lost.clear()
        self._lost_before = 0

    @property
    def _missing(self) -> str:
        """Required topics without messages, as a sentence; empty if there are none."""
        silent = self._arrivals.silent(self._required, SILENT_NS, time.monotonic_ns())
        names = ", ".join(self.resolve_topic_name(self._topics[role].name) for role in silent)
        return f"no message on {names} for {SILENT_NS / NS_PER_S:g} s" if names else ""

    def _run(self, command: str) -> str:
        """Execute a command of an operator."""
        sentence = self._session.run(command, self._now_ns())
        if self._recorder.recording:
            self._lost_before = self._arrivals.lost.total()
        else:
            # The log of the state has the begin of an episode.
            self.get_logger().info(sentence)
        return sentence

    def _tick(self) -> None:
        self._arrivals.update(time.monotonic_ns())
        self._session.tick(self._now_ns())

    def _metadata(self) -> dict[str, Any]:
        """Return the metadata of an episode that begins now."""
        manifest = replace(self._manifest, task=self._inputs.task)
        if self._model is not None and self.count_publishers(self._topics["model"].name):
            manifest = replace(
                manifest,
                model=self._model.name,
                model_version=self._model.version,
                model_sha256=self._model.sha256,
            )
        return with_chunk_step(manifest, self._chunk).to_metadata()

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _record(self, role: str, data: bytes) -> None:
        """Record a message; drop a malformed one of those that are read as text."""
        try:
            value = self._topics[role].value(data)
            if role == "decision":
                parse_policy_step(value)
            elif role == "model":
                self._model = SwapStatus.from_json(value)
        except (EpisodeError, BundleError) as error:
            self._ignored.add(role, str(error))
            return
        if role == "chunk":
            self._chunk = data
        self._arrivals.add(role, len(data), time.monotonic_ns())
        self._recorder.record(role, data, self._now_ns())

    def _state(self) -> tuple[bytes, str]:
        if self._recorder.error is not None:
            return diagnostics.ERROR, f"the {self._recorder.name} failed: {self._recorder.error}"
        recording = self._recorder.recording
        sentence = f"recording episode {self._recorder.number}" if recording else WAITING
        if self._session.writing:
            sentence = f"{sentence}; the last episode is being written"
        lost = recording and self._arrivals.lost.total() > self._lost_before
        # Counts, which would change the state with every message, are in the statistics.
        problems = [
            self._session.problem,
            self._missing,
            "messages were dropped: use a faster disk" if self._recorder.dropped else "",
            "messages of this episode were lost: see network in dbp doctor" if lost else "",
            self._ignored.problem,
        ]
        if problem := "; ".join(filter(None, problems)):
            return diagnostics.WARN, f"{sentence}; {problem}"
        return diagnostics.OK, sentence


def with_chunk_step(manifest: RecordingManifest, chunk: bytes) -> RecordingManifest:
    """Return a manifest with the time between two points of a serialised chunk, if it has two."""
    try:
        points = deserialize_message(chunk, JointTrajectory).points if chunk else []
    except RuntimeError:
        return manifest
    if len(points) < 2:
        return manifest
    first, second = (
        seconds_to_ns(point.time_from_start.sec) + point.time_from_start.nanosec
        for point in points[:2]
    )
    return replace(manifest, step_s=(second - first) / NS_PER_S) if second > first else manifest


def main() -> int:
    """Run the recorder node."""
    return run_node(RecorderNode)


if __name__ == "__main__":
    sys.exit(main())
