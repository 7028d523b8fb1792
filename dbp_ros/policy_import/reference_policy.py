"""The original graph with NumPy around it: the reference of an import.

It shares no code with the graphs of the bundle, so that equal actions prove the import.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dbp_ros.policy_import.foreign_graph import ForeignGraph, Tensors
from dbp_ros.policy_import.plan import ImportPlan
from dbp_ros.policy_import.reference_resize import resize
from dbp_ros.settings.policy_mapping import ActionOutput, Normalisation
from dbp_ros.types import Array, Floats, Image


class ReferencePolicy:
    """A foreign graph as a function from an observation to an action chunk."""

    def __init__(self, graph: ForeignGraph, plan: ImportPlan) -> None:
        """Run a graph with the sizes of a plan."""
        self._graph, self._plan = graph, plan

    def predict(self, positions: Floats, images: Mapping[str, Image], latent: Floats) -> Floats:
        """Return the action chunk of the first call of an episode; see `advance`."""
        return self.advance(positions, images, latent, {})[0]

    def advance(
        self,
        positions: Floats,
        images: Mapping[str, Image],
        latent: Floats,
        states: Mapping[str, NDArray[Any]],
    ) -> tuple[Floats, Tensors]:
        """Return the action chunk in [rad] and [m], and the recurrent inputs of the next call.

        Args:
            positions: Measured joint positions, oldest first. Shape (history, nu).
            images: Images by camera, oldest first. Shapes (history, height, width, 3).
            latent: Standard normal noise. Shape (horizon, latent_size).
            states: Recurrent inputs; their initial values if empty.

        Returns:
            The chunk, of shape (horizon, nu), and the recurrent inputs by name.
        """
        plan, mapping = self._plan, self._plan.mapping
        measured = {
            joint: positions[:, column].astype(np.float64)
            for column, joint in enumerate(mapping.joints)
        }
        feeds: Tensors = {name: self._positions(name, measured) for name in mapping.positions}
        feeds |= {
            name: self._frames(name, images[image.camera]) for name, image in mapping.images.items()
        }
        noise = latent.ravel().tolist()
        for name in mapping.noise_inputs:
            count = int(np.prod(plan.shape_of(name)))
            feeds[name] = self._tensor(name, noise[:count])
            noise = noise[count:]
        for name, constant in {**mapping.constants, **mapping.recurrent}.items():
            count = int(np.prod(plan.shape_of(name)))
            repeated = constant.value * count if len(constant.value) == 1 else constant.value
            feeds[name] = self._tensor(name, repeated)
        outputs = self._graph.run({**feeds, **states})
        following = {name: outputs[state.output] for name, state in mapping.recurrent.items()}
        return self._chunk(outputs, measured), following

    def _tensor(self, name: str, values: Sequence[float]) -> NDArray[Any]:
        return np.array(values, self._plan.inputs[name].dtype).reshape(self._plan.shape_of(name))

    def _positions(self, name: str, measured: Mapping[str, Array]) -> NDArray[Any]:
        mapping, item = self._plan.mapping, self._plan.mapping.positions[name]
        columns = []
        for joint in mapping.columns(item):
            factor, offset = mapping.conversion(item, joint)
            columns.append((measured[joint] - offset) / factor)
        values = _normalise(item, np.stack(columns, axis=1))[-self._plan.windows[name] :]
        return self._arranged(name, values[None], "NTD", item.layout)

    def _frames(self, name: str, images: Image) -> NDArray[Any]:
        image, size = self._plan.mapping.images[name], self._plan.sizes[name]
        frames = np.stack([resize(i, image, size) for i in images[-self._plan.windows[name] :]])
        if image.channels == "bgr":
            frames = frames[..., ::-1]
        low, high = image.range
        frames = low + frames / 255 * (high - low)
        if image.mean:
            frames = (frames - image.mean) / image.std
        return self._arranged(name, frames[None], "NTHWC", image.layout)

    def _arranged(self, name: str, values: Array, axes: str, layout: str) -> NDArray[Any]:
        arranged = np.einsum(f"{axes}->{axes.translate(_without(axes, layout))}{layout}", values)
        tensor: NDArray[Any] = arranged.reshape(self._plan.shape_of(name))
        dtype = self._plan.inputs[name].dtype
        return (np.rint(tensor) if dtype.kind in "iu" else tensor).astype(dtype)

    def _chunk(self, outputs: Tensors, measured: Mapping[str, Array]) -> Floats:
        mapping, targets = self._plan.mapping, dict[str, Array]()
        for name, item in mapping.actions.items():
            absent = "".join(letter for letter in "NTD" if letter not in item.layout)
            raw = outputs[name].astype(np.float64).reshape((1,) * len(absent) + outputs[name].shape)
            rows = np.einsum(f"{absent}{item.layout}->NTD", raw)[0, item.skip_points :]
            values = _denormalise(item, rows)
            for column, joint in enumerate(mapping.columns(item)):
                factor, offset = mapping.conversion(item, joint)
                targets[joint] = _target(
                    item, joint, values[:, column], factor, offset, measured[joint][-1]
                )
        return np.stack([targets[joint] for joint in mapping.joints], axis=1).astype(np.float32)


def _without(axes: str, layout: str) -> dict[int, None]:
    """Return a translation that removes the letters of a layout."""
    return {ord(letter): None for letter in axes if letter in layout}


def _target(
    item: ActionOutput, joint: str, values: Array, factor: float, offset: float, measured: float
) -> Array:
    """Return the positions of one joint in [rad] or [m]. Shape (horizon,)."""
    if item.meaning == "absolute" or joint in item.absolute_joints:
        return values * factor + offset
    if item.meaning == "increments":
        values = np.cumsum(values)
    return measured + values * factor


def _normalise(item: Normalisation, values: Array) -> Array:
    if item.mean:
        return (values - item.mean) / item.std
    if item.min:
        low, high = item.normalised_range
        share = (values - item.min) / (np.array(item.max) - item.min)
        return low + share * (high - low)
    return values


def _denormalise(item: Normalisation, values: Array) -> Array:
    if item.mean:
        return values * item.std + item.mean
    if item.min:
        low, high = item.normalised_range
        return item.min + (values - low) / (high - low) * (np.array(item.max) - item.min)
    return values
