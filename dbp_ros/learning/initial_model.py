"""Settings of a training that starts from the weights of a model bundle."""

import math
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from dbp_ros.data.formats import format_of, open_episodes
from dbp_ros.data.selection import Selection
from dbp_ros.errors import EpisodeError, TrainingError
from dbp_ros.learning.checkpoint import Checkpoint
from dbp_ros.learning.config import TrainConfig
from dbp_ros.robots.arm_solver import ArmSolver
from dbp_ros.settings.robot_files import read_robot

# Settings of the network, which must be those of the weights.
NETWORK_SETTINGS = (
    *("method", "num_inference_steps", "horizon", "n_obs_steps", "latent_dct_modes"),
    *("num_components", "head", "width", "branch_width", "depth", "unet_widths", "encoder"),
    *("channels", "keypoints", "resnet_width", "features", "crop"),
    *("action_space", "relative_actions"),
)
STEP_TOLERANCE = 1e-6


def initial_config(model: Checkpoint, config: TrainConfig, given: Collection[str]) -> TrainConfig:
    """Return the settings of a training with the network settings of an initial model.

    Args:
        model: The initial model.
        config: Settings of the training.
        given: Names of the settings that the user chose.

    Raises:
        TrainingError: If a chosen network setting differs from that of the model.
    """
    values = {name: getattr(model.config, name) for name in NETWORK_SETTINGS}
    for name in NETWORK_SETTINGS:
        if name in given:
            _check_equal(name, getattr(config, name), values[name])
    return replace(config, **values)


def initial_selection(
    model: Checkpoint, path: Path, selection: Selection, given: Collection[str]
) -> Selection:
    """Return a selection with the cameras, image size and control step of an initial model.

    Args:
        model: The initial model.
        path: The data set.
        selection: Selection of the user.
        given: Names of the settings that the user chose.

    Raises:
        EpisodeError: If the data set cannot be opened, or lacks a camera.
        TrainingError: If a chosen value differs from that of the model, or the data set has
            another rate.
    """
    values: dict[str, Any] = {
        "images": _keys(model.shape.cameras, path, selection),
        "points": tuple(model.shape.clouds),
    }
    for name in ("images", "points"):
        if name in given and set(getattr(selection, name) or ()) != set(values[name]):
            _check_equal(name, getattr(selection, name), values[name])
    sizes = set(model.shape.cameras.values())
    if len(sizes) == 1:
        (values["image_size"],) = sizes
        if "image_size" in given:
            _check_equal("image_size", selection.image_size, values["image_size"])
    return _with_step(path, replace(selection, **values), given, model.shape.step_s)


def _keys(cameras: Collection[str], path: Path, selection: Selection) -> tuple[str, ...]:
    """Return the keys of the cameras of a model in a data set."""
    if not (selection.robot and format_of(path).has_own_names):
        return tuple(cameras)
    mapping = read_robot(selection.robot).data
    return tuple(mapping.key_of(camera) for camera in cameras)


def _with_step(
    path: Path, selection: Selection, given: Collection[str], step_s: float
) -> Selection:
    """Return a selection whose rows are the control step of the model apart."""
    found_s = _step_of(path, selection)
    if math.isclose(found_s, step_s, rel_tol=STEP_TOLERANCE):
        return selection
    if "step_s" not in given:
        timed = replace(selection, step_s=step_s / (selection.stride or 1))
        # A data set that stores its rate refuses or ignores another one.
        with suppress(EpisodeError):
            if math.isclose(_step_of(path, timed), step_s, rel_tol=STEP_TOLERANCE):
                return timed
    ratio = step_s / found_s * (selection.stride or 1)
    fix = "use data with the control step of the model"
    if ratio >= 1 and math.isclose(ratio, round(ratio), rel_tol=STEP_TOLERANCE):
        fix = f"give --stride {round(ratio)}"
    if "step_s" in given:
        fix = "leave out --step-s"
    raise TrainingError(
        f"the rows of the data set are {found_s:.4g} s apart, the initial model has a control step "
        f"of {step_s:.4g} s: {fix}"
    )


def _step_of(path: Path, selection: Selection) -> float:
    """Return the time between two rows of the first episode, in [s]."""
    numbers = replace(selection, images=(), points=())
    return open_episodes(path, numbers, ArmSolver).read(0).step_s


def _check_equal(name: str, chosen: Any, stored: Any) -> None:
    if chosen != stored:
        raise TrainingError(
            f"{name} is {_shown(chosen)}, and the initial model has {_shown(stored)}: leave out "
            f"--{name.replace('_', '-')}, or train without --initial-model"
        )


def _shown(value: Any) -> str:
    return (" ".join(map(str, value)) or "none") if isinstance(value, tuple) else str(value)
