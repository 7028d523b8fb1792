"""A mapping that fits a graph: fixed shapes of all inputs, history and horizon."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dbp_ros.errors import ConfigError
from dbp_ros.policy_import.foreign_graph import ForeignGraph, Size, Tensors, TensorSpec
from dbp_ros.settings.parameter_yaml import suggestion
from dbp_ros.settings.policy_mapping import ImageInput, PolicyMapping, PositionsInput

IMAGE_DTYPES = {"uint8", "float16", "float32", "float64"}
FLOAT_DTYPES = {"float16", "float32", "float64"}


@dataclass(frozen=True)
class ImportPlan:
    """A mapping with the sizes of its graph.

    Attributes:
        mapping: The mapping.
        inputs: Type and fixed shape of each input of the graph.
        windows: Observations that each input of positions or images takes.
        sizes: Height and width of each input of images.
        num_points: Points of each output, before the first ones are dropped.
        horizon: Points of an action chunk.
    """

    mapping: PolicyMapping
    inputs: dict[str, TensorSpec]
    windows: dict[str, int]
    sizes: dict[str, tuple[int, int]]
    num_points: dict[str, int]
    horizon: int

    @property
    def history(self) -> int:
        """Observations of the policy."""
        return max(self.windows.values(), default=1)

    @property
    def observation_step_s(self) -> float:
        """Time between two observations in [s]."""
        return self.mapping.observation_step_s or self.mapping.step_s

    @property
    def latent_size(self) -> int:
        """Columns of the latent: one for each joint, or more if the noise inputs need them."""
        noise = sum(int(np.prod(self.shape_of(name))) for name in self.mapping.noise_inputs)
        return max(len(self.mapping.joints), -(-noise // self.horizon))

    def shape_of(self, name: str) -> tuple[int, ...]:
        """Return the shape of an input."""
        return tuple(int(size) for size in self.inputs[name].shape)

    @property
    def state_size(self) -> int:
        """Number of values of all recurrent inputs."""
        return sum(int(np.prod(self.shape_of(name))) for name in self.mapping.recurrent)

    def initial_value(self, name: str) -> NDArray[Any]:
        """Return the value of a constant input, or of a recurrent one in the first call."""
        return _initial_value(self.mapping, name, self.inputs[name])

    def camera_size(self, name: str) -> tuple[int, int]:
        """Return height and width of the camera's images in training."""
        given = self.mapping.images[name].camera_size
        return (given[0], given[1]) if given else self.sizes[name]


def plan_import(graph: ForeignGraph, mapping: PolicyMapping) -> ImportPlan:
    """Fit a mapping to a graph.

    Raises:
        ConfigError: If a name, a type or a size of the mapping differs from the graph.
        BundleError: If the graph does not run with the sizes.
    """
    _require_names(graph, mapping)
    inputs, windows, sizes = dict[str, TensorSpec](), dict[str, int](), dict[str, tuple[int, int]]()
    for name, item in mapping.positions.items():
        columns = len(mapping.columns(item))
        found = _axes(f"positions.{name}", item.layout, graph.inputs[name], {"N": 1, "D": columns})
        inputs[name], windows[name] = _with_window(name, item, graph.inputs[name], found)
        _require_dtype(f"positions.{name}", graph.inputs[name], FLOAT_DTYPES)
    for name, image in mapping.images.items():
        known = {"N": 1, "C": 3, **dict(zip("HW", image.size, strict=False))}
        found = _axes(f"images.{name}", image.layout, graph.inputs[name], known)
        sizes[name] = _image_size(name, found)
        inputs[name], windows[name] = _with_window(name, image, graph.inputs[name], found)
        _require_dtype(f"images.{name}", graph.inputs[name], IMAGE_DTYPES)
        if graph.inputs[name].dtype == np.uint8 and (image.mean or image.range != (0.0, 255.0)):
            raise ConfigError(
                f"images.{name} is uint8 in the graph, and range is {image.range}: set range to "
                "[0, 255], without mean and std"
            )
    for name in mapping.noise_inputs:
        inputs[name] = _fixed(f"noise input {name}", graph.inputs[name], ())
        _require_dtype(f"noise input {name}", graph.inputs[name], FLOAT_DTYPES)
    for name, constant in mapping.constants.items():
        inputs[name] = _fixed(f"constants.{name}", graph.inputs[name], constant.shape)
        _require_values(f"constants.{name}", inputs[name], constant.value)
    for name, state in mapping.recurrent.items():
        inputs[name] = _fixed(f"recurrent.{name}", graph.inputs[name], state.shape)
        _require_values(f"recurrent.{name}", inputs[name], state.value)
        _require_dtype(f"recurrent.{name}", graph.inputs[name], FLOAT_DTYPES)
    points = _output_points(graph, mapping, inputs)
    return ImportPlan(mapping, inputs, windows, sizes, points, _horizon(mapping, points))


def _require_names(graph: ForeignGraph, mapping: PolicyMapping) -> None:
    """Raise `ConfigError` unless every input and output of the graph is mapped."""
    sections = "positions, images, noise, constants or recurrent"
    for kind, mapped, known, section in (
        (
            "input",
            mapping.input_names,
            graph.inputs,
            sections,
        ),
        ("output", mapping.output_names, graph.outputs, "actions, recurrent or unused_outputs"),
    ):
        for name in mapped:
            if name not in known:
                listed = ", ".join(known)
                hint = suggestion(name, known)
                raise ConfigError(f"the graph has no {kind} {name}, it has {listed}{hint}")
        if absent := [name for name in known if name not in mapped]:
            shown = ", ".join(f"{name} {known[name]}" for name in absent)
            raise ConfigError(f"the mapping lacks the {kind} {shown}: add it to {section}")


def _axes(name: str, layout: str, spec: TensorSpec, expected: Mapping[str, int]) -> dict[str, Size]:
    """Return the size of each axis, with the expected one where the graph has none."""
    if len(layout) != len(spec.shape):
        raise ConfigError(
            f"{name} has {len(spec.shape)} axes in the graph, {spec}, and layout {layout} has "
            f"{len(layout)}: write one letter for each axis"
        )
    found: dict[str, Size] = {}
    for letter, size in zip(layout, spec.shape, strict=True):
        wanted = expected.get(letter)
        if isinstance(size, int) and wanted is not None and size != wanted:
            raise ConfigError(
                f"{name}: the axis {letter} of layout {layout} is {size} in the graph, {spec}, "
                f"expected {wanted}: correct the layout, the joints or the size"
            )
        found[letter] = size if wanted is None else wanted
    return found


def _with_window(
    name: str, item: PositionsInput | ImageInput, spec: TensorSpec, axes: Mapping[str, Size]
) -> tuple[TensorSpec, int]:
    """Return the fixed shape of an input and its number of observations."""
    if "T" not in axes and item.history > 1:
        raise ConfigError(
            f"{name}: history is {item.history}, and layout {item.layout} has no axis T"
        )
    window = axes.get("T", 1)
    if not isinstance(window, int):
        window = item.history
    elif item.history not in (1, window):
        raise ConfigError(
            f"{name}: history is {item.history}, the graph takes {window} observations: remove it"
        )
    shape = tuple(window if letter == "T" else size for letter, size in axes.items())
    return TensorSpec(spec.dtype, shape), window


def _image_size(name: str, axes: Mapping[str, Size]) -> tuple[int, int]:
    height, width = axes["H"], axes["W"]
    if not isinstance(height, int) or not isinstance(width, int):
        raise ConfigError(
            f"images.{name}: height and width are not fixed in the graph: set size to [height, "
            "width] of the training"
        )
    return height, width


def _fixed(name: str, spec: TensorSpec, given: tuple[int, ...]) -> TensorSpec:
    """Return a specification with a fixed shape: that of the graph, or the given one."""
    if given and (
        len(given) != len(spec.shape)
        or any(isinstance(s, int) and s != g for s, g in zip(spec.shape, given, strict=True))
    ):
        raise ConfigError(f"{name}: shape is {given}, the graph has {spec}: correct the shape")
    batch = [1 if isinstance(size, str) else size for size in spec.shape[:1]]
    sizes: tuple[Size, ...] = given or (*batch, *spec.shape[1:])
    if any(isinstance(size, str) for size in sizes):
        raise ConfigError(
            f"{name}: the graph has {spec}, whose size is not fixed: export it with fixed sizes, "
            "or map it to constants with a shape"
        )
    return TensorSpec(spec.dtype, sizes)


def _require_values(name: str, spec: TensorSpec, value: tuple[float, ...]) -> None:
    count = int(np.prod([int(size) for size in spec.shape]))
    if len(value) not in (1, count):
        raise ConfigError(
            f"{name}: value has {len(value)} numbers, expected 1 or {count} for {spec}"
        )


def _require_dtype(name: str, spec: TensorSpec, known: set[str]) -> None:
    if str(spec.dtype) not in known:
        raise ConfigError(
            f"{name} is {spec} in the graph, expected one of {', '.join(sorted(known))}: map it to "
            "another section"
        )


def _initial_value(mapping: PolicyMapping, name: str, spec: TensorSpec) -> NDArray[Any]:
    """Return the value of an input before the first observation; zeros without a given one."""
    given = mapping.constants.get(name) or mapping.recurrent.get(name)
    values, shape = np.asarray(given.value if given else (0.0,)), tuple(map(int, spec.shape))
    full = np.full(shape, values[0]) if len(values) == 1 else values.reshape(shape)
    return full.astype(spec.dtype)


def _output_points(
    graph: ForeignGraph, mapping: PolicyMapping, inputs: Mapping[str, TensorSpec]
) -> dict[str, int]:
    """Run the graph once; return the number of points of each output."""
    feeds = {name: _initial_value(mapping, name, spec) for name, spec in inputs.items()}
    values, points = graph.run(feeds), dict[str, int]()
    _require_states(mapping, inputs, values)
    for name, item in mapping.actions.items():
        spec = TensorSpec(values[name].dtype, values[name].shape)
        columns = len(mapping.columns(item))
        axes = _axes(f"actions.{name}", item.layout, spec, {"N": 1, "D": columns})
        points[name] = int(axes.get("T", 1)) - item.skip_points
        _require_dtype(f"actions.{name}", spec, FLOAT_DTYPES)
        if points[name] < 1:
            raise ConfigError(
                f"actions.{name}: skip_points is {item.skip_points}, the graph returns "
                f"{axes.get('T', 1)} points: drop fewer"
            )
    return points


def _require_states(
    mapping: PolicyMapping, inputs: Mapping[str, TensorSpec], outputs: Tensors
) -> None:
    """Require that each recurrent input has type and shape of its output."""
    for name, state in mapping.recurrent.items():
        found = outputs[state.output]
        returned = TensorSpec(found.dtype, found.shape)
        if returned != inputs[name]:
            raise ConfigError(
                f"recurrent.{name} takes {inputs[name]}, and the output {state.output} is "
                f"{returned}: name the output of this state, or correct the shape"
            )


def _horizon(mapping: PolicyMapping, points: Mapping[str, int]) -> int:
    if len(set(points.values())) > 1:
        listed = ", ".join(f"{name} {count}" for name, count in points.items())
        raise ConfigError(f"the outputs have different numbers of points: {listed}")
    horizon = next(iter(points.values()))
    if mapping.n_action_steps > horizon:
        raise ConfigError(
            f"n_action_steps is {mapping.n_action_steps}, a chunk of this graph has {horizon} "
            "points: execute at most those"
        )
    return horizon
