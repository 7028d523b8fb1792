"""Policy lifecycle node: camera images and joint states in, action chunks out.

Configure loads, self-tests and warms up the model. Activate starts the decision loop. Deactivate
stops it, so that the guard holds. Decisions, encoding, ROS callbacks and the hot swap have one
thread each, without a lock across inference.
"""

import sys
from collections.abc import Iterator
from typing import Any

from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from std_msgs.msg import Bool, Int64, Int64MultiArray, String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from dbp_ros.bundle.bundle import bundle_directory
from dbp_ros.errors import DbpError, ObservationError
from dbp_ros.hotswap.model_slot import ModelSlot
from dbp_ros.nodes import diagnostics
from dbp_ros.nodes.conversions import ChunkWriter
from dbp_ros.nodes.ignored_messages import IgnoredMessages
from dbp_ros.nodes.image_stamps import TOPIC, ImageStampsWriter
from dbp_ros.nodes.lifecycle import ManagedNode
from dbp_ros.nodes.model_swap import ModelSwap
from dbp_ros.nodes.parameters import load_settings
from dbp_ros.nodes.policy_inputs import PolicyInputs
from dbp_ros.nodes.process import run_node
from dbp_ros.nodes.qos import COMMAND, EVENTS, LATCHED
from dbp_ros.nodes.stateful_topic import subscribe_stateful
from dbp_ros.nodes.steady_clock import SteadyClock
from dbp_ros.policy.decision_rate import loop_rate_hz, override_note, with_decision_rate
from dbp_ros.policy.exploring_runner import ExploringRunner
from dbp_ros.policy.policy_runner import PolicyRunner
from dbp_ros.runtime.cpu_affinity import Role
from dbp_ros.runtime.rate_loop import RateThread
from dbp_ros.runtime.realtime import request_realtime
from dbp_ros.runtime.sim_clock import SimClock, scale_timeouts
from dbp_ros.settings.learner import NEXT_EPISODE
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.telemetry.trace import Trace

# Topic of the learner with the number of the exploring policy's episode that is over, 0 for none.
EPISODE_OVER = "learner/episode_over"
WAITING = f"waiting for {NEXT_EPISODE}"


class PolicyNode(ManagedNode):
    """Lifecycle node that runs the models of a `ModelSlot`."""

    def __init__(self) -> None:
        super().__init__("policy")
        config = load_settings(self, PolicyConfig)
        self._config = scale_timeouts(config, "image_max_age_s", "joint_state_max_age_s")
        self._sim_clock = SimClock(config.real_time_factor)
        self._steady = SteadyClock(self.get_clock(), self._sim_clock)
        self._trace = Trace()
        self._slot: ModelSlot | None = None
        self._num_models = 0
        self._loop: RateThread | None = None
        self._loop_runner: PolicyRunner | None = None
        self._reason = "not configured"
        self._ignored = IgnoredMessages(self.get_logger().warning)
        self._inputs = PolicyInputs(self, self._config, self._steady, self._ignored)
        self._refusals = 0
        self._publisher = self.create_publisher(JointTrajectory, "action_chunk", COMMAND)
        self._image_stamps = self.create_publisher(Int64MultiArray, TOPIC, COMMAND)
        self._decisions = self.create_publisher(String, "decision", EVENTS)
        self.create_service(
            Trigger, "~/begin_episode", diagnostics.trigger_callback(self._begin_episode)
        )
        self._episode_over = 0
        if config.explore:
            self.create_subscription(Int64, EPISODE_OVER, self._on_episode_over, LATCHED)
        subscribe_stateful(self, Bool, "intervention", self._on_intervention)
        self._swap = ModelSwap(self, self._config, self._ignored)
        diagnostics.DiagnosticsReporter(
            self, "policy", self._state, self.statistics, self._clear, self._trace
        )
        for line in request_realtime(self._config, Role.POLICY):
            self.get_logger().info(line)
        if self._config.autostart:
            self._autostart()

    def close(self) -> None:
        """Stop the decision loop and unload the models."""
        self._stop_loop()
        self._unload()

    def statistics(self) -> dict[str, Any]:
        """Return all statistics, JSON-serialisable."""
        slot = self._slot
        if slot is None:
            return {"reason": self._reason}
        runner = slot.active.runner
        manifest = runner.model.manifest
        return {
            "model": {
                "number": slot.active.number,
                "name": manifest.name,
                "version": manifest.version,
                "sha256": runner.model.bundle.sha256,
                **self._swap.report,
            },
            "reason": self._reason,
            "decision_rate_hz": with_decision_rate(self._config, manifest).decision_rate_hz,
            "refused_decisions": self._refusals,
            "ignored_messages": dict(self._ignored.counts),
            "dropped_images": slot.active.encoder.dropped,
            **runner.statistics(),
        }

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load and self-test the model, and subscribe to its inputs."""
        try:
            initial = self._swap.load_initial_model(bundle_directory(self._config.model))
            model = initial.model
            create_runner = ExploringRunner if self._config.explore else PolicyRunner
            runner = create_runner(model, self._config, self._trace, self._steady.mapping)
        except DbpError as error:
            self._reason = f"no model: {error}"
            self.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        manifest = model.manifest
        self.get_logger().info(
            f"model {manifest.name} version {manifest.version} ({model.bundle.sha256[:12]}): "
            f"self-test error {initial.golden_error:.2g}"
        )
        self._trace.cameras = manifest.camera_names
        self._slot = ModelSlot(runner, self._num_models + 1)
        self._swap.start(self._slot, initial)
        self._writer = ChunkWriter(manifest.joints, self._steady)
        self._image_stamps_writer = ImageStampsWriter(self._steady)
        self._inputs.subscribe(manifest, self._slot)
        self._reason = "configured, not active"
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start the decision loop."""
        assert self._slot is not None
        self._loop_runner = self._slot.active.runner
        config = with_decision_rate(self._config, self._loop_runner.model.manifest)
        self._loop = RateThread(
            "decision loop",
            loop_rate_hz(config.decision_rate_hz),
            self._step,
            config.realtime_priority,
            self._sim_clock,
            config.earliest_decision,
        )
        self._slot.trigger = self._loop.trigger
        self._loop.start()
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop the decision loop, so that the guard stops the arms, and end the episode."""
        self._stop_loop()
        self._begin_episode()
        self._reason = "configured, not active"
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unload the models."""
        self._unload()
        self._reason = "not configured"
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop the decision loop and unload the models permanently."""
        self.close()
        self._reason = "shut down: start the node again"
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop after an error in a transition; the node may be configured again."""
        self.close()
        self._reason = f"not configured: a transition failed: {self.transition_failure}"
        return TransitionCallbackReturn.SUCCESS

    def _autostart(self) -> None:
        if self.trigger_configure() != TransitionCallbackReturn.SUCCESS:
            raise DbpError(self._reason)
        if self.trigger_activate() != TransitionCallbackReturn.SUCCESS:
            raise DbpError(self._reason)

    def _step(self, now_ns: int) -> None:
        loop, slot = self._loop, self._slot
        if loop is None or slot is None:
            # A transition timed out on a step that took too long.
            return
        if self._episode_over == slot.execution.episode:
            # Exploration that is not recorded teaches nothing.
            self._reason = WAITING
            return
        try:
            chunk = slot.step(now_ns, loop.triggered)
        except ObservationError as error:
            self._refusals += 1
            self._reason = f"refusing: {error}"
            return
        if (image_stamps := self._image_stamps_writer.write(chunk)) is not None:
            # Before the chunk: the guard reads them after it.
            self._image_stamps.publish(image_stamps)
        self._publisher.publish(self._writer.write(chunk))
        execution, end_ns = slot.execution, self._sim_clock.now_ns()
        execution.statistics.frame_latency.record_step(chunk.image_stamps_ns, now_ns, end_ns)
        self._reason = ""
        if (runner := slot.active.runner) is not self._loop_runner:
            # Another model is active, perhaps of another rate.
            self._loop_runner = runner
            config = with_decision_rate(self._config, runner.model.manifest)
            loop.set_rate(loop_rate_hz(config.decision_rate_hz), config.earliest_decision)
        if (decision := execution.take_last_decision()) is not None:
            on_ros_time = decision.with_stamps(self._steady.current().ros_ns)
            self._decisions.publish(String(data=on_ros_time.to_json()))

    def _begin_episode(self) -> None:
        self._swap.begin_episode()

    def _on_intervention(self, message: Bool) -> None:
        """Drop the current chunk when an operator returns control: the arms have moved since."""
        if not message.data and self._slot is not None:
            self._slot.execution.current_chunk = None

    def _on_episode_over(self, message: Int64) -> None:
        self._episode_over = message.data

    def _stop_loop(self) -> None:
        if self._loop is not None:
            self._loop.stop()
            self._loop = None
        if self._slot is not None:
            self._slot.trigger = lambda: None

    def _unload(self) -> None:
        self._inputs.unsubscribe()
        self._swap.stop()
        if self._slot is not None:
            self._num_models = self._slot.last_number
            self._slot.close()
        self._slot = None

    def _state(self) -> tuple[bytes, str]:
        for thread in (self._loop, self._swap.thread):
            if thread is not None and thread.error is not None:
                return diagnostics.ERROR, f"the {thread.name} failed: {thread.error}"
        sentences = [self._reason or "deciding", *filter(None, self._problems())]
        fine = self._loop is None or sentences in (["deciding"], [WAITING])
        if self._slot is not None:
            # An intended setting: mentioned, but not a warning.
            note = override_note(self._config, self._slot.active.runner.model.manifest)
            sentences += [note] if note else []
        return (diagnostics.OK if fine else diagnostics.WARN), "; ".join(sentences)

    def _problems(self) -> Iterator[str]:
        yield self._inputs.problem
        yield "" if "/clock" in self._reason else self._steady.problem
        if self._slot is not None:
            yield self._slot.active.encoder.problem
            yield self._slot.active.runner.observations.warning
        yield self._swap.problem
        yield self._ignored.problem

    def _clear(self) -> None:
        self._refusals = 0
        if self._slot is not None:
            self._slot.active.runner.clear_statistics()


def main() -> int:
    """Run the policy node."""
    return run_node(PolicyNode)


if __name__ == "__main__":
    sys.exit(main())
