"""Sources of actions in an environment: a demonstrator of the user, or a model bundle."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from dbp_ros.bundle.bundle import bundle_directory, read_bundle
from dbp_ros.bundle.manifest import Manifest
from dbp_ros.envs.env import CameraView
from dbp_ros.envs.user_code import load_object, user_code
from dbp_ros.errors import ConfigError, EnvError
from dbp_ros.policy.load import load_policy
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.types import Array, Floats, Image


@dataclass(frozen=True)
class EnvObservation:
    """Observation before a control step.

    Attributes:
        state: Shape (ns,).
        images: rgb8 of each camera. Shapes (height, width, 3).
        raw: As the environment's own code returned it.
    """

    state: Floats
    images: Mapping[str, Image]
    raw: Any


class Actor(Protocol):
    """Source of actions."""

    def reset(self, seed: int) -> None:
        """Start an episode."""

    def act(self, observation: EnvObservation) -> Array:
        """Return the action of the next control step. Shape (nu,)."""


class Demonstrator:
    """Function or object of the user that returns an action for an observation."""

    def __init__(self, reference: str) -> None:
        """Load it.

        Args:
            reference: `MODULE:NAME` of a function, of an object with `act(observation)`, or of its
                class. A method `reset(seed)` is called before each episode, if there is one.

        Raises:
            EnvError: If it does not exist, cannot be called, or its module raises.
        """
        self._reference = reference
        found = load_object(reference, "--demonstrator")
        if isinstance(found, type):
            with user_code(f"--demonstrator {reference} without arguments"):
                found = found()
        self._reset = getattr(found, "reset", None)
        self._act = getattr(found, "act", found)
        if not callable(self._act):
            raise EnvError(
                f"--demonstrator {reference} is of type {type(found).__name__}, expected a "
                "function of an observation, or an object with the method act(observation)"
            )

    def reset(self, seed: int) -> None:
        """Start an episode; see `Actor.reset`."""
        if self._reset is not None:
            with user_code(f"{self._reference}: reset(seed={seed})"):
                self._reset(seed)

    def act(self, observation: EnvObservation) -> Array:
        """Return the action for the observation as the environment returned it."""
        with user_code(self._reference):
            action: Array = np.asarray(self._act(observation.raw), np.float64).ravel()
        return action


class BundleActor:
    """Model bundle, of whose action chunks the first points are executed."""

    def __init__(
        self,
        model: str,
        n_action_steps: int | None = None,
        latent_time_constant_s: float = PolicyConfig.latent_time_constant_s,
    ) -> None:
        """Load a bundle.

        Args:
            model: Folder of the bundle, or its name under `models/`.
            n_action_steps: Executed points of a chunk; None for the control rate of the model.
            latent_time_constant_s: See `load_policy`.

        Raises:
            BundleError: If the bundle is missing or damaged.
            ConfigError: If a chunk has fewer points.
        """
        self._policy = load_policy(model, latent_time_constant_s=latent_time_constant_s)
        manifest = self._policy.model.manifest
        self._points = points_per_decision(manifest, n_action_steps)
        self._keeps_history = manifest.history.length > 1
        self._pending: list[Array] = []
        self._steps = 0

    def reset(self, seed: int) -> None:
        """Start an episode; see `Actor.reset`."""
        self._policy.reset(seed)
        self._pending, self._steps = [], 0

    def act(self, observation: EnvObservation) -> Array:
        """Return the next point of the chunk; see `Actor.act`."""
        seen = observation.state, observation.images
        time_s = self._steps * self._policy.step_s
        self._steps += 1
        if not self._pending:
            chunk = self._policy(*seen, time_s=time_s)
            self._pending = list(chunk[: self._points].astype(np.float64))
        elif self._keeps_history:
            self._policy.observe(*seen, time_s=time_s)
        return self._pending.pop(0)


def points_per_decision(manifest: Manifest, n_action_steps: int | None) -> int:
    """Return the number of executed points of a chunk.

    Raises:
        ConfigError: If a chunk has fewer points.
    """
    horizon = manifest.action.horizon
    if n_action_steps is None:
        nominal = round(1 / (manifest.control_rate_hz * manifest.action.step_s))
        return min(max(1, nominal), horizon)
    if n_action_steps > horizon:
        raise ConfigError(
            f"--n-action-steps {n_action_steps}: a chunk of model {manifest.name} has {horizon} "
            "points, give at most that"
        )
    return n_action_steps


def view_of(model: str) -> CameraView:
    """Return the observations and actions of a model bundle.

    Raises:
        BundleError: If the bundle is missing or damaged.
        EnvError: If it takes point clouds, which no environment returns.
    """
    manifest = read_bundle(bundle_directory(model)).manifest
    if manifest.clouds:
        raise EnvError(
            f"model {manifest.name} takes point clouds, an environment returns vectors and images: "
            "train with --points and no name"
        )
    cameras = {camera.name: (camera.height, camera.width) for camera in manifest.cameras}
    return CameraView(manifest.states, cameras, manifest.action.step_s, manifest.joints)
