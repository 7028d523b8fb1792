"""The library interface: from arrays to a callable policy."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dbp_ros.errors import ObservationError, TrainingError
from dbp_ros.learning import Demonstrations, TrainConfig, TrainedPolicy, train
from dbp_ros.policy import load_policy

STEPS, EPISODES = 6, 4
SMALL = TrainConfig(
    num_steps=40, batch_size=16, horizon=3, width=32, branch_width=32, depth=1, threads=1
)


def arrays(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return states and actions of episodes of a point that moves by its third state."""
    states = np.random.default_rng(seed).uniform(-1, 1, (EPISODES, STEPS, 3))
    return states, states[:, :, :2] + states[:, :, 2:]


@pytest.fixture(scope="module")
def trained() -> TrainedPolicy:
    return train(Demonstrations.from_arrays(*arrays(), step_s=0.1), SMALL)


def test_a_policy_is_trained_from_arrays_and_called(trained: TrainedPolicy) -> None:
    chunk = trained([0.1, 0.2, 0.3])
    assert chunk.shape == (trained.horizon, 2) == (3, 2)
    assert trained.step_s == 0.1
    assert trained.states == ("state.0", "state.1", "state.2")
    assert trained.metrics["validation_energy_score"] > 0


def test_an_exported_policy_gives_the_same_chunks(trained: TrainedPolicy, tmp_path: Path) -> None:
    loaded = load_policy(trained.export(tmp_path / "point"), seed=7)
    trained.reset(7)
    for state in arrays(1)[0][0]:
        np.testing.assert_allclose(loaded(state), trained(state), atol=1e-5)
    assert loaded.model.manifest.name == "point"


def test_samples_of_a_state_are_chunks_of_independent_latents(trained: TrainedPolicy) -> None:
    chunks = trained.sample(np.zeros((2, 3)), 5)
    assert chunks.shape == (2, 5, 3, 2)
    assert np.ptp(chunks, axis=1).min() > 0


def test_a_policy_with_images_is_trained_and_called() -> None:
    states, actions = arrays()
    images = np.random.default_rng(0).integers(0, 255, (EPISODES, STEPS, 24, 32, 3), np.uint8)
    data = Demonstrations.from_arrays(states, actions, step_s=0.1, images={"head": images})
    small = TrainConfig(
        num_steps=1, batch_size=2, num_samples=2, horizon=2, width=16, branch_width=16,
        channels=(8, 8, 8, 8), keypoints=4, threads=1, n_obs_steps=2, latent_dct_modes=1,
    )  # fmt: skip
    policy = train(data, small)
    assert policy.cameras == ("head",)
    assert policy(states[0, 0], {"head": images[0, 0]}).shape == (2, 2)
    with pytest.raises(ObservationError, match=r"head: expected images of \(24, 32\) px"):
        policy(states[0, 0], {"head": images[0, 0, :12]})
    with pytest.raises(ObservationError, match="policies without sensors and history"):
        policy.sample(states[0], 2)


def test_lists_arrays_and_ends_give_the_same_episodes() -> None:
    states, actions = arrays()
    variants = [
        Demonstrations.from_arrays(states, actions, step_s=0.1),
        Demonstrations.from_arrays(list(states), list(actions), step_s=0.1),
        Demonstrations.from_arrays(
            states.reshape(-1, 3),
            actions.reshape(-1, 2),
            step_s=0.1,
            episode_ends=range(STEPS, EPISODES * STEPS + 1, STEPS),
        ),
    ]
    for data in variants:
        assert data.episodes == EPISODES
        assert data.states.shape == (EPISODES * STEPS, 3)
        assert list(data.first[[0, STEPS, -1]]) == [0, STEPS, (EPISODES - 1) * STEPS]
        assert list(data.last[[0, STEPS - 1, STEPS]]) == [STEPS - 1, STEPS - 1, 2 * STEPS - 1]
        np.testing.assert_array_equal(data.actions, variants[0].actions)


def test_two_axes_without_episode_ends_are_one_episode() -> None:
    data = Demonstrations.from_arrays(np.zeros((5, 2)), np.zeros((5, 1)), step_s=0.1)
    assert (data.episodes, data.last[0]) == (1, 4)


GOOD = np.zeros((2, 3, 4))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"actions": np.zeros((2, 4, 1))}, "actions: expected 2 episodes of 3, 3 steps .* 4, 4"),
        ({"actions": np.zeros((1, 3, 1))}, "actions: expected 2 episodes .* got 1 of 3"),
        ({"states": GOOD * np.nan}, "states: 6 rows are not finite, first 0"),
        ({"states": np.zeros(3)}, r"states: expected a list of arrays of 2 axes.* got 3 of shapes"),
        ({"states": np.zeros((2, 0, 4))}, "states: expected at least one step in each episode"),
        ({"step_s": 0.0}, "step_s = 0.0, expected a finite time above 0 s"),
        ({"episode_ends": (3, 6)}, "states: expected a list of arrays"),
        (
            {"states": np.zeros((6, 4)), "episode_ends": (3, 7)},
            "episode_ends: expected increasing rows that end at 6",
        ),
        ({"state_names": ("a", "b")}, "state_names: expected 4 unique names"),
        ({"images": {"head": np.zeros((2, 3, 8, 8, 3))}}, "head: expected rgb8 .* float64"),
        ({"states": [np.zeros((3, 4)), np.zeros((3, 5))]}, "states: episodes differ in shape"),
    ],
)
def test_mismatched_arrays_are_refused(changes: dict[str, Any], reason: str) -> None:
    given = {"states": GOOD, "actions": np.zeros((2, 3, 1)), "step_s": 0.1, **changes}
    with pytest.raises(TrainingError, match=reason):
        Demonstrations.from_arrays(**given)
