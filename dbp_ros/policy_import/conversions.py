"""Conversions between robot and policy as one factor and one offset for each column."""

import numpy as np

from dbp_ros.settings.policy_mapping import (
    ActionOutput,
    ImageInput,
    Normalisation,
    PolicyMapping,
    PositionsInput,
)
from dbp_ros.types import Array

MAX_PIXEL = 255.0


def position_conversion(mapping: PolicyMapping, item: PositionsInput) -> tuple[Array, Array]:
    """Return factors and offsets from [rad] and [m] to an input of positions."""
    factor, offset = _robot_units(mapping, item)
    scale, shift = _normalising(item, len(factor))
    return scale / factor, shift - scale * offset / factor


def action_conversion(mapping: PolicyMapping, item: ActionOutput) -> tuple[Array, Array]:
    """Return factors and offsets from an output to [rad] and [m].

    A difference of positions has no offset of its unit.
    """
    factor, offset = _robot_units(mapping, item)
    scale, shift = _normalising(item, len(factor))
    offset = np.where(absolute_columns(mapping, item), offset, 0.0)
    return factor / scale, offset - factor * shift / scale


def absolute_columns(mapping: PolicyMapping, item: ActionOutput) -> np.ndarray:
    """Return which columns of an output are absolute positions. Shape (columns,)."""
    columns = mapping.columns(item)
    absolute = item.meaning == "absolute"
    return np.array([absolute or joint in item.absolute_joints for joint in columns])


def pixel_conversion(image: ImageInput) -> tuple[Array, Array]:
    """Return factors and offsets of the three channels, from pixels to an input of images."""
    low, high = image.range
    std = np.asarray(image.std or (1.0, 1.0, 1.0))
    mean = np.asarray(image.mean or (0.0, 0.0, 0.0))
    return (high - low) / MAX_PIXEL / std, (low - mean) / std


def _robot_units(
    mapping: PolicyMapping, item: PositionsInput | ActionOutput
) -> tuple[Array, Array]:
    pairs = [mapping.conversion(item, joint) for joint in mapping.columns(item)]
    factors, offsets = np.array(pairs, np.float64).T
    return factors, offsets


def _normalising(item: Normalisation, count: int) -> tuple[Array, Array]:
    """Return factors and offsets from the policy's units to its normalised values."""
    if item.mean:
        std = np.asarray(item.std)
        return 1 / std, -np.asarray(item.mean) / std
    if item.min:
        low, high = item.normalised_range
        least, most = np.asarray(item.min), np.asarray(item.max)
        factor = (high - low) / (most - least)
        return factor, low - factor * least
    return np.ones(count), np.zeros(count)
