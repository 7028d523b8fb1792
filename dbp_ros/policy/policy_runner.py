"""Decides: from the newest observation, through one forward pass, to a chunk of actions."""

import time
from dataclasses import replace
from typing import Any

import numpy as np

from dbp_ros.bundle.manifest import Manifest
from dbp_ros.errors import ModelOutputError, ObservationError
from dbp_ros.policy.ar1_latent import AR1Latent
from dbp_ros.policy.decision_rate import for_model, loop_rate_hz
from dbp_ros.policy.model import Model
from dbp_ros.policy.observation_buffer import Observation, ObservationBuffer
from dbp_ros.runtime.clock_mapping import ClockMapping
from dbp_ros.runtime.sim_clock import SimClock
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.telemetry.frame_latency import FrameLatency
from dbp_ros.telemetry.latency import Histogram, PeriodRecorder
from dbp_ros.telemetry.trace import Trace
from dbp_ros.types import NS_PER_S, ActionChunk, Floats, Frame, seconds_to_ns


class PolicyRunner:
    """A model at work on the streams of one robot.

    Pictures are encoded when they arrive and decisions use the features at hand, so that a
    decision costs one pass of the head. The latent is drawn once an episode: with a new one for
    each decision the arms would change their mind a hundred times a second.

    `feel`, `see` and `decide` may each be called by a thread of its own.

    Attributes:
        path: The way of the pictures.
        recent: How long its own inferences took since somebody put a new histogram here.
    """

    def __init__(
        self,
        model: Model,
        config: PolicyConfig,
        trace: Trace | None = None,
        clocks: ClockMapping | None = None,
    ) -> None:
        """Prepare to decide.

        Args:
            model: What decides.
            config: How.
            trace: Where it is recorded; somewhere of its own if not given.
            clocks: Relation of the steady clock to that of the stamps, on which the model's steps
                are timed; the same clock if None.
        """
        self.model = model
        self.path = FrameLatency(model.manifest.camera_names, trace or Trace())
        self._clocks = clocks or ClockMapping()
        self.observer = ObservationBuffer(model.manifest, config, self._clocks)
        self.encoding = Histogram()
        self.inference = Histogram()
        self.image_age = Histogram()
        rate_hz = for_model(config, model.manifest).decision_rate_hz
        self.period = PeriodRecorder(round(NS_PER_S / rate_hz))
        self.recent = Histogram()
        self._config = config
        self._sim_clock = SimClock(config.real_time_factor)
        self._seed = config.latent_seed
        # A loop that is faster than the model is still early by half of one of its periods.
        loop_hz = loop_rate_hz(rate_hz)
        self._between_ns = seconds_to_ns(1 / rate_hz - 0.5 / loop_hz) if loop_hz > rate_hz else 0
        self._last: tuple[ActionChunk, int] | None = None
        action = model.manifest.action
        self._due_ns = np.arange(1, action.horizon + 1) * seconds_to_ns(action.step_s)
        self._latent = AR1Latent(
            (action.horizon, len(model.manifest.joints)),
            config.latent_time_constant_s,
        )
        self.begin_episode()

    def successor(self, model: Model) -> "PolicyRunner":
        """Return a decider that can go on with another model where this one leaves off.

        It shares the observations if they are the same to both models, and the latent if that
        has the same shape; what it does not share it must first be shown.
        """
        other = type(self)(model, self._config, self.path.trace, self._clocks)
        if same_observations(self.model.manifest, model.manifest):
            other.observer = self.observer
        if other._latent.shape == self._latent.shape:
            other._latent = self._latent
        return other

    def continue_from(self, other: "PolicyRunner") -> None:
        """Go on with the numbers of another decider: the robot has one record, not one a model."""
        self.encoding, self.inference = other.encoding, other.inference
        self.image_age, self.path = other.image_age, other.path
        if self.period.period_ns == other.period.period_ns:
            self.period = other.period
        self._seed = other._seed

    def statistics(self) -> dict[str, Any]:
        """Return every number, fit for JSON."""
        return {
            "decisions": self.inference.count,
            "decision_period": self.period.statistics(),
            "decision_ms": self.path.decision_time.summary_ms(),
            "inference_ms": self.inference.summary_ms(),
            "encoding_ms": self.encoding.summary_ms(),
            "encoded_images": self.encoding.count,
            "frozen_images": self.observer.frozen_images(),
            "image_age_at_decision_ms": self.image_age.summary_ms(),
            "reaction_path_ms": self.path.summary_ms(),
            "inference_bars": self.inference.bars_ms(),
        }

    def clear_numbers(self) -> None:
        """Start the numbers anew."""
        self.path.clear()
        self.observer.clear_frozen_images()
        for numbers in (self.encoding, self.inference, self.image_age, self.period):
            numbers.clear()

    def begin_episode(self) -> None:
        """Draw a latent that owes nothing to the last episode."""
        self._latent.draw(self._seed)
        self._seed += self._seed >= 0
        self._last = None
        self.period.pause()

    def feel(self, positions: Floats, stamp_ns: int, arrival_ns: int) -> None:
        """Take in joint positions. Shape (nu,), in the order of the model's joints."""
        self.observer.feel(positions, stamp_ns, arrival_ns)

    def see(self, camera: str, frame: Frame, arrival_ns: int) -> None:
        """Encode a picture that has arrived."""
        start_ns = self._sim_clock.now_ns()
        features = self.model.encode(camera, frame.image)
        end_ns = self._sim_clock.now_ns()
        self.observer.see(camera, frame, features, arrival_ns)
        self.encoding.record(self._sim_clock.wall_duration_ns(start_ns, end_ns))
        self.path.encode(camera, frame.stamp_ns, start_ns, end_ns)

    def decide(self, now_ns: int, early: bool = False) -> ActionChunk:
        """Return the chunk for now: a new one, or, of a slow model, what is left of the last.

        Args:
            now_ns: The steady time.
            early: Whether a picture asked for it before the period was over.

        Raises:
            ObservationError: If the observation is not good enough to act on, or the model's
                answer is not finite.
        """
        try:
            inputs = self.observer.observe(now_ns)
        except ObservationError:
            self._last = None
            self.period.pause()
            raise
        if self._last is not None and now_ns - self._last[1] < self._between_ns and not early:
            return repeated(self._last[0], inputs.stamp_ns)
        start_ns = time.perf_counter_ns()
        action = self._act(inputs, self._latent.at(now_ns, self._clocks.factor))
        inference_ns = time.perf_counter_ns() - start_ns
        self.inference.record(inference_ns)
        self.recent.record(inference_ns)
        if not np.isfinite(action).all():
            self.period.pause()
            raise ModelOutputError("the model's answer is not finite")
        self.period.record(now_ns, early)
        if inputs.image_stamp_ns is not None:
            self.image_age.record(now_ns - inputs.image_stamp_ns)
        chunk = self._chunk(inputs, action)
        self._last = (chunk, now_ns)
        return chunk

    def rehearse(self, now_ns: int) -> tuple[Observation, ActionChunk]:
        """Return what a decision would be made from, and the chunk, and leave no trace but time.

        Only `recent` records how long it took. May be called by another thread than `decide`.

        Raises:
            ObservationError: If the observation is not good enough to act on.
        """
        inputs = self.observer.observe(now_ns)
        start_ns = time.perf_counter_ns()
        action = self.model.decide(inputs.positions, inputs.features, self._latent.value)
        self.recent.record(time.perf_counter_ns() - start_ns)
        return inputs, self._chunk(inputs, action)

    def _chunk(self, inputs: Observation, action: Floats) -> ActionChunk:
        return ActionChunk(
            positions=action.astype(np.float64),
            due_ns=inputs.stamp_ns + self._clocks.steady_durations_ns(self._due_ns),
            stamp_ns=inputs.stamp_ns,
            image_stamps_ns=tuple(inputs.image_stamps_ns.values()),
        )

    def _act(self, inputs: Observation, latent: Floats) -> Floats:
        return self.model.decide(inputs.positions, inputs.features, latent)


def repeated(chunk: ActionChunk, stamp_ns: int) -> ActionChunk:
    """Return the points of a chunk that are still ahead, as confirmed by a newer observation."""
    ahead = min(int(np.searchsorted(chunk.due_ns, stamp_ns, "right")), len(chunk.due_ns) - 1)
    return replace(
        chunk, positions=chunk.positions[ahead:], due_ns=chunk.due_ns[ahead:], stamp_ns=stamp_ns
    )


def same_observations(one: Manifest, other: Manifest) -> bool:
    """Return whether two models see the same: history, joints, and encoders byte by byte."""
    return (
        one.joints == other.joints
        and one.history == other.history
        and one.cameras == other.cameras
        and all(one.files[c.encoder] == other.files[c.encoder] for c in one.cameras)
    )
