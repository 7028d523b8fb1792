"""A policy as a function of arrays, with an internal latent and observation history."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dbp_ros.errors import ModelOutputError, ObservationError
from dbp_ros.policy.ar1_latent import AR1Latent
from dbp_ros.policy.observation_buffer import HistoryBuffer, Stamped
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.types import Floats, Image, seconds_to_ns


@dataclass(frozen=True)
class PolicySpec:
    """Inputs and outputs of a policy.

    Attributes:
        states: Names of the measured states, in order; for a robot its joints.
        joints: Names of the columns of an action chunk.
        cameras: Height and width of each camera's training images in [px], by name.
        clouds: Points and channels of each point cloud sensor, by name.
        horizon: Points in an action chunk.
        n_obs_steps: Observations that the policy takes.
        step_s: Time between two points of a chunk in [s].
        latent_size: Columns of the latent; 0 for one per joint.
        observation_step_s: Time between two observations in [s]; 0 for that between two points.
    """

    states: tuple[str, ...]
    joints: tuple[str, ...]
    cameras: Mapping[str, tuple[int, int]]
    clouds: Mapping[str, tuple[int, int]]
    horizon: int
    n_obs_steps: int
    step_s: float
    latent_size: int = 0
    observation_step_s: float = 0.0

    @property
    def latent_shape(self) -> tuple[int, int]:
        """Shape of the latent."""
        return self.horizon, self.latent_size or len(self.joints)


class ChunkPolicy(ABC):
    """Callable from one observation to an action chunk, in PyTorch or in ONNX Runtime.

    The latent follows an AR(1) process through an episode, so the policy does not switch modes
    from call to call; `reset` starts the next episode. Not thread-safe.

    Attributes:
        spec: Inputs and outputs.
    """

    def __init__(
        self,
        spec: PolicySpec,
        seed: int | None = 0,
        latent_time_constant_s: float = PolicyConfig.latent_time_constant_s,
    ) -> None:
        """Start the first episode.

        Args:
            spec: Inputs and outputs.
            seed: Seed of the first episode's latent; None for an unpredictable one.
            latent_time_constant_s: Time constant of the latent in [s]; 0 keeps one latent for the
                whole episode.
        """
        self.spec = spec
        self._latent = AR1Latent(spec.latent_shape, latent_time_constant_s)
        self.reset(seed)

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the measured states, in the order that a call takes."""
        return self.spec.states

    @property
    def joints(self) -> tuple[str, ...]:
        """Names of the columns of an action chunk."""
        return self.spec.joints

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the cameras."""
        return tuple(self.spec.cameras)

    @property
    def horizon(self) -> int:
        """Points in an action chunk."""
        return self.spec.horizon

    @property
    def step_s(self) -> float:
        """Time between two points of a chunk in [s]."""
        return self.spec.step_s

    def reset(self, seed: int | None = None) -> None:
        """Start an episode: resample the latent and clear the observation history.

        Args:
            seed: Seed of the latent; None for an unpredictable one.
        """
        self._latent.reset(-1 if seed is None else seed)
        step_ns = seconds_to_ns(self.spec.observation_step_s or self.spec.step_s)
        length = self.spec.n_obs_steps
        sensors = (*self.spec.cameras, *self.spec.clouds)
        self._positions = HistoryBuffer(length, step_ns)
        self._features = {name: HistoryBuffer(length, step_ns) for name in sensors}
        self._time_ns: int | None = None

    def observe(
        self,
        positions: ArrayLike,
        images: Mapping[str, Image | Floats] | None = None,
        *,
        time_s: float | None = None,
    ) -> None:
        """Add an observation to the history without computing a chunk; see `__call__`."""
        measured, frames = self._checked(positions, images or {})
        time_ns = self._next_time_ns(time_s)
        features = {name: self._encoded(name, frame) for name, frame in frames.items()}
        self._time_ns = time_ns
        self._positions.add(Stamped(measured, time_ns, time_ns, time_ns, ""))
        for name, feature in features.items():
            self._features[name].add(Stamped(feature, time_ns, time_ns, time_ns, ""))

    def __call__(
        self,
        positions: ArrayLike,
        images: Mapping[str, Image | Floats] | None = None,
        *,
        time_s: float | None = None,
    ) -> Floats:
        """Return the action chunk for the newest observation.

        Args:
            positions: Measured states in the order of `states`; for a robot joint positions in
                [rad] and grippers in [m]. Shape (ns,).
            images: rgb8 of each camera, shape (height, width, 3), uint8; and of each point cloud
                sensor a cloud of shape (points, channels), float32.
            time_s: Time of the observation in [s] on any clock; None for one control step,
                `step_s`, after the previous call.

        Returns:
            Absolute joint positions in [rad] and [m], point `k` due `k + 1` steps after the
            observation. Other actions have the meaning of the data set. Shape (horizon, nu).

        Raises:
            ObservationError: If an input is missing, not finite or of the wrong shape, or time
                goes backwards.
            ModelOutputError: If the network's output is not finite.
        """
        self.observe(positions, images, time_s=time_s)
        assert self._time_ns is not None
        action = self._predict(
            _history(self._positions),
            {name: _history(stream) for name, stream in self._features.items()},
            self._latent.advance_to(self._time_ns),
        )
        if not np.isfinite(action).all():
            raise ModelOutputError("the policy's action chunk is not finite: check the model")
        return action

    @abstractmethod
    def _encode(self, sensor: str, frame: Image | Floats) -> Floats:
        """Return the features of one frame. Shape (feature_size,)."""

    @abstractmethod
    def _predict(self, positions: Floats, features: Mapping[str, Floats], latent: Floats) -> Floats:
        """Return a chunk from histories, oldest first. Shape (horizon, nu)."""

    def _encoded(self, sensor: str, frame: Image | Floats) -> Floats:
        try:
            return self._encode(sensor, frame)
        except ObservationError as error:
            raise ObservationError(f"{sensor}: {error}") from error

    def _next_time_ns(self, time_s: float | None) -> int:
        last_ns = self._time_ns
        if time_s is None:
            return 0 if last_ns is None else last_ns + seconds_to_ns(self.spec.step_s)
        if not np.isfinite(time_s):
            raise ObservationError(f"time_s = {time_s}, expected a finite time in [s]")
        time_ns = seconds_to_ns(time_s)
        if last_ns is not None and time_ns < last_ns:
            raise ObservationError(
                f"time_s = {time_s} is before the previous observation at {last_ns / 1e9} s: call "
                "reset() at the start of an episode"
            )
        return time_ns

    def _checked(
        self, positions: ArrayLike, images: Mapping[str, Image | Floats]
    ) -> tuple[Floats, Mapping[str, Image | Floats]]:
        spec, measured = self.spec, np.asarray(positions, np.float32)
        if measured.shape != (len(spec.states),):
            raise ObservationError(
                f"expected {len(spec.states)} positions in the order {', '.join(spec.states)}, "
                f"got shape {measured.shape}"
            )
        if not np.isfinite(measured).all():
            wrong = [n for n, ok in zip(spec.states, np.isfinite(measured), strict=True) if not ok]
            raise ObservationError(f"positions of {', '.join(wrong)} are not finite")
        expected = {*spec.cameras, *spec.clouds}
        if expected != set(images):
            raise ObservationError(
                f"expected images of {', '.join(sorted(expected)) or 'no camera'}, got "
                f"{', '.join(sorted(images)) or 'none'}"
            )
        for name in spec.cameras:
            _check_image(name, images[name])
        for name, size in spec.clouds.items():
            _check_cloud(name, images[name], size)
        return measured, images


def _check_image(name: str, image: Image | Floats) -> None:
    found = np.asarray(image)
    if found.dtype != np.uint8 or found.ndim != 3 or found.shape[2] != 3 or not found.size:
        raise ObservationError(
            f"{name}: expected rgb8 of shape (height, width, 3), uint8, got shape {found.shape}, "
            f"{found.dtype}"
        )


def _check_cloud(name: str, cloud: Image | Floats, size: tuple[int, int]) -> None:
    found = np.asarray(cloud)
    if found.dtype != np.float32 or found.shape != size or not np.isfinite(found).all():
        raise ObservationError(
            f"{name}: expected a finite cloud of shape {size}, float32, got shape {found.shape}, "
            f"{found.dtype}"
        )


def _history(stream: HistoryBuffer) -> Floats:
    newest = stream.newest
    assert newest is not None
    return stream.history(newest)
