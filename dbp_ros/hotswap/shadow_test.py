"""Tests of a candidate before it is promoted."""

import numpy as np

from dbp_ros.bundle.bundle import Bundle
from dbp_ros.bundle.manifest import Manifest, require_joints
from dbp_ros.errors import BundleError, ModelOutputError, ObservationError
from dbp_ros.hotswap.candidates import Candidate
from dbp_ros.hotswap.model_slot import LoadedPolicy
from dbp_ros.policy.decision_rate import inference_budget_ms
from dbp_ros.policy.model import Model
from dbp_ros.runtime.realtime import running_threads, set_priority
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.types import ActionChunk, seconds_to_ns


def require_compatible(manifest: Manifest, robot: Manifest) -> None:
    """Raise `BundleError` unless a model fits the robot of another model.

    The joints must be the same in the same order, and the cameras a subset; what `require_joints`
    requires of an initial model holds too. Horizon, time step, history and encoders may differ.
    """
    model = f"model {manifest.name} version {manifest.version}"
    if manifest.joints != robot.joints:
        raise BundleError(
            f"{model} is for the joints {', '.join(manifest.joints)}, expected "
            f"{', '.join(robot.joints)} in this order: export it for this robot"
        )
    require_joints(manifest, robot.joints)
    if missing := sorted(set(manifest.camera_names) - set(robot.camera_names)):
        raise BundleError(
            f"{model} takes images of {', '.join(missing)}, the robot has "
            f"{', '.join(robot.camera_names) or 'no camera'}: export it for these cameras"
        )


def require_not_older(manifest: Manifest, active: Manifest) -> None:
    """Raise `BundleError` if a model is an older version of the active one.

    The same version is accepted: the first stochastic model has that of its checkpoint.
    """
    if manifest.name == active.name and manifest.version < active.version:
        raise BundleError(
            f"model {manifest.name} version {manifest.version} was announced, but version "
            f"{active.version} is active: to go back, copy it into the model's folder"
        )


def require_exploration(manifest: Manifest, active: Manifest) -> None:
    """Raise `BundleError` if an exploring policy could no longer explore with a model."""
    if active.stochastic and not manifest.stochastic:
        raise BundleError(
            f"model {manifest.name} version {manifest.version} is deterministic, expected a "
            "stochastic one, as the policy explores: use a version that the learner exported, or "
            "set explore to false"
        )


def load_model(bundle: Bundle, config: PolicyConfig) -> Model:
    """Load a bundle in a thread of lower priority than the decision loop.

    Threads that ONNX Runtime starts inherit that priority but run inference, so they get the
    priority of the decision loop.

    Raises:
        BundleError: If a graph cannot be loaded or does not match the manifest.
        ConfigError: If the execution provider is not available.
    """
    before = running_threads()
    model = Model(bundle, config.execution_provider, config.intra_op_threads)
    if config.realtime_priority and (started := running_threads() - before):
        set_priority(config.realtime_priority, *started)
    return model


class ShadowTest:
    """Shadow test: inferences on live observations that control nothing.

    Attributes:
        policy: The loaded candidate.
        candidate: Its queue entry.
    """

    def __init__(
        self, policy: LoadedPolicy, candidate: Candidate, config: PolicyConfig, now_ns: int
    ) -> None:
        self.policy, self.candidate = policy, candidate
        self._max_first_step = config.shadow_max_first_step
        self._num_required = config.shadow_decisions
        self._budget_ms = inference_budget_ms(config)
        self._timeout_ns = seconds_to_ns(config.shadow_timeout_s)
        self._observed_ns = now_ns
        self._num_inferences = 0
        self._distances: list[float] = []

    @property
    def result(self) -> str:
        """Mean distance from the chunks of the active model, as text."""
        if not self._distances:
            return "shadow test without a chunk of the previous model to compare with"
        distance = np.mean(self._distances)
        return f"shadow test: mean difference {distance:.3g} rad or m from the previous model"

    def run_once(self, now_ns: int, active_chunk: ActionChunk | None) -> bool:
        """Compute and check one chunk.

        Args:
            now_ns: Steady time.
            active_chunk: Chunk of the active model that is executed now.

        Returns:
            Whether the test is passed.

        Raises:
            BundleError: If it is failed.
            ObservationError: If observations are unusable for longer than the timeout.
        """
        if problem := self.policy.encoder.problem:
            raise BundleError(problem)
        try:
            observation, chunk = self.policy.runner.run_once(now_ns)
        except ModelOutputError as error:
            raise BundleError(f"{error} after a live observation: train it again") from error
        except ObservationError as error:
            if now_ns - self._observed_ns > self._timeout_ns:
                raise ObservationError(f"no observation to test it with: {error}") from error
            return False
        self._observed_ns = now_ns
        self._require_plausible(chunk, observation.positions[-1])
        if active_chunk is not None and (gap := distance(chunk, active_chunk)) is not None:
            self._distances.append(gap)
        self._num_inferences += 1
        if self._num_inferences < self._num_required:
            return False
        self._require_latency()
        return True

    def _require_plausible(self, chunk: ActionChunk, measured: np.ndarray) -> None:
        if not np.isfinite(chunk.positions).all():
            raise BundleError("its output for a live observation is not finite: train it again")
        jump = np.abs(chunk.positions[0] - measured)
        if jump.max() > self._max_first_step:
            joint = self.policy.runner.model.manifest.joints[int(jump.argmax())]
            raise BundleError(
                f"its next command for {joint} is {jump.max():.3f} from where the joint is, "
                f"expected at most {self._max_first_step:g}"
            )

    def _require_latency(self) -> None:
        """Check the median: threads of higher priority preempt this one."""
        median_ms = self.policy.runner.recent_inference.percentile_ms(50)
        if median_ms > self._budget_ms:
            raise BundleError(
                f"its inference takes {median_ms:.1f} ms, expected at most {self._budget_ms:.1f}: "
                "export a smaller model"
            )


def distance(first: ActionChunk, second: ActionChunk) -> float | None:
    """Return the mean distance in [rad, m] of two chunks in their overlap; None without overlap."""
    shared = (second.due_ns >= first.due_ns[0]) & (second.due_ns <= first.due_ns[-1])
    if not shared.any():
        return None
    due_ns = second.due_ns[shared]
    differences = [
        np.interp(due_ns, first.due_ns, joint) - other_joint[shared]
        for joint, other_joint in zip(first.positions.T, second.positions.T, strict=True)
    ]
    return float(np.abs(differences).mean())
