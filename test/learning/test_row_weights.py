"""Sampling of the rows of demonstrations, interventions and policies."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from toy_episodes import episode
from toy_training import CONFIG

from dbp_ros.errors import TrainingError
from dbp_ros.learning.batch_sampler import BatchSampler
from dbp_ros.learning.config import TrainConfig
from dbp_ros.learning.dataset import Demonstrations, join_episodes
from dbp_ros.learning.row_weights import row_weights
from dbp_ros.learning.trainer import Trainer
from dbp_ros.learning.training_data import TrainingData

STEPS = 20
# A human drives four steps of the second episode, none of the third, and all of the first.
TAKEN_OVER = np.isin(np.arange(STEPS), (5, 6, 7, 12))
LARGE = replace(CONFIG, batch_size=4000, validation_fraction=0.0)


def recorded() -> Demonstrations:
    """Return a demonstration and two episodes of a policy, with the row number as first state."""
    flags = (None, TAKEN_OVER, np.zeros(STEPS, bool))
    found = [episode(n, STEPS, interventions=one, images={}) for n, one in enumerate(flags)]
    data = join_episodes((one, str(n)) for n, one in enumerate(found))
    states = data.states.copy()
    states[:, 0] = np.arange(3 * STEPS)
    return replace(data, states=states)


def sampled_rows(config: TrainConfig, data: Demonstrations) -> np.ndarray:
    sampler = BatchSampler(config, data, TrainingData.of(config, data))
    measured = sampler.sample(1, slice(0, config.batch_size)).batch.measured
    return measured[:, 0, 0].numpy().round().astype(int)


def test_weights_are_those_of_what_drove_the_robot() -> None:
    config = replace(LARGE, policy_row_weight=0.25, intervention_row_weight=3.0)
    weights = row_weights(config, recorded())
    assert weights[:STEPS].tolist() == [1.0] * STEPS
    assert weights[STEPS : 2 * STEPS].tolist() == np.where(TAKEN_OVER, 3.0, 0.25).tolist()
    assert weights[2 * STEPS :].tolist() == [0.25] * STEPS


def test_without_weight_the_rows_of_the_policy_are_never_sampled() -> None:
    rows = sampled_rows(replace(LARGE, policy_row_weight=0.0), recorded())
    allowed = {*range(STEPS), *(STEPS + np.flatnonzero(TAKEN_OVER)).tolist()}
    assert set(rows.tolist()) == allowed


@pytest.mark.parametrize("weight", [0.0, 0.1])
def test_the_share_of_interventions_is_that_of_their_weights(weight: float) -> None:
    config = replace(LARGE, policy_row_weight=weight, intervention_row_weight=5.0)
    rows = sampled_rows(config, recorded())
    share = np.isin(rows, STEPS + np.flatnonzero(TAKEN_OVER)).mean()
    # The standard deviation of the share is below 0.008.
    assert share == pytest.approx(20 / (20 + 20 + 36 * weight), abs=0.04)


def test_equal_weights_sample_the_rows_of_a_uniform_distribution() -> None:
    data = recorded()
    generator = torch.Generator().manual_seed(CONFIG.seed)
    expected = torch.randint(3 * STEPS, (LARGE.batch_size,), generator=generator).numpy()
    np.testing.assert_array_equal(sampled_rows(LARGE, data), expected)
    doubled = replace(data, by_policy=np.ones(3 * STEPS, bool))
    config = replace(LARGE, policy_row_weight=2.0)
    np.testing.assert_array_equal(sampled_rows(config, doubled), expected)


def test_rows_without_weight_are_not_validated_either() -> None:
    config = replace(LARGE, policy_row_weight=0.0, validation_fraction=0.34)
    data = recorded()
    prepared = [TrainingData.of(replace(config, seed=seed), data) for seed in range(3)]
    for one in prepared:
        assert not data.by_policy[one.validation_rows].any()
        assert len(one.weights) == len(one.rows)
    assert any(len(one.validation_rows) for one in prepared)


def test_data_without_a_row_to_train_on_are_refused() -> None:
    data = replace(recorded(), by_policy=np.ones(3 * STEPS, bool))
    with pytest.raises(
        TrainingError, match="policy_row_weight = 0, intervention_row_weight = 1: all"
    ):
        TrainingData.of(replace(LARGE, policy_row_weight=0.0), data)


def test_a_chunk_continues_with_the_executed_actions_after_an_intervention() -> None:
    data = recorded()
    row = STEPS + 7
    chunk = data.batch(np.array([row]), 5).actions[0, 0]
    np.testing.assert_array_equal(chunk, data.actions[row : row + 5])


def test_a_policy_is_trained_on_interventions() -> None:
    config = replace(CONFIG, policy_row_weight=0.1, intervention_row_weight=2.0)
    trainer = Trainer(config, recorded())
    trainer.train()
    assert trainer.update == config.num_steps
