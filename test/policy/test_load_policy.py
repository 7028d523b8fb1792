"""A policy is a function of arrays that checks its inputs."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dbp_ros.errors import ObservationError
from dbp_ros.policy import ChunkPolicy, PolicySpec, load_policy
from dbp_ros.random_streams import RandomStream
from dbp_ros.types import Floats, Image


class Echo(ChunkPolicy):
    """Policy that returns the newest state, the oldest state and the latent, one per point."""

    def _encode(self, sensor: str, frame: Image | Floats) -> Floats:
        return np.array([frame.mean()], np.float32)

    def _predict(self, positions: Floats, features: Any, latent: Floats) -> Floats:
        return np.stack([positions[-1], positions[0], latent[0]])


def echo(seed: int | None = 0, n_obs_steps: int = 1, **clouds: tuple[int, int]) -> Echo:
    cameras = {} if clouds else {"head": (4, 4)}
    return Echo(PolicySpec(("a", "b"), ("a", "b"), cameras, clouds, 3, n_obs_steps, 0.1), seed)


SEEN = {"head": np.zeros((4, 4, 3), np.uint8)}


def test_the_shipped_policy_is_loaded_and_called() -> None:
    policy = load_policy("lift")
    images = {name: np.zeros((84, 84, 3), np.uint8) for name in policy.cameras}
    chunk = policy(np.zeros(len(policy.joints)), images)
    assert chunk.shape == (policy.horizon, len(policy.joints))
    assert policy.states == policy.joints
    assert policy.step_s == pytest.approx(1 / 30, abs=1e-4)


def test_a_bundle_gives_the_actions_of_its_model(make_bundle: Callable[..., Path]) -> None:
    policy = load_policy(make_bundle(history=2), seed=3)
    states = np.array([0.1, 0.2, 0.3], np.float32)
    images = {name: np.full((8, 12, 3), 9, np.uint8) for name in policy.cameras}
    chunk = policy(states, images)
    features = {n: np.stack([policy.model.encode(n, i)] * 2) for n, i in images.items()}
    latent = RandomStream.LATENT.generator(3).standard_normal(chunk.shape, np.float32)
    expected = policy.model.predict(np.stack([states] * 2), features, latent)
    np.testing.assert_array_equal(chunk, expected)


def test_an_episode_with_the_same_seed_is_the_same() -> None:
    policy = echo(seed=5)
    first = [policy((0, 0), SEEN) for _ in range(3)]
    policy.reset(5)
    np.testing.assert_array_equal(first, [policy((0, 0), SEEN) for _ in range(3)])
    policy.reset(6)
    assert not np.array_equal(first[0], policy((0, 0), SEEN))


def test_the_latent_decorrelates_with_time_and_not_with_calls() -> None:
    policy = echo()
    first = policy((0, 0), SEEN, time_s=1.0)
    np.testing.assert_array_equal(first, policy((0, 0), SEEN, time_s=1.0))
    later = policy((0, 0), SEEN, time_s=1.01)
    assert 0 < np.abs(later - first).max() < 1.0


def test_the_history_is_spaced_by_control_steps() -> None:
    policy = echo(n_obs_steps=3)
    chunks = [policy((step, 0), SEEN) for step in range(5)]
    assert [chunk[1, 0] for chunk in chunks] == [0, 0, 0, 1, 2]
    policy.observe((5, 0), SEEN)
    assert policy((6, 0), SEEN)[1, 0] == 4
    policy.reset()
    assert policy((9, 0), SEEN)[1, 0] == 9


@pytest.mark.parametrize(
    ("positions", "images", "time_s", "reason"),
    [
        ((0, 0, 0), SEEN, None, r"expected 2 positions in the order a, b, got shape \(3,\)"),
        ((0, np.nan), SEEN, None, "positions of b are not finite"),
        ((0, 0), None, None, "expected images of head, got none"),
        ((0, 0), {**SEEN, "wrist": SEEN["head"]}, None, "of head, got head, wrist"),
        ((0, 0), {"head": np.zeros((4, 4, 3))}, None, r"head: expected rgb8 .* uint8, got"),
        ((0, 0), {"head": np.zeros((3, 4, 4), np.uint8)}, None, r"got shape \(3, 4, 4\)"),
        ((0, 0), SEEN, 0.5, r"time_s = 0.5 is before the previous observation at 1.0 s: call"),
        ((0, 0), SEEN, np.nan, "time_s = nan, expected a finite time"),
    ],
)
def test_an_invalid_observation_is_refused_by_name(
    positions: Any, images: Any, time_s: float | None, reason: str
) -> None:
    policy = echo()
    policy((0, 0), SEEN, time_s=1.0)
    with pytest.raises(ObservationError, match=reason):
        policy(positions, images, time_s=time_s)


def test_a_cloud_of_another_shape_is_refused() -> None:
    with pytest.raises(ObservationError, match=r"lidar: expected a finite cloud of shape \(5, 3\)"):
        echo(lidar=(5, 3))((0, 0), {"lidar": np.zeros((4, 3), np.float32)})


def test_loading_a_policy_imports_neither_torch_nor_ros() -> None:
    code = (
        "import sys; from dbp_ros.policy import load_policy; load_policy('lift'); "
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "rclpy", "mujoco", "PIL", "matplotlib", "onnx"}
    assert {"numpy", "onnxruntime"} <= set(out.stdout.split())
    assert not heavy & set(out.stdout.split())
