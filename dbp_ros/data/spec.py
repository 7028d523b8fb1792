"""Properties that all episodes of a data set share."""

from collections.abc import Mapping
from dataclasses import dataclass

from dbp_ros.data.episode import Episode

STEP_TOLERANCE = 1e-3
# Range of a column up to which it is constant.
CONSTANT_BELOW = 1e-4


@dataclass(frozen=True)
class SetSpec:
    """Columns, step, cameras and point clouds of an episode.

    Attributes:
        states: Names of the columns of the state.
        actions: Names of the columns of the action.
        step_s: Time between two rows, in [s].
        images: Shape of the images of each camera.
        points: Shape of each point cloud.
    """

    states: tuple[str, ...]
    actions: tuple[str, ...]
    step_s: float
    images: Mapping[str, tuple[int, ...]]
    points: Mapping[str, tuple[int, ...]]


def spec_of(episode: Episode) -> SetSpec:
    """Return the properties of an episode."""
    return SetSpec(
        states=episode.state_names,
        actions=episode.action_names,
        step_s=episode.step_s,
        images={camera: images.shape[1:] for camera, images in episode.images.items()},
        points={sensor: cloud.shape[1:] for sensor, cloud in episode.points.items()},
    )


def differences(expected: SetSpec, found: SetSpec) -> dict[str, str]:
    """Return each difference as text, by its field; empty if the two fit together."""
    different = {
        "state": _names(expected.states, found.states),
        "action": _names(expected.actions, found.actions),
        "cameras": _shapes(expected.images, found.images),
        "point clouds": _shapes(expected.points, found.points),
    }
    if abs(found.step_s / expected.step_s - 1) > STEP_TOLERANCE:
        different["step_s"] = f"a step of {found.step_s:.4g} s, not {expected.step_s:.4g} s"
    return {field: text for field, text in different.items() if text}


def _names(expected: tuple[str, ...], found: tuple[str, ...]) -> str:
    missing = [name for name in expected if name not in found]
    extra = [name for name in found if name not in expected]
    parts = [f"without {', '.join(missing)}"] * bool(missing)
    parts += [f"with {', '.join(extra)}"] * bool(extra)
    if not parts and expected != found:
        return "the same columns in another order"
    return " and ".join(parts)


def _shapes(expected: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]) -> str:
    named = _names(tuple(sorted(expected)), tuple(sorted(found)))
    if named:
        return named
    return ", ".join(
        f"{name} of {_shape(found[name])}, not {_shape(shape)}"
        for name, shape in expected.items()
        if found[name] != shape
    )


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
