"""Execution of a stochastic policy: samples a chunk and executes its first points, repeatedly."""

import numpy as np

from dbp_ros.errors import ConfigError, ObservationError
from dbp_ros.policy.observation_buffer import Observation
from dbp_ros.policy.policy_runner import PolicyRunner
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.telemetry.policy_step import PolicyStep, log_density
from dbp_ros.types import ActionChunk, Floats, seconds_to_ns


class ExploringRunner(PolicyRunner):
    """Policy runner with exploration noise, which records the log-probability of its actions.

    A chunk is cut to its executed points, so no point without a recorded likelihood reaches the
    arms. The next chunk is sampled one tick before the last point is due. In between, each step
    checks the observation and returns the remaining points, which keeps the guard's watchdog
    from expiring. A refused observation ends the chunk. A swap does not: the next model executes
    the current chunk to its end.
    """

    def _configure(self, config: PolicyConfig) -> None:
        """Execute `n_action_steps` points of each chunk.

        Raises:
            ConfigError: If a chunk has fewer points, or the model takes several observations.
        """
        manifest, executed = self.model.manifest, config.n_action_steps
        if manifest.history.length != 1:
            raise ConfigError(
                f"model {manifest.name} takes {manifest.history.length} observations, expected 1: "
                "a recorded decision holds one, so only models with n_obs_steps = 1 can explore"
            )
        if executed > manifest.action.horizon:
            raise ConfigError(
                f"n_action_steps = {executed}, expected at most {manifest.action.horizon}: a chunk "
                f"of model {manifest.name} has no more points"
            )
        self._num_executed = executed
        self._period_ns = seconds_to_ns(executed * manifest.action.step_s)

    def step(self, now_ns: int, triggered: bool = False) -> ActionChunk:
        """Return a sampled chunk or its remaining points; a triggered step has no effect.

        Raises:
            ObservationError: If the observation cannot be used, or the model is not stochastic.
            ModelOutputError: If the model's output is not finite.
        """
        return super().step(now_ns)

    def _is_due(self, chunk: ActionChunk, now_ns: int, triggered: bool) -> bool:
        return bool(now_ns >= chunk.due_ns[-1] - self._tick_ns)

    def _predict(self, observation: Observation, latent: Floats) -> Floats:
        model, manifest, execution = self.model, self.model.manifest, self.execution
        if not manifest.stochastic:
            raise ObservationError(
                f"model {manifest.name} version {manifest.version} cannot explore: its head is "
                "deterministic; start the learner, which exports a stochastic one, or set explore "
                "to false"
            )
        noise = execution.exploration_generator.standard_normal(latent.shape, dtype=np.float32)
        sample = model.sample(observation.positions, observation.features, latent, noise)
        execution.num_decisions += 1
        execution.last_decision = PolicyStep(
            sha256=model.bundle.sha256,
            version=manifest.version,
            number=execution.num_decisions,
            episode=execution.episode,
            stamp_ns=observation.stamp_ns,
            image_stamps_ns=dict(observation.image_stamps_ns),
            positions=observation.positions,
            latent=latent,
            normalised=sample.normalised,
            log_std=sample.log_std,
            action=sample.action[: self._num_executed],
            log_prob=log_density(noise, sample.log_std, self._num_executed),
            executed=self._num_executed,
            noise=noise,
        )
        return sample.action
