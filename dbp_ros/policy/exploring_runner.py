"""Decides as seldom as it explores: one draw from the policy's law, played before the next."""

from dataclasses import dataclass, replace

import numpy as np

from dbp_ros.errors import ConfigError, ObservationError
from dbp_ros.policy.decision_rate import for_model, loop_rate_hz
from dbp_ros.policy.model import Model
from dbp_ros.policy.observation_buffer import Observation
from dbp_ros.policy.policy_runner import PolicyRunner, repeated
from dbp_ros.runtime.clock_mapping import ClockMapping
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.telemetry.policy_step import PolicyStep, log_density
from dbp_ros.telemetry.trace import Trace
from dbp_ros.types import ActionChunk, Floats, seconds_to_ns


@dataclass
class ExecutionState:
    """How far a robot has come, whichever model decides.

    Explorers that succeed one another share it: whoever decides next finds what the last decision
    left, also where another took over in the middle of it.

    Attributes:
        held: The chunk that is played, None where the next tick draws one.
        episode: Counts the episodes of one run of the policy.
        number: Counts its decisions.
    """

    held: ActionChunk | None = None
    episode: int = 0
    number: int = 0


class ExploringRunner(PolicyRunner):
    """A decider that learns something from what it does.

    A chunk is cut to the points that are played, so that nothing whose likelihood is not counted
    ever reaches the arms, and the next is drawn one tick before its last point is due. On the
    ticks between, the observation is checked as always and the same chunk is said again: the
    guard's watchdog stays fed, and an observation that is refused ends the chunk.
    """

    def __init__(
        self,
        model: Model,
        config: PolicyConfig,
        trace: Trace | None = None,
        clocks: ClockMapping | None = None,
    ) -> None:
        """Prepare to explore; see `PolicyRunner`.

        Raises:
            ConfigError: If more points are to be played than a chunk has, or the model takes more
                than one observation.
        """
        action, executed = model.manifest.action, config.n_action_steps
        if model.manifest.history.length != 1:
            raise ConfigError(
                f"model {model.manifest.name} takes {model.manifest.history.length} observations: "
                "a decision tells of one, so only history 1 can explore"
            )
        if executed > action.horizon:
            raise ConfigError(
                f"n_action_steps = {executed}, expected at most {action.horizon}: a chunk of model "
                f"{model.manifest.name} has no more points"
            )
        self._executed = executed
        rate_hz = for_model(config, model.manifest).decision_rate_hz
        self._tick_ns = seconds_to_ns(1.0 / loop_rate_hz(rate_hz))
        self._chance = np.random.default_rng(None if config.latent_seed < 0 else config.latent_seed)
        self._told: PolicyStep | None = None
        self._course = ExecutionState()
        drawn_hz = 1.0 / (executed * action.step_s)
        super().__init__(model, replace(config, decision_rate_hz=drawn_hz), trace, clocks)
        self._config = config
        # Which chunk is played for how long is decided here.
        self._between_ns = 0

    def continue_from(self, other: PolicyRunner) -> None:
        """Play the other's last chunk to its end, and go on with its numbers."""
        super().continue_from(other)
        if isinstance(other, ExploringRunner):
            self._course = other._course

    def begin_episode(self) -> None:
        """Draw a latent that owes nothing to the last episode, and count a new one."""
        super().begin_episode()
        self._course.held = None
        self._course.episode += 1

    def decide(self, now_ns: int, early: bool = False) -> ActionChunk:
        """Return a new chunk, or the rest of the current one; see `PolicyRunner.decide`.

        Raises:
            ObservationError: If the observation is not good enough to act on, or the model has no
                law to draw from.
        """
        held = self._course.held
        try:
            if held is None or now_ns >= held.due_ns[-1] - self._tick_ns:
                self._course.held = drawn = self._cut(super().decide(now_ns))
                return drawn
            return repeated(held, self.observer.observe(now_ns).stamp_ns)
        except ObservationError:
            self._course.held = None
            raise

    def take_decision(self) -> PolicyStep | None:
        """Return what was decided since the last call, if anything was."""
        decision, self._told = self._told, None
        return decision

    def _cut(self, chunk: ActionChunk) -> ActionChunk:
        played = slice(self._executed)
        return replace(chunk, positions=chunk.positions[played], due_ns=chunk.due_ns[played])

    def _act(self, inputs: Observation, latent: Floats) -> Floats:
        model, manifest = self.model, self.model.manifest
        if not manifest.stochastic:
            raise ObservationError(
                f"model {manifest.name} version {manifest.version} cannot explore: it has no law "
                "to draw from; start the learner, which exports one, or set explore to false"
            )
        noise = self._chance.standard_normal(latent.shape, dtype=np.float32)
        drawn = model.explore(inputs.positions, inputs.features, latent, noise)
        self._course.number += 1
        self._told = PolicyStep(
            sha256=model.bundle.sha256,
            version=manifest.version,
            number=self._course.number,
            episode=self._course.episode,
            stamp_ns=inputs.stamp_ns,
            image_stamps_ns=dict(inputs.image_stamps_ns),
            positions=inputs.positions,
            latent=latent,
            normalised=drawn.normalised,
            log_std=drawn.log_std,
            action=drawn.action[: self._executed],
            log_prob=log_density(noise, drawn.log_std, self._executed),
            executed=self._executed,
        )
        return drawn.action
