"""Load a model bundle as a function from an observation to an action chunk."""

from collections.abc import Mapping
from pathlib import Path

from dbp_ros.bundle.bundle import bundle_directory, read_bundle
from dbp_ros.bundle.manifest import Manifest
from dbp_ros.policy.chunk_policy import ChunkPolicy, PolicySpec
from dbp_ros.policy.model import Model
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.types import Floats, Image


class BundlePolicy(ChunkPolicy):
    """A model bundle in ONNX Runtime.

    Attributes:
        model: Its graphs and manifest.
    """

    def __init__(self, model: Model, seed: int | None, latent_time_constant_s: float) -> None:
        """Run a model; see `ChunkPolicy`."""
        self.model, self._state = model, model.initial_state
        super().__init__(spec_of(model.manifest), seed, latent_time_constant_s)

    def _encode(self, sensor: str, frame: Image | Floats) -> Floats:
        return self.model.encode(sensor, frame)

    def reset(self, seed: int | None = None) -> None:
        """Start an episode, a recurrent policy in its initial state; see `ChunkPolicy.reset`."""
        super().reset(seed)
        self._state = self.model.initial_state

    def _predict(self, positions: Floats, features: Mapping[str, Floats], latent: Floats) -> Floats:
        if self._state is None:
            return self.model.predict(positions, features, latent)
        action, self._state = self.model.advance(positions, features, latent, self._state)
        return action


def spec_of(manifest: Manifest) -> PolicySpec:
    """Return the inputs and outputs that a manifest describes."""
    return PolicySpec(
        states=manifest.states,
        joints=manifest.joints,
        cameras={camera.name: (camera.height, camera.width) for camera in manifest.cameras},
        clouds={cloud.name: (cloud.points, cloud.channels) for cloud in manifest.clouds},
        horizon=manifest.action.horizon,
        n_obs_steps=manifest.history.length,
        step_s=manifest.action.step_s,
        latent_size=manifest.action.latent_size,
        observation_step_s=manifest.history.step_s,
    )


def load_policy(
    model: str | Path,
    *,
    execution_provider: str = PolicyConfig.execution_provider,
    num_threads: int = 1,
    seed: int | None = 0,
    latent_time_constant_s: float = PolicyConfig.latent_time_constant_s,
) -> BundlePolicy:
    """Load a model bundle and run its self-test, which also warms up the sessions.

    It needs NumPy, PyYAML and ONNX Runtime; no PyTorch and no ROS.

    Args:
        model: Name of a bundle under `models/`, or the path of its folder.
        execution_provider: `cpu`, `cuda` or `tensorrt`.
        num_threads: Threads of one inference.
        seed: Seed of the first episode's latent; None for an unpredictable one.
        latent_time_constant_s: Time constant of the AR(1) latent in [s]; 0 keeps one latent for
            the whole episode.

    Raises:
        BundleError: If the bundle is missing or damaged, or its self-test fails.
        ConfigError: If the execution provider is not available.
    """
    bundle = read_bundle(bundle_directory(str(model)))
    loaded = Model(bundle, execution_provider, num_threads)
    loaded.self_test()
    return BundlePolicy(loaded, seed, latent_time_constant_s)
