"""Execution of a policy: newest observation, one forward pass of the head, action chunk."""

import time
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dbp_ros.bundle.manifest import Manifest
from dbp_ros.errors import ModelOutputError, ObservationError
from dbp_ros.policy.decision_rate import loop_rate_hz, with_decision_rate
from dbp_ros.policy.execution_state import ExecutionState
from dbp_ros.policy.model import Model
from dbp_ros.policy.observation_buffer import Observation, ObservationBuffer
from dbp_ros.policy.policy_statistics import PolicyStatistics
from dbp_ros.runtime.clock_mapping import ClockMapping
from dbp_ros.runtime.sim_clock import SimClock
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.telemetry.latency import Histogram
from dbp_ros.telemetry.trace import Trace
from dbp_ros.types import NS_PER_S, ActionChunk, Floats, Frame, seconds_to_ns


class PolicyRunner:
    """A model applied to the sensor streams of one robot.

    Images are encoded on arrival and a step uses the newest features, so a step costs one forward
    pass of the head. `add_joint_state`, `add_image` and `step` may be called by different threads.

    Attributes:
        model: The model.
        execution: State that it shares with the runners of other models.
        observations: Newest observations; shared with models of the same inputs.
        recent_inference: Durations of this model's inferences; the swap replaces the histogram.
        is_candidate: Whether its encodings are excluded from the statistics.
    """

    def __init__(
        self,
        model: Model,
        config: PolicyConfig,
        trace: Trace | None = None,
        clocks: ClockMapping | None = None,
        execution: ExecutionState | None = None,
    ) -> None:
        """Prepare to run.

        Args:
            model: The model to run.
            config: Settings.
            trace: Receives spans; a private trace if None.
            clocks: Relation of the steady clock to that of the stamps, on which the steps of a
                chunk are timed; the same clock if None.
            execution: State of the active runner, for a candidate; a new state if None.
        """
        manifest = model.manifest
        self.model = model
        self.observations = ObservationBuffer(manifest, config, clocks)
        self.recent_inference = Histogram()
        self.is_candidate = execution is not None
        self._config = config
        self._clocks = clocks or ClockMapping()
        self._sim_clock = SimClock(config.real_time_factor)
        rate_hz = with_decision_rate(config, manifest).decision_rate_hz
        loop_hz = loop_rate_hz(rate_hz)
        self._tick_ns = seconds_to_ns(1.0 / loop_hz)
        # In a loop faster than the model a step may be early by half a period of the loop.
        self._interval_ns = seconds_to_ns(1 / rate_hz - 0.5 / loop_hz) if loop_hz > rate_hz else 0
        self._stepped_ns: int | None = None
        self._period_ns = round(NS_PER_S / rate_hz)
        self._num_executed = manifest.action.horizon
        self._configure(config)
        self.execution = execution or ExecutionState(
            config,
            PolicyStatistics(manifest.camera_names, trace or Trace(), self._period_ns),
        )
        steps = np.arange(1, manifest.action.horizon + 1)
        self._due_ns = steps * seconds_to_ns(manifest.action.step_s)
        self._executed_due_ns = self._due_ns[: self._num_executed]
        self._latent = self.execution.latent(manifest.latent_shape)
        # State of a recurrent policy, and the episode that it belongs to.
        self._state, self._state_episode = model.initial_state, self.execution.episode

    def _configure(self, config: PolicyConfig) -> None:
        """Set how a subclass executes a chunk."""

    def create_candidate(self, model: Model) -> "PolicyRunner":
        """Return a runner of another model that can replace this one.

        It shares the execution state, and the observations if both models take the same inputs.
        Otherwise it must receive joint states and images before its first step.
        """
        candidate = type(self)(model, self._config, clocks=self._clocks, execution=self.execution)
        if same_inputs(self.model.manifest, model.manifest):
            candidate.observations = self.observations
        return candidate

    def activate(self) -> None:
        """Make this the runner that controls the robot; its next step computes a new chunk."""
        self.is_candidate = False
        self._stepped_ns = None
        self._state = self.model.initial_state
        self.execution.statistics.set_period(self._period_ns)

    def statistics(self) -> dict[str, Any]:
        """Return all statistics, JSON-serialisable."""
        frozen = {"frozen_images": self.observations.frozen_images()}
        return self.execution.statistics.summary() | frozen

    def clear_statistics(self) -> None:
        """Delete all statistics."""
        self.execution.statistics.clear()
        self.observations.clear_frozen_images()

    def add_joint_state(self, positions: Floats, stamp_ns: int, arrival_ns: int) -> None:
        """Add joint positions. Shape (nu,), in the order of the model's joints."""
        self.observations.add_joint_state(positions, stamp_ns, arrival_ns)

    def add_image(self, camera: str, frame: Frame, arrival_ns: int) -> None:
        """Encode an image and add its features to the observations.

        Raises:
            ObservationError: If the encoder takes only images of another shape.
        """
        start_ns = self._sim_clock.now_ns()
        features = self.model.encode(camera, frame.image)
        end_ns = self._sim_clock.now_ns()
        self.observations.add_features(camera, frame, features, arrival_ns)
        if not self.is_candidate:
            statistics = self.execution.statistics
            statistics.encoding.record(self._sim_clock.wall_duration_ns(start_ns, end_ns))
            statistics.frame_latency.record_encoding(camera, frame.stamp_ns, start_ns, end_ns)

    def step(self, now_ns: int, triggered: bool = False) -> ActionChunk:
        """Return the chunk to execute: a new one, or the remaining points of the current one.

        Args:
            now_ns: Steady time.
            triggered: Whether a new image started this step before the period was over.

        Raises:
            ObservationError: If the observation cannot be used.
            ModelOutputError: If the model's output is not finite.
        """
        execution = self.execution
        try:
            observation = self.observations.get_observation(now_ns)
            chunk = execution.current_chunk
            if chunk is not None and not self._is_due(chunk, now_ns, triggered):
                return remaining_points(chunk, observation.stamp_ns)
            chunk = self._compute_chunk(observation, now_ns, triggered)
        except ObservationError:
            execution.current_chunk = None
            execution.statistics.period.pause(now_ns)
            raise
        execution.current_chunk, self._stepped_ns = chunk, now_ns
        return chunk

    def run_once(self, now_ns: int) -> tuple[Observation, ActionChunk]:
        """Return an observation and the chunk of a candidate for it, which is not executed.

        Only `recent_inference` and the state of a recurrent policy change. May run concurrently
        with `step` of the active runner.

        Raises:
            ObservationError: If the observation cannot be used.
            ModelOutputError: If the state of a recurrent policy is not finite.
        """
        observation = self.observations.get_observation(now_ns)
        start_ns = time.perf_counter_ns()
        action = self._advance(observation, self._latent.value)
        self.recent_inference.record(time.perf_counter_ns() - start_ns)
        return observation, self._to_chunk(observation, action, self._due_ns)

    def _is_due(self, chunk: ActionChunk, now_ns: int, triggered: bool) -> bool:
        """Return whether a new chunk must replace the current one."""
        last_ns = self._stepped_ns
        return triggered or last_ns is None or now_ns - last_ns >= self._interval_ns

    def _compute_chunk(self, observation: Observation, now_ns: int, triggered: bool) -> ActionChunk:
        statistics = self.execution.statistics
        latent = self._latent.advance_to(now_ns, self._clocks.factor)
        start_ns = time.perf_counter_ns()
        action = self._predict(observation, latent)
        inference_ns = time.perf_counter_ns() - start_ns
        statistics.inference.record(inference_ns)
        self.recent_inference.record(inference_ns)
        if not np.isfinite(action).all():
            raise ModelOutputError("the model's output is not finite")
        statistics.period.record(now_ns, triggered)
        if (image_stamp_ns := observation.image_stamp_ns) is not None:
            statistics.image_age.record(now_ns - image_stamp_ns)
        executed = action[: self._num_executed]
        return self._to_chunk(observation, executed, self._executed_due_ns)

    def _predict(self, observation: Observation, latent: Floats) -> Floats:
        """Return the action to execute. Shape (horizon, nu)."""
        return self._advance(observation, latent)

    def _advance(self, observation: Observation, latent: Floats) -> Floats:
        """Return the model's action, and advance the state of a recurrent policy."""
        model, inputs = self.model, (observation.positions, observation.features, latent)
        if self._state is None or model.initial_state is None:
            return model.predict(*inputs)
        if self._state_episode != self.execution.episode:
            self._state, self._state_episode = model.initial_state, self.execution.episode
        action, state = model.advance(*inputs, self._state)
        if not np.isfinite(state).all():
            raise ModelOutputError("the model's recurrent state is not finite")
        self._state = state
        return action

    def _to_chunk(
        self, observation: Observation, action: Floats, due_ns: NDArray[np.int64]
    ) -> ActionChunk:
        stamp_ns = observation.stamp_ns
        return ActionChunk(
            positions=action.astype(np.float64),
            due_ns=stamp_ns + self._clocks.steady_durations_ns(due_ns),
            stamp_ns=stamp_ns,
            image_stamps_ns=tuple(observation.image_stamps_ns.values()),
        )


def remaining_points(chunk: ActionChunk, stamp_ns: int) -> ActionChunk:
    """Return the points of a chunk that are due after a newer observation, stamped with it."""
    first = min(int(np.searchsorted(chunk.due_ns, stamp_ns, "right")), len(chunk.due_ns) - 1)
    return replace(
        chunk, positions=chunk.positions[first:], due_ns=chunk.due_ns[first:], stamp_ns=stamp_ns
    )


def same_inputs(first: Manifest, second: Manifest) -> bool:
    """Return whether two models take the same joints and history, with identical encoders."""
    return (
        first.joints == second.joints
        and first.history == second.history
        and first.cameras == second.cameras
        and all(first.files[c.encoder] == second.files[c.encoder] for c in first.cameras)
    )
