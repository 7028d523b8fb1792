"""Spaces of gymnasium as columns of numbers and images."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from gymnasium import Space, spaces

from dbp_ros.errors import EnvError
from dbp_ros.types import Array, Floats, Image

STATE, ACTION, IMAGE = "state", "action", "image"
Key = tuple[str, ...]


class ObservationLayout:
    """Observations as one state vector and an image per camera.

    A vector under the key `pose` gives the states `pose.0`, `pose.1`, ...; a vector that is the
    whole observation gives `state.0` and so on, an image that is the whole observation `image`.
    These are the names that the readers of data sets give to the columns of a key.

    Attributes:
        state_names: Names of the columns of the state.
        cameras: Height and width of each image.
        is_vector: Whether the whole observation is one vector, whose columns have no names.
    """

    def __init__(self, env_id: str, space: Space[Any]) -> None:
        """Assign a role to every part of a space.

        Raises:
            EnvError: If a part is neither a vector nor an image.
        """
        self._id = env_id
        self._vectors: dict[str, tuple[Key, tuple[int, ...]]] = {}
        self._images: dict[str, tuple[Key, tuple[int, ...]]] = {}
        for key, part in _parts(space):
            if _is_image(part):
                self._images[".".join(key) or IMAGE] = key, _shape(part)
            elif _is_vector(part):
                self._vectors[".".join(key) or STATE] = key, _shape(part)
            else:
                raise EnvError(
                    f"{env_id} observes {'.'.join(key) or 'the space'} = {part}, expected a Dict "
                    "of vectors, Box(n,), and images, Box(0, 255, (height, width, 3), uint8): "
                    "convert it in an ObservationWrapper"
                )
        self.is_vector = not isinstance(space, spaces.Dict)
        self.cameras = {name: (shape[0], shape[1]) for name, (_, shape) in self._images.items()}
        self.state_names = tuple(
            name for key, (_, shape) in self._vectors.items() for name in columns(key, shape)
        )

    def state(self, observation: Any) -> Floats:
        """Return the vectors of an observation in one row. Shape (ns,).

        Raises:
            EnvError: If a vector differs from its space, or is not finite.
        """
        rows = [np.zeros(0, np.float32)]
        for name, (key, shape) in self._vectors.items():
            rows.append(self._array(name, _at(observation, key), shape).astype(np.float32).ravel())
        state = np.concatenate(rows)
        if not np.isfinite(state).all():
            column = int(np.argmin(np.isfinite(state)))
            raise EnvError(
                f"{self._id} returned {self.state_names[column]} = {state[column]}, expected a "
                "finite number: end the episode before the state diverges"
            )
        return state

    def images(self, observation: Any) -> dict[str, Image]:
        """Return the images of an observation, rgb8. Shapes (height, width, 3).

        Raises:
            EnvError: If an image differs from its space.
        """
        return {
            name: self._array(name, _at(observation, key), shape).astype(np.uint8, copy=True)
            for name, (key, shape) in self._images.items()
        }

    def _array(self, name: str, value: Any, shape: tuple[int, ...]) -> Any:
        array = np.asarray(value)
        if array.shape != shape or array.dtype.kind not in "fiub":
            raise EnvError(
                f"{self._id} returned {name} of shape {array.shape} and type {array.dtype}, "
                f"expected numbers of shape {shape} as in its observation_space: correct one of "
                "them"
            )
        return array


class ActionLayout:
    """Continuous actions as one row of numbers within bounds.

    Attributes:
        names: `action.0` and so on.
    """

    def __init__(self, env_id: str, space: Space[Any]) -> None:
        """Read the bounds.

        Raises:
            EnvError: If the actions are not continuous.
        """
        if not isinstance(space, spaces.Box) or space.dtype is None or space.dtype.kind != "f":
            raise EnvError(
                f"{env_id} has actions {space}, expected continuous ones, Box of floats: the "
                "policies have no discrete actions"
            )
        self._shape, self._dtype = _shape(space), space.dtype
        self._low = space.low.astype(np.float64).ravel()
        self._high = space.high.astype(np.float64).ravel()
        self.names = columns(ACTION, self._shape)

    def clip(self, action: Array) -> Array:
        """Return the closest action within the bounds. Shape (nu,)."""
        clipped: Array = np.clip(np.asarray(action, np.float64), self._low, self._high)
        return clipped

    def of_space(self, action: Array) -> Any:
        """Return an action in the shape and type of the space."""
        return action.reshape(self._shape).astype(self._dtype)


def columns(key: str, shape: tuple[int, ...]) -> tuple[str, ...]:
    """Return the names of the columns of a key, as the readers of data sets form them."""
    return tuple(f"{key}.{column}" for column in range(int(np.prod(shape))))


def _parts(space: Space[Any], key: Key = ()) -> Iterator[tuple[Key, Space[Any]]]:
    if isinstance(space, spaces.Dict):
        for name, inner in space.spaces.items():
            yield from _parts(inner, (*key, str(name)))
    else:
        yield key, space


def _at(observation: Any, key: Key) -> Any:
    for name in key:
        if not isinstance(observation, Mapping) or name not in observation:
            raise EnvError(
                f"an observation has no '{'.'.join(key)}', expected each key of observation_space"
            )
        observation = observation[name]
    return observation


def _shape(space: Space[Any]) -> tuple[int, ...]:
    assert space.shape is not None
    return tuple(space.shape)


def _is_image(space: Space[Any]) -> bool:
    if not isinstance(space, spaces.Box) or space.dtype != np.uint8:
        return False
    return len(space.shape) == 3 and space.shape[2] == 3


def _is_vector(space: Space[Any]) -> bool:
    return isinstance(space, spaces.Box) and len(space.shape) <= 1
