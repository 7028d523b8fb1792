"""The training and validation rows of a data set, with the statistics of the training rows."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from dbp_ros.errors import TrainingError
from dbp_ros.learning.config import TrainConfig
from dbp_ros.learning.dataset import Demonstrations
from dbp_ros.learning.normaliser import (
    JointNormaliser,
    Normaliser,
    SmallestRanges,
    relative_columns,
)
from dbp_ros.learning.observation_neighbours import (
    Neighbours,
    find_neighbours,
    image_components,
)
from dbp_ros.learning.policy_network import PolicyShape
from dbp_ros.learning.row_weights import row_weights
from dbp_ros.types import Array


@dataclass(frozen=True)
class TrainingData:
    """Training and validation rows of a data set, split by episode.

    Attributes:
        rows: Training rows, without those of weight 0.
        weights: Sampling weight of each training row, above 0. Shape (rows,).
        validation_rows: Rows of the validation episodes, without those of weight 0.
        normaliser: Fitted to the training rows.
        neighbours: Of the training rows; None if not configured.
    """

    rows: NDArray[np.int64]
    weights: Array
    validation_rows: NDArray[np.int64]
    normaliser: Normaliser
    neighbours: Neighbours | None

    @classmethod
    def of(cls, config: TrainConfig, data: Demonstrations) -> "TrainingData":
        """Split a data set and fit its statistics.

        Raises:
            TrainingError: If no episode or row is left to train on, an action is constant, or
                neighbours are configured for a data set with point clouds.
        """
        _check(config, data)
        weights = row_weights(config, data)
        rows, validation_rows = (
            part[weights[part] > 0]
            for part in split_by_episode(data, config.validation_fraction, config.seed)
        )
        _check_rows(config, rows)
        normaliser = _fitted_normaliser(config, data, rows)
        if not config.neighbours:
            return cls(rows, weights[rows], validation_rows, normaliser, None)
        states = data.state_history(np.arange(len(data.states)), config.n_obs_steps)
        observed = [normaliser.normalise_states(torch.from_numpy(states)).flatten(1).numpy()]
        observed += [image_components(images) for images in data.images.values()]
        neighbours = find_neighbours(
            np.concatenate(observed, axis=1),
            data.episode,
            rows,
            config.neighbours,
            config.neighbour_bandwidth,
        )
        return cls(rows, weights[rows], validation_rows, normaliser, neighbours)


def _fitted_normaliser(
    config: TrainConfig, data: Demonstrations, rows: NDArray[np.int64]
) -> Normaliser:
    """Return the normaliser of training rows."""
    normaliser, floors = PolicyShape.of(data, config).normaliser(config), SmallestRanges.of(config)
    if isinstance(normaliser, JointNormaliser):
        relative = relative_columns(
            data.state_names, data.action_names, config.relative_actions, data.units
        )
        normaliser.relative_to.copy_(torch.from_numpy(relative))
    columns = normaliser.action_columns(data.action_names, data.units)
    normaliser.fit(
        data.states[rows],
        data.chunks(rows, config.horizon),
        floors.each(data.units.of(name) for name in data.state_names),
        floors.each(column.unit for column in columns),
    )
    return normaliser


def _check(config: TrainConfig, data: Demonstrations) -> None:
    if config.neighbours and data.points:
        raise TrainingError(
            f"neighbours = {config.neighbours}: distances ignore point clouds: use --neighbours 0"
        )
    constant = data.constant_actions()
    if constant and not config.allow_constant_actions:
        raise TrainingError(
            f"these actions are constant in all {data.episodes} episodes: {', '.join(constant)}: "
            "check how they were recorded, or accept them with allow_constant_actions "
            "(--allow-constant-actions)"
        )


def _check_rows(config: TrainConfig, rows: NDArray[np.int64]) -> None:
    if not len(rows):
        raise TrainingError(
            f"policy_row_weight = {config.policy_row_weight:g}, intervention_row_weight = "
            f"{config.intervention_row_weight:g}: all rows of the training episodes have weight 0: "
            "add demonstrations or episodes with interventions, or raise the weights"
        )


def split_by_episode(
    demonstrations: Demonstrations, fraction: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return training rows and validation rows; no episode is in both.

    Raises:
        TrainingError: If no episode is left to train on.
    """
    count = demonstrations.episodes
    validation = round(count * fraction) if count > 1 else 0
    validation = max(validation, 1) if fraction > 0 and count > 1 else validation
    if validation >= count:
        raise TrainingError(f"{count} episodes leave none to train on at fraction {fraction}")
    order = np.random.default_rng(seed).permutation(count)
    held_out = np.isin(demonstrations.episode, order[:validation])
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)
