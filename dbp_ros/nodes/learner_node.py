"""The learner node: records the episodes of an exploring policy and announces new versions.

Images, joint states, policy steps and rewards are written to a bag for each episode. A separate
process reads the bags and trains, so training never blocks the robot. Without a next episode an
exploring policy waits, see `~/episode_over`.
"""

import math
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Float64, Int64, String
from std_srvs.srv import Trigger

from dbp_ros.bundle.bundle import bundle_directory, read_bundle
from dbp_ros.data.bag import FELL_BACK, BagTopic
from dbp_ros.data.bag_retention import BagRetention
from dbp_ros.data.recorder import BagRecorder
from dbp_ros.data.segmentation import EpisodeSegmenter
from dbp_ros.errors import BundleError, DbpError, EpisodeError
from dbp_ros.guard_state import GuardState
from dbp_ros.hotswap.swap_status import SwapStatus
from dbp_ros.nodes import diagnostics
from dbp_ros.nodes.camera_images import transport_of
from dbp_ros.nodes.ignored_messages import IgnoredMessages
from dbp_ros.nodes.joined_learner import JoinedLearner
from dbp_ros.nodes.learner_process import LearnerProcess
from dbp_ros.nodes.message_definitions import message_definition
from dbp_ros.nodes.model_sender import ModelSender
from dbp_ros.nodes.parameters import load_settings
from dbp_ros.nodes.process import run_node
from dbp_ros.nodes.qos import EVENTS, LATCHED
from dbp_ros.nodes.stateful_topic import subscribe_stateful
from dbp_ros.runtime.cpu_affinity import Role
from dbp_ros.runtime.realtime import apply_cpu_affinity
from dbp_ros.settings.learner import LearnerConfig
from dbp_ros.telemetry.policy_step import parse_policy_step

# Depth for recording every message.
RECORDED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=100, reliability=ReliabilityPolicy.BEST_EFFORT
)
WATCH_RATE_HZ = 20
# Types with one field, which are validated before they are recorded.
VALIDATED = (Bool, Float64, String)


class LearnerNode(Node):  # type: ignore[misc]
    """Node with a `BagRecorder` and a `LearnerProcess`."""

    def __init__(self) -> None:
        super().__init__("learner")
        config = load_settings(self, LearnerConfig)
        manifest = read_bundle(bundle_directory(config.model)).manifest
        topics: dict[str, tuple[Any, str, QoSProfile]] = {
            "joint_states": (JointState, "joint_states", RECORDED),
            "decision": (String, "decision", EVENTS),
            "reward": (Float64, "reward", RECORDED),
            "success": (Bool, "success", LATCHED),
            "intervention": (Bool, "intervention", LATCHED),
            "guard_state": (String, "guard/state", LATCHED),
        }
        images = transport_of(config.image_transport)
        for camera in manifest.camera_names:
            topics[f"image.{camera}"] = (images.message_type, images.topic(self, camera), RECORDED)
        self._metadata: dict[str, Any] = {
            "task": config.task,
            "joints": list(manifest.joints),
            "cameras": list(manifest.camera_names),
            "step_s": manifest.action.step_s,
        }
        self._problems: dict[str, str] = {}
        self._ignored = IgnoredMessages(self.get_logger().warning)
        self._missing_images = {
            r: topic for r, (_, topic, _) in topics.items() if r.startswith("image.")
        }
        self._sender = ModelSender(self, config.share_path)
        # The learner process inherits the affinity.
        self.get_logger().info(apply_cpu_affinity(Role.BACKGROUND))
        self._learner = self._start_learner(config)
        limits = config.max_bags_mb, config.max_bag_age_h, config.max_waiting_episodes
        self._retention = BagRetention(self._learner.episodes, *limits)
        self._recorder = BagRecorder(
            self._learner.episodes,
            self._bag_topics(topics),
            self._on_bag_closed,
            config.bag_compression,
        )
        self._segmenter = EpisodeSegmenter(self._recorder, self._metadata, config.time_limit_s)
        for role, (kind, topic, qos) in topics.items():
            callback = partial(self._record, role, kind)
            if qos is LATCHED:
                subscribe_stateful(self, kind, topic, callback, raw=True)
            else:
                self.create_subscription(kind, topic, callback, qos, raw=True)
        self.create_subscription(String, "policy/model", self._on_model, LATCHED)
        self._episode_over = self.create_publisher(Int64, "~/episode_over", LATCHED)
        self._published_over, self._ticks = -1, 0
        self._publish_over()
        self._create_trigger("begin_episode", lambda: self._segmenter.begin(self._now_ns()))
        self._create_trigger("end_episode", lambda: self._segmenter.truncate(self._now_ns()))
        self._create_trigger("end_success", lambda: self._segmenter.end("success", self._now_ns()))
        self._create_trigger("end_failure", lambda: self._segmenter.end("failure", self._now_ns()))
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1.0 / WATCH_RATE_HZ, self._tick, clock=steady)
        diagnostics.DiagnosticsReporter(self, "learner", self._state, self.statistics, lambda: None)
        if self._recorder.recovered:
            self.get_logger().warning(
                f"recovered the incomplete episodes {self._recorder.recovered}"
            )
            self._learner.notify()

    def _start_learner(self, config: LearnerConfig) -> LearnerProcess | JoinedLearner:
        if not config.join:
            return LearnerProcess(config, self._announce)
        robot = self.get_namespace().strip("/").replace("/", "_") or self.get_name()
        return JoinedLearner(Path(config.join), robot, self._announce)

    def close(self) -> None:
        """Write everything to disk, and end the learner process."""
        self._recorder.close()
        self._learner.close()

    def statistics(self) -> dict[str, Any]:
        """Return the statistics of the node and the learner process, JSON-serialisable."""
        return {
            "episode": self._recorder.number,
            "recording": self._recorder.recording,
            "ended": dict(self._segmenter.ended),
            "mended_episodes": len(self._recorder.recovered),
            "deleted_episodes": self._retention.deleted,
            "dropped_messages": self._recorder.dropped,
            "ignored_messages": dict(self._ignored.counts),
            "learner": self._learner.statistics,
        }

    def _bag_topics(self, topics: dict[str, tuple[Any, str, QoSProfile]]) -> dict[str, BagTopic]:
        kinds = {kind: kind.__module__.split(".")[0] for kind, _, _ in topics.values()}
        names = {kind: f"{package}/msg/{kind.__name__}" for kind, package in kinds.items()}
        return {
            role: BagTopic(
                self.resolve_topic_name(topic),
                names[kind],
                message_definition(names[kind]),
                latched=qos is LATCHED,
            )
            for role, (kind, topic, qos) in topics.items()
        }

    def _create_trigger(self, service: str, action: Callable[[], str | None]) -> None:
        def act() -> str | None:
            try:
                return action()
            finally:
                self._publish_over()

        self.create_service(Trigger, f"~/{service}", diagnostics.trigger_callback(act))

    def _tick(self) -> None:
        self._ticks += 1
        if self._ticks % WATCH_RATE_HZ == 0:
            # Another robot may have recorded an episode.
            self._learner.notify()
        self._segmenter.tick(self._now_ns())
        self._publish_over()

    def _publish_over(self) -> None:
        """Publish the number of the policy's episode that is over, if that has changed."""
        if self._published_over != self._segmenter.episode_over:
            self._published_over = self._segmenter.episode_over
            self._episode_over.publish(Int64(data=self._published_over))

    def _on_bag_closed(self, _: int) -> None:
        self._retention.apply()
        self._learner.notify()

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _record(self, role: str, kind: Any, data: bytes) -> None:
        """Record a message; drop a malformed one, which would make the bag unreadable."""
        now_ns = self._now_ns()
        self._missing_images.pop(role, None)
        try:
            value: Any = _deserialise(kind, data) if kind in VALIDATED else None
            if role == "decision":
                self._segmenter.on_policy_step(parse_policy_step(value), now_ns)
        except EpisodeError as error:
            self._ignored.add(role, str(error))
            return
        self._recorder.record(role, data, now_ns)
        if role == "success":
            self._segmenter.on_success(value, now_ns)
        elif role == "guard_state":
            self._segmenter.on_guard_state(GuardState.parse(value), now_ns)
        self._publish_over()

    def _on_model(self, message: String) -> None:
        """Add a rollback of the policy to the metadata of the next episodes."""
        try:
            state = SwapStatus.from_json(message.data)
        except BundleError as error:
            self._ignored.add("policy/model", str(error))
            return
        rollback = {"from": state.candidate, "to": state.sha256}
        self._metadata[FELL_BACK] = rollback if state.candidate_failed else None

    def _announce(self, directory: Path) -> None:
        """Announce a new version; an error must not end the reader thread of `LearnerProcess`."""
        try:
            announcement = self._sender.announce(directory)
        except (DbpError, OSError) as error:
            self._problems["version"] = f"{directory} was not announced: {error}"
            return
        self._problems.pop("version", None)
        self.get_logger().info(f"announced {directory.name} ({announcement.sha256[:12]})")

    def _state(self) -> tuple[bytes, str]:
        if self._recorder.error is not None:
            return diagnostics.ERROR, f"the {self._recorder.name} failed: {self._recorder.error}"
        if self._learner.problem:
            return diagnostics.ERROR, self._learner.problem
        problems = [*filter(None, (*self._problems.values(), self._ignored.problem))]
        if self._recorder.dropped:
            problems.append(f"{self._recorder.dropped} messages dropped")
        if self._missing_images and self._recorder.recording:
            topics = ", ".join(self._missing_images.values())
            problems.append(f"no image on {topics}: is image_transport as in the policy?")
        if problems:
            return diagnostics.WARN, "; ".join(problems)
        waiting_for = self._segmenter.waiting_for
        sentence = (
            f"waiting for {waiting_for}"
            if waiting_for
            else f"recording episode {self._recorder.number}"
        )
        return diagnostics.OK, "; ".join(filter(None, (sentence, self._learner.progress)))


def _deserialise(kind: Any, data: bytes) -> Any:
    """Return the value of a serialised message of one field.

    Raises:
        EpisodeError: If it cannot be deserialised, or is a number that is not finite.
    """
    try:
        value = deserialize_message(data, kind).data
    except RuntimeError as error:
        raise EpisodeError(f"{len(data)} bytes are no {kind.__name__}") from error
    if isinstance(value, float) and not math.isfinite(value):
        raise EpisodeError(f"{value}, expected a finite number")
    return value


def main() -> int:
    """Run the learner node."""
    return run_node(LearnerNode)


if __name__ == "__main__":
    sys.exit(main())
