"""What a new model must show before it commands a robot."""

import numpy as np

from dbp_ros.bundle.bundle import Bundle
from dbp_ros.bundle.manifest import Manifest
from dbp_ros.errors import BundleError, ObservationError
from dbp_ros.hotswap.candidates import Candidate
from dbp_ros.hotswap.model_slot import LoadedPolicy
from dbp_ros.policy.model import Model
from dbp_ros.runtime.realtime import running_threads, set_priority
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.types import ActionChunk, seconds_to_ns


def require_fit(manifest: Manifest, robot: Manifest) -> None:
    """Raise `BundleError` unless a model fits a robot that another model was made for.

    The joints must be the same in the same order, and the cameras among those of the robot.
    Horizon, steps, history and encoders may differ.
    """
    who = f"model {manifest.name} version {manifest.version}"
    if manifest.joints != robot.joints:
        raise BundleError(
            f"{who} is for the joints {', '.join(manifest.joints)}, expected "
            f"{', '.join(robot.joints)} in this order: export it for this robot"
        )
    if missing := sorted(set(manifest.camera_names) - set(robot.camera_names)):
        raise BundleError(
            f"{who} looks through {', '.join(missing)}, the robot has "
            f"{', '.join(robot.camera_names) or 'no camera'}: export it for these cameras"
        )


def require_no_older(manifest: Manifest, active: Manifest) -> None:
    """Raise `BundleError` if a model is an older version of the one that decides.

    The same version is not older: what first explores has the version of what was imitated.
    """
    if manifest.name == active.name and manifest.version < active.version:
        raise BundleError(
            f"model {manifest.name} version {manifest.version} was announced, but version "
            f"{active.version} decides: to go back, put it into the model's folder by hand"
        )


def load_model(bundle: Bundle, config: PolicyConfig) -> Model:
    """Load a bundle in a thread that is less urgent than decisions.

    Threads that the inference library starts meanwhile inherit that, but are to decide: they get
    the priority of decisions.

    Raises:
        BundleError: If a graph cannot be loaded or is not what the manifest says.
        ConfigError: If the provider is not to be had.
    """
    before = running_threads()
    model = Model(bundle, config.execution_provider, config.intra_op_threads)
    if config.realtime_priority and (started := running_threads() - before):
        set_priority(config.realtime_priority, *started)
    return model


class ShadowTest:
    """Lets a model decide on live observations without effect, and judges what it would have done.

    Attributes:
        runner: The model on trial.
        proposal: What brought it.
    """

    def __init__(
        self, runner: LoadedPolicy, proposal: Candidate, config: PolicyConfig, now_ns: int
    ) -> None:
        self.runner, self.proposal = runner, proposal
        self._reach = config.shadow_max_first_step
        self._wanted = config.shadow_decisions
        self._budget_ms = (
            1e3 * config.inference_budget / (config.decision_rate_hz * config.real_time_factor)
        )
        self._patience_ns = seconds_to_ns(config.shadow_timeout_s)
        self._observed_ns = now_ns
        self._decisions = 0
        self._distances: list[float] = []

    @property
    def finding(self) -> str:
        """How far it was from the chunks of the running model, in words."""
        if not self._distances:
            return "in shadow the model before decided nothing to compare with"
        distance = np.mean(self._distances)
        return f"in shadow it decided {distance:.3g} rad or m from the model before"

    def rehearse(self, now_ns: int, running: ActionChunk | None) -> bool:
        """Make one decision without effect.

        Args:
            now_ns: The steady time.
            running: The newest chunk of the model that decides.

        Returns:
            Whether the model has passed.

        Raises:
            BundleError: If it has failed.
            ObservationError: If there was nothing to observe for too long.
        """
        if problem := self.runner.encoder.problem:
            raise BundleError(problem)
        try:
            inputs, chunk = self.runner.decider.rehearse(now_ns)
        except ObservationError as error:
            if now_ns - self._observed_ns > self._patience_ns:
                raise ObservationError(f"nothing to try it on: {error}") from error
            return False
        self._observed_ns = now_ns
        self._require_sane(chunk, inputs.positions[-1])
        if running is not None and (between := distance(chunk, running)) is not None:
            self._distances.append(between)
        self._decisions += 1
        if self._decisions < self._wanted:
            return False
        self._require_speed()
        return True

    def _require_sane(self, chunk: ActionChunk, measured: np.ndarray) -> None:
        if not np.isfinite(chunk.positions).all():
            raise BundleError("its answer to a live observation is not finite: train it again")
        jump = np.abs(chunk.positions[0] - measured)
        if jump.max() > self._reach:
            joint = self.runner.decider.model.manifest.joints[int(jump.argmax())]
            raise BundleError(
                f"its next command for {joint} is {jump.max():.3f} from where the joint is, "
                f"expected at most {self._reach:g}"
            )

    def _require_speed(self) -> None:
        """Judge by the median: this thread is interrupted by those that are more urgent."""
        median_ms = self.runner.decider.recent.percentile_ms(50)
        if median_ms > self._budget_ms:
            raise BundleError(
                f"its inference takes {median_ms:.1f} ms, expected at most {self._budget_ms:.1f}: "
                "export a smaller model"
            )


def distance(one: ActionChunk, other: ActionChunk) -> float | None:
    """Return the mean distance in [rad, m] of two chunks while both last, None if never."""
    shared = (other.due_ns >= one.due_ns[0]) & (other.due_ns <= one.due_ns[-1])
    if not shared.any():
        return None
    due_ns = other.due_ns[shared]
    differences = [
        np.interp(due_ns, one.due_ns, mine) - theirs[shared]
        for mine, theirs in zip(one.positions.T, other.positions.T, strict=True)
    ]
    return float(np.abs(differences).mean())
