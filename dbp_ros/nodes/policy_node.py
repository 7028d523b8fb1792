"""The policy as a lifecycle node: cameras and joint states in, chunks of actions out.

Configure loads, proves and warms up the model; activate decides; deactivate falls silent, so that
the guard holds. Decisions, encoding, ROS callbacks and the swap of models have a thread each, and
none waits for another.
"""

import sys
from collections.abc import Iterator
from typing import Any

from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from std_msgs.msg import String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from dbp_ros.bundle.bundle import bundle_directory
from dbp_ros.errors import DbpError, ObservationError
from dbp_ros.hotswap.model_slot import ModelSlot
from dbp_ros.nodes import diagnostics
from dbp_ros.nodes.conversions import ChunkWriter
from dbp_ros.nodes.ignored_messages import IgnoredMessages
from dbp_ros.nodes.lifecycle import ManagedNode
from dbp_ros.nodes.model_swap import ModelSwap
from dbp_ros.nodes.parameters import load_settings
from dbp_ros.nodes.policy_inputs import PolicyInputs
from dbp_ros.nodes.process import run_node
from dbp_ros.nodes.qos import COMMAND, EVERY
from dbp_ros.nodes.steady_clock import SteadyClock
from dbp_ros.policy.decision_rate import for_model, loop_rate_hz, overruled
from dbp_ros.policy.exploring_runner import ExploringRunner
from dbp_ros.policy.policy_runner import PolicyRunner
from dbp_ros.runtime.cpu_affinity import Role
from dbp_ros.runtime.rate_loop import RateThread
from dbp_ros.runtime.realtime import request_realtime
from dbp_ros.runtime.sim_clock import SimClock, scale_timeouts
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.telemetry.trace import Trace


class PolicyNode(ManagedNode):
    """Wires a `ModelSlot` of models to topics."""

    def __init__(self) -> None:
        super().__init__("policy")
        told = load_settings(self, PolicyConfig)
        self._config = scale_timeouts(told, "image_max_age_s", "joint_state_max_age_s")
        self._sim_clock = SimClock(told.real_time_factor)
        self._steady = SteadyClock(self.get_clock(), self._sim_clock)
        self._trace = Trace()
        self._relay: ModelSlot | None = None
        self._models = 0
        self._loop: RateThread | None = None
        self._paced: PolicyRunner | None = None
        self._reason = "not configured"
        self._ignored = IgnoredMessages(self.get_logger().warning)
        self._inputs = PolicyInputs(self, self._config, self._steady, self._ignored)
        self._refusals = 0
        self._publisher = self.create_publisher(JointTrajectory, "action_chunk", COMMAND)
        self._decisions = self.create_publisher(String, "decision", EVERY)
        self.create_service(Trigger, "~/begin_episode", diagnostics.answer_to(self._begin_episode))
        self._swap = ModelSwap(self, self._config, self._ignored)
        diagnostics.DiagnosticsReporter(
            self, "policy", self._state, self.statistics, self._clear, self._trace
        )
        for line in request_realtime(self._config, Role.POLICY):
            self.get_logger().info(line)
        if self._config.autostart:
            self._autostart()

    def close(self) -> None:
        """Stop deciding."""
        self._stop_deciding()
        self._unload()

    def statistics(self) -> dict[str, Any]:
        """Return every number the node keeps, fit for JSON."""
        relay = self._relay
        if relay is None:
            return {"reason": self._reason}
        decider = relay.active.decider
        manifest = decider.model.manifest
        return {
            "model": {
                "number": relay.active.number,
                "name": manifest.name,
                "version": manifest.version,
                "sha256": decider.model.bundle.sha256,
                **self._swap.report,
            },
            "reason": self._reason,
            "decision_rate_hz": for_model(self._config, manifest).decision_rate_hz,
            "refused_decisions": self._refusals,
            "ignored_messages": dict(self._ignored.counts),
            "dropped_images": relay.active.encoder.dropped,
            **decider.statistics(),
        }

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load, check, prove and warm up the model, and subscribe to what it needs."""
        try:
            first = self._swap.load_initial_model(bundle_directory(self._config.model))
            model = first.model
            kind = ExploringRunner if self._config.explore else PolicyRunner
            decider = kind(model, self._config, self._trace, self._steady.mapping)
        except DbpError as error:
            self._reason = f"no model: {error}"
            self.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        manifest = model.manifest
        self.get_logger().info(
            f"model {manifest.name} version {manifest.version} ({model.bundle.sha256[:12]}) gives "
            f"its proof within {first.difference:.2g}"
        )
        self._trace.cameras = manifest.camera_names
        self._relay = ModelSlot(decider, self._models + 1, self._trigger_decision)
        self._swap.begin(self._relay, first)
        self._writer = ChunkWriter(manifest.joints, self._steady)
        self._inputs.begin(manifest, self._relay)
        self._reason = "configured, not active"
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Decide."""
        assert self._relay is not None
        self._paced = self._relay.active.decider
        config = for_model(self._config, self._paced.model.manifest)
        self._loop = RateThread(
            "decision loop",
            loop_rate_hz(config.decision_rate_hz),
            self._decide,
            config.realtime_priority,
            self._sim_clock,
            config.earliest_decision,
        )
        self._loop.start()
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Fall silent, so that the guard brings the arms to rest, and end the episode."""
        self._stop_deciding()
        self._begin_episode()
        self._reason = "configured, not active"
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the model."""
        self._unload()
        self._reason = "not configured"
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Fall silent and free the model, for good."""
        self.close()
        self._reason = "shut down: start the node again to decide"
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Fall silent after an error in a transition; it may be configured again."""
        self.close()
        self._reason = f"not configured: a transition failed: {self.transition_failure}"
        return TransitionCallbackReturn.SUCCESS

    def _autostart(self) -> None:
        if self.trigger_configure() != TransitionCallbackReturn.SUCCESS:
            raise DbpError(self._reason)
        if self.trigger_activate() != TransitionCallbackReturn.SUCCESS:
            raise DbpError(self._reason)

    def _trigger_decision(self) -> None:
        """Start a decision from a new picture, unless one was made just now."""
        if (loop := self._loop) is not None:
            loop.trigger()

    def _decide(self, now_ns: int) -> None:
        loop, relay = self._loop, self._relay
        if loop is None or relay is None:
            # A transition did not wait for a decision that took too long.
            return
        try:
            decider, chunk = relay.decide(now_ns, loop.triggered)
        except ObservationError as error:
            self._refusals += 1
            self._reason = f"refusing: {error}"
            return
        self._publisher.publish(self._writer.write(chunk))
        decider.path.decide(chunk.image_stamps_ns, now_ns, self._sim_clock.now_ns())
        self._reason = ""
        if decider is not self._paced:
            # Another model decides from now on, perhaps at another rate.
            self._paced = decider
            config = for_model(self._config, decider.model.manifest)
            loop.set_rate(loop_rate_hz(config.decision_rate_hz), config.earliest_decision)
        if isinstance(decider, ExploringRunner) and (decision := decider.take_decision()):
            on_ros_time = decision.converted(self._steady.current().ros_ns)
            self._decisions.publish(String(data=on_ros_time.to_json()))

    def _begin_episode(self) -> None:
        self._swap.begin_episode()

    def _stop_deciding(self) -> None:
        if self._loop is not None:
            self._loop.stop()
            self._loop = None

    def _unload(self) -> None:
        self._inputs.end()
        self._swap.end()
        if self._relay is not None:
            self._models = self._relay.last_number
            self._relay.close()
        self._relay = None

    def _state(self) -> tuple[bytes, str]:
        for thread in (self._loop, self._swap.thread):
            if thread is not None and thread.error is not None:
                return diagnostics.ERROR, f"the {thread.name} failed: {thread.error}"
        sentences = [self._reason or "deciding", *filter(None, self._problems())]
        fine = self._loop is None or sentences == ["deciding"]
        if self._relay is not None:
            # A person chose it: worth a sentence, not a warning.
            note = overruled(self._config, self._relay.active.decider.model.manifest)
            sentences += [note] if note else []
        return (diagnostics.OK if fine else diagnostics.WARN), "; ".join(sentences)

    def _problems(self) -> Iterator[str]:
        yield self._inputs.problem
        yield "" if "/clock" in self._reason else self._steady.problem
        if self._relay is not None:
            yield self._relay.active.encoder.problem
            yield self._relay.active.decider.observer.warning
        yield self._swap.problem
        yield self._ignored.problem

    def _clear(self) -> None:
        self._refusals = 0
        if self._relay is not None:
            self._relay.active.decider.clear_numbers()


def main() -> int:
    """Run the policy node."""
    return run_node(PolicyNode)


if __name__ == "__main__":
    sys.exit(main())
