"""The learner node: records the episodes of an exploring policy and announces new versions.

Images, joint states, policy steps and rewards are written to a bag for each episode. A separate
process reads the bags and trains, so training never blocks the robot. Without a next episode an
exploring policy waits, see `~/episode_over`.
"""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from std_msgs.msg import Int64, String
from std_srvs.srv import Trigger

from dbp_ros.bundle.bundle import bundle_directory, read_bundle
from dbp_ros.data.bags.bag import FELL_BACK
from dbp_ros.data.recording.bag_retention import BagRetention
from dbp_ros.data.recording.recorder import LOCK, BagRecorder
from dbp_ros.data.recording.segmentation import EpisodeSegmenter
from dbp_ros.errors import BundleError, ConfigError, DbpError, EpisodeError
from dbp_ros.files import locked
from dbp_ros.guard_state import GuardState
from dbp_ros.hotswap.swap_status import SwapStatus
from dbp_ros.nodes import diagnostics
from dbp_ros.nodes.ignored_messages import IgnoredMessages
from dbp_ros.nodes.joined_learner import JoinedLearner
from dbp_ros.nodes.learner_process import LearnerProcess
from dbp_ros.nodes.model_sender import ModelSender
from dbp_ros.nodes.parameters import load_settings
from dbp_ros.nodes.process import run_node
from dbp_ros.nodes.qos import LATCHED
from dbp_ros.nodes.recorded_topics import bag_topics, episode_topics, subscribe_recorded
from dbp_ros.runtime.cpu_affinity import Role
from dbp_ros.runtime.realtime import apply_cpu_affinity
from dbp_ros.settings.learner import LearnerConfig
from dbp_ros.telemetry.policy_step import parse_policy_step

WATCH_RATE_HZ = 20
# A node that ends releases its folder within this time.
LOCK_TIMEOUT_S = 12.0


class LearnerNode(Node):  # type: ignore[misc]
    """Node with a `BagRecorder` and a `LearnerProcess`."""

    def __init__(self) -> None:
        super().__init__("learner")
        config = load_settings(self, LearnerConfig)
        manifest = read_bundle(bundle_directory(config.model)).manifest
        self._topics = episode_topics(self, manifest.camera_names, config.image_transport)
        self._metadata: dict[str, Any] = {
            "task": config.task,
            "joints": list(manifest.joints),
            "cameras": list(manifest.camera_names),
            "step_s": manifest.action.step_s,
        }
        self._problems: dict[str, str] = {}
        self._ignored = IgnoredMessages(self.get_logger().warning)
        self._missing_images = {
            role: topic.name for role, topic in self._topics.items() if role.startswith("image.")
        }
        self._sender = ModelSender(self, config.share_path)
        # The learner process inherits the affinity.
        self.get_logger().info(apply_cpu_affinity(Role.BACKGROUND))
        self._learner = self._start_learner(config)
        self._resources = ExitStack()
        if not config.join:
            self._lock_episodes(self._learner.episodes)
        limits = config.max_bags_mb, config.max_bag_age_h, config.max_waiting_episodes
        self._retention = BagRetention(self._learner.episodes, *limits)
        self._recorder = BagRecorder(
            self._learner.episodes,
            bag_topics(self, self._topics),
            self._on_bag_closed,
            config.bag_compression,
        )
        self._segmenter = EpisodeSegmenter(self._recorder, self._metadata, config.time_limit_s)
        subscribe_recorded(self, self._topics, self._record)
        self.create_subscription(String, "policy/model", self._on_model, LATCHED)
        self._episode_over = self.create_publisher(Int64, "~/episode_over", LATCHED)
        # Nothing is published before an episode is over: a policy that waits must not move again
        # when this node is restarted.
        self._published_over, self._ticks = 0, 0
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

    def _lock_episodes(self, folder: Path) -> None:
        """Reserve the folder: another recorder would take its running bag for that of a killed one.

        Raises:
            ConfigError: If another learner records to it.
        """
        try:
            self._resources.enter_context(locked(folder / LOCK, LOCK_TIMEOUT_S))
        except TimeoutError as error:
            self._learner.close()
            raise ConfigError(
                f"another learner records to {folder}: give another folder as out, or join it by "
                f"--join {folder.parent} ({error})"
            ) from error

    def close(self) -> None:
        """Write everything to disk, and end the learner process."""
        self._recorder.close()
        self._learner.close()
        self._resources.close()

    def statistics(self) -> dict[str, Any]:
        """Return the statistics of the node and the learner process, JSON-serialisable."""
        return {
            "episode": self._recorder.number,
            "recording": self._recorder.recording,
            "ended": dict(self._segmenter.ended),
            "recovered_episodes": len(self._recorder.recovered),
            "deleted_episodes": self._retention.deleted,
            "dropped_messages": self._recorder.dropped,
            "ignored_messages": dict(self._ignored.counts),
            "learner": self._learner.statistics,
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

    def _record(self, role: str, data: bytes) -> None:
        """Record a message; drop a malformed one, which would make the bag unreadable."""
        now_ns = self._now_ns()
        self._missing_images.pop(role, None)
        try:
            value = self._topics[role].value(data)
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


def main() -> int:
    """Run the learner node."""
    return run_node(LearnerNode)


if __name__ == "__main__":
    sys.exit(main())
