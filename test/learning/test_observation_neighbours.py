"""Neighbours are the nearest rows of other episodes, weighted by distance."""

from dataclasses import replace

import numpy as np
import pytest
from toy_episodes import episode
from toy_training import CONFIG

from dbp_ros.errors import TrainingError
from dbp_ros.learning.dataset import join_episodes
from dbp_ros.learning.observation_neighbours import (
    Neighbours,
    find_neighbours,
    image_components,
)
from dbp_ros.learning.trainer import Trainer

EPISODES, STEPS, K = 5, 7, 3
EPISODE = np.repeat(np.arange(EPISODES), STEPS)
ROWS = np.arange(EPISODES * STEPS)


@pytest.fixture
def observed() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((len(ROWS), 4)).astype(np.float32)


def test_no_neighbour_is_of_the_own_episode(observed: np.ndarray) -> None:
    found = find_neighbours(observed, EPISODE, ROWS, K, 1.0)
    assert (found.weights > 0).all()
    assert (EPISODE[found.rows] != EPISODE[:, None]).all()


def test_neighbours_are_the_nearest_rows_with_gaussian_weights(
    observed: np.ndarray,
) -> None:
    found = find_neighbours(observed, EPISODE, ROWS, K, 2.0)
    distances = np.linalg.norm(observed[:, None] - observed[None], axis=-1)
    distances[EPISODE[:, None] == EPISODE[None]] = np.inf
    np.testing.assert_array_equal(found.rows, np.argsort(distances, axis=1)[:, :K])
    width = 2.0 * np.median(distances.min(axis=1))
    expected = np.exp(-0.5 * (np.sort(distances, axis=1)[:, :K] / width) ** 2)
    np.testing.assert_allclose(found.weights, expected, rtol=1e-4)


def test_validation_rows_are_no_neighbours_and_have_none(observed: np.ndarray) -> None:
    training = ROWS[EPISODE != 2]
    found = find_neighbours(observed, EPISODE, training, K, 1.0)
    assert not np.isin(found.rows[training], ROWS[EPISODE == 2]).any()
    assert not found.weights[EPISODE == 2].any()


def test_without_other_episodes_all_weights_are_zero(observed: np.ndarray) -> None:
    found = find_neighbours(observed[:STEPS], EPISODE[:STEPS], ROWS[:STEPS], K, 1.0)
    assert found.rows.shape == found.weights.shape == (STEPS, K)
    assert not found.weights.any()


def test_missing_neighbours_have_weight_zero(observed: np.ndarray) -> None:
    few = np.array([0, STEPS])
    found = find_neighbours(observed, EPISODE, few, K, 1.0)
    np.testing.assert_array_equal(found.weights[few] > 0, [[True, False, False]] * 2)
    np.testing.assert_array_equal(found.rows[few, 0], few[::-1])


def test_equal_observations_have_weight_one(observed: np.ndarray) -> None:
    found = find_neighbours(np.zeros_like(observed), EPISODE, ROWS, K, 1.0)
    np.testing.assert_array_equal(found.weights, 1.0)


def test_a_batch_contains_the_chunks_of_the_neighbours_after_its_own() -> None:
    data = join_episodes((episode(index), str(index)) for index in range(3))
    rows = np.full((len(data.states), 2), 20)
    neighbours = Neighbours(rows, np.full(rows.shape, 0.25, np.float32))
    batch = data.batch(np.array([4]), horizon=3, neighbours=neighbours)
    np.testing.assert_array_equal(batch.weights, [[1.0, 0.25, 0.25]])
    np.testing.assert_array_equal(batch.actions[0, 0], data.actions[4:7])
    np.testing.assert_array_equal(batch.actions[0, 1], data.actions[20:23])
    np.testing.assert_array_equal(batch.measured[0], data.states[[4, 20, 20]])


def test_neighbours_change_the_training_of_a_policy_without_images() -> None:
    data = join_episodes((episode(index, images={}), str(index)) for index in range(5))
    with_them, without = (
        Trainer(replace(CONFIG, neighbours=count, num_steps=2), data) for count in (2, 0)
    )
    for trainer in (with_them, without):
        trainer.train()
    weights, others = (t.policy.method.head.leave.weight for t in (with_them, without))
    assert float((weights - others).abs().max()) > 1e-5


def test_neighbours_in_images_show_the_same_scene_at_any_noise() -> None:
    rng = np.random.default_rng(0)
    centres = np.repeat(np.arange(4, 28, 6), 10)
    images = rng.integers(0, 8, (len(centres), 32, 32, 3), np.uint8)
    for image, centre in zip(images, centres, strict=True):
        image[centre - 3 : centre + 3, 10:20] += 200
    components = image_components(images)
    assert components.dtype == np.float32
    assert components.var(axis=0).sum() == pytest.approx(1.0, rel=1e-2)
    rows = np.arange(len(centres))
    found = find_neighbours(components, rows, rows, 5, 4.0)
    assert (centres[found.rows] == centres[:, None]).all()


def test_neighbours_of_data_with_images_are_used_and_those_with_points_refused() -> None:
    data = join_episodes((episode(index), str(index)) for index in range(5))
    assert data.images
    Trainer(replace(CONFIG, neighbours=2, num_steps=2), data).train()
    points = {"cloud": np.zeros((len(data.states), 8, 3), np.float32)}
    with pytest.raises(TrainingError, match="neighbours = 2: distances ignore point clouds"):
        Trainer(replace(CONFIG, neighbours=2), replace(data, points=points))
