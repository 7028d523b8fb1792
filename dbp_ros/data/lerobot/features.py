"""Features of LeRobot data sets and their roles in an episode."""

from collections.abc import Mapping
from typing import Any

from dbp_ros.data.episode_set import RowShape
from dbp_ros.data.importing import Layout
from dbp_ros.data.lerobot.layout import (
    ACTION,
    INDICES,
    INTERVENTION,
    REWARD,
    SECONDS,
    STAMP_NS,
    STATE,
    SUCCESS,
)
from dbp_ros.data.selection import Selection, choose, choose_action
from dbp_ros.errors import EpisodeError

Features = Mapping[str, Mapping[str, Any]]
IMAGE, VIDEO = "image", "video"


def layout_of(features: Features, selection: Selection, step_s: float) -> Layout:
    """Return the role of each feature.

    Raises:
        EpisodeError: If a selected key is missing, or a selected camera is a depth map.
    """
    cameras = {key for key, feature in features.items() if feature["dtype"] in (IMAGE, VIDEO)}
    numbers = set(features) - cameras
    colour = sorted(key for key in cameras if not _is_depth_map(features[key]))
    images = choose("images", selection.images, colour, cameras)
    for key in images:
        if key not in colour:
            raise EpisodeError(
                f"{key} is a depth map, expected images in colour: use some of "
                f"{', '.join(colour) or 'none'}"
            )
    return Layout(
        state=choose("state", selection.state, (STATE,), numbers),
        action=choose_action(selection.action, ACTION, numbers),
        images=images,
        points=choose("points", selection.points, (), numbers),
        step_s=step_s,
        rewards=REWARD if REWARD in features else "",
        seconds=SECONDS if SECONDS in features else "",
        stamps_ns=STAMP_NS if STAMP_NS in features else "",
        interventions=INTERVENTION if INTERVENTION in features else "",
        columns={key: _column_names(features[key].get("names")) for key in numbers},
    )


def row_shapes(features: Features) -> dict[str, RowShape]:
    """Return the shape of a row of each feature except indices and success, which are read."""
    read = {*INDICES, SUCCESS}
    named = {key: feature for key, feature in features.items() if key not in read}
    return {key: tuple(map(int, feature["shape"])) for key, feature in named.items()}


def _is_depth_map(feature: Mapping[str, Any]) -> bool:
    infos = (feature.get("info") or {}, feature.get("video_info") or {})
    names = ("is_depth_map", "video.is_depth_map")
    return any(info.get(name) for info in infos for name in names)


def _column_names(names: Any) -> tuple[str, ...]:
    """Return the column names from a list, lists by group, or column indices by name."""
    if isinstance(names, dict):
        if all(isinstance(value, int) for value in names.values()):
            return tuple(sorted(names, key=lambda name: int(names[name])))
        names = list(names.values())
    # A group of names is a list of its own.
    parts = [name if isinstance(name, list) else [name] for name in names or ()]
    return tuple(str(name) for part in parts for name in part)
