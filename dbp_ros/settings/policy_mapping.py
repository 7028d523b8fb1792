"""Mapping of the inputs and outputs of an ONNX graph that was trained elsewhere."""

from dataclasses import dataclass
from typing import Literal

from dbp_ros.errors import ConfigError
from dbp_ros.settings.data_mapping import JointColumn, Unit
from dbp_ros.settings.denoiser import Denoiser
from dbp_ros.settings.fields import Settings, setting
from dbp_ros.settings.robot import NAME

# Letters of a layout: batch, time, columns of a vector; channels, height and width of an image.
VECTOR_LETTERS, IMAGE_LETTERS = "NTD", "NTCHW"


@dataclass(frozen=True)
class Normalisation(Settings):
    """Normalisation of the columns of a vector, in the policy's units; none by default."""

    mean: tuple[float, ...] = setting((), "Mean of each column")
    std: tuple[float, ...] = setting((), "Standard deviation of each column", ge=1e-9)
    min: tuple[float, ...] = setting((), "Value of each column at the first of normalised_range")
    max: tuple[float, ...] = setting((), "Value of each column at the last of normalised_range")
    normalised_range: tuple[float, float] = setting((-1.0, 1.0), "Range after min and max")

    def __post_init__(self) -> None:
        """Check values that depend on each other."""
        super().__post_init__()
        if bool(self.mean) != bool(self.std) or bool(self.min) != bool(self.max):
            raise ConfigError("expected mean and std, or min and max")
        if self.mean and self.min:
            raise ConfigError("expected mean and std, or min and max, not both")
        equal = [low for low, high in zip(self.min, self.max, strict=False) if low == high]
        if equal:
            raise ConfigError(f"min and max are both {equal[0]}, expected two different values")
        if self.normalised_range[0] == self.normalised_range[1]:
            raise ConfigError(f"normalised_range is {self.normalised_range}, expected two values")

    def require_columns(self, count: int, name: str) -> None:
        """Raise `ConfigError` unless each list has one value for each column."""
        for key in ("mean", "std", "min", "max"):
            values = getattr(self, key)
            if values and len(values) != count:
                raise ConfigError(
                    f"{name}.{key} has {len(values)} values, expected {count}, one for each joint"
                )


@dataclass(frozen=True)
class PositionsInput(Normalisation):
    """Input of measured joint positions."""

    layout: str = setting("ND", "Axes of the tensor: N batch, T time, D joints")
    joints: tuple[str, ...] = setting((), "Order of the columns; empty for joints of the mapping")
    unit: Unit | None = setting(None, "Unit of the columns; that of the mapping if not given")
    history: int = setting(1, "Observations, if the axis T has no fixed size", ge=1)

    def __post_init__(self) -> None:
        """Check the layout."""
        super().__post_init__()
        _check_layout(self.layout, VECTOR_LETTERS, "D")


@dataclass(frozen=True)
class ImageInput(Settings):
    """Input of the images of one camera.

    An image is resized and fitted, its pixels are scaled linearly to `range`, and then normalised
    by `mean` and `std`.
    """

    camera: str = setting("", "Name of the camera on the robot")
    layout: str = setting("NCHW", "Axes: N batch, T time, C channels, H height, W width")
    size: tuple[int, ...] = setting((), "Height and width, if the axes have no fixed size", ge=1)
    camera_size: tuple[int, ...] = setting(
        (),
        "Height and width of the camera's images in training; empty for those of the input",
        ge=1,
    )
    fit: Literal["stretch", "pad", "crop"] = setting(
        "stretch", "stretch both axes, pad with black to keep the aspect ratio, or crop the centre"
    )
    interpolation: Literal["linear", "linear_antialias"] = setting(
        "linear", "linear as in OpenCV, or with the antialias filter of Pillow and torchvision"
    )
    channels: Literal["rgb", "bgr"] = setting("rgb", "Order of the channels")
    range: tuple[float, float] = setting((0.0, 1.0), "Values of black and white")
    mean: tuple[float, ...] = setting((), "Mean of each channel, after the scaling to range")
    std: tuple[float, ...] = setting((), "Standard deviation of each channel", ge=1e-9)
    history: int = setting(1, "Observations, if the axis T has no fixed size", ge=1)

    def __post_init__(self) -> None:
        """Check values that depend on each other."""
        super().__post_init__()
        _check_layout(self.layout, IMAGE_LETTERS, "CHW")
        if not NAME.fullmatch(self.camera):
            raise ConfigError(
                f"camera is {self.camera!r}, expected the name of a camera of the robot: letters, "
                "digits and underscores"
            )
        for name, count in (("size", 2), ("camera_size", 2), ("mean", 3), ("std", 3)):
            values = getattr(self, name)
            if values and len(values) != count:
                raise ConfigError(f"{name} has {len(values)} values, expected {count}")
        if bool(self.mean) != bool(self.std):
            raise ConfigError("expected mean and std, or neither")
        if self.range[0] == self.range[1]:
            raise ConfigError(f"range is {self.range}, expected two different values")


@dataclass(frozen=True)
class ConstantInput(Settings):
    """Input with a constant value, such as the latent of a variational policy or a task."""

    value: tuple[float, ...] = setting((0.0,), "One value, or all values in the order of the axes")
    shape: tuple[int, ...] = setting((), "Shape, if the axes have no fixed size", ge=1)


@dataclass(frozen=True)
class RecurrentInput(ConstantInput):
    """Input of the state that the graph returned in its last call.

    The value is that of the first call of an episode.
    """

    output: str = setting("", "Output whose value is the input of the next call")

    def __post_init__(self) -> None:
        """Check that an output is named."""
        super().__post_init__()
        if not self.output:
            raise ConfigError("output is empty, expected the output that feeds this input")


@dataclass(frozen=True)
class ActionOutput(Normalisation):
    """Output with target positions of joints."""

    layout: str = setting("NTD", "Axes of the tensor: N batch, T points of a chunk, D joints")
    joints: tuple[str, ...] = setting((), "Order of the columns; empty for joints of the mapping")
    unit: Unit | None = setting(None, "Unit of the columns; that of the mapping if not given")
    meaning: Literal["absolute", "relative_to_measured", "increments"] = setting(
        "absolute",
        "Absolute positions, differences from the newest measured positions, or differences from "
        "the previous point, of the first point from the measured positions",
    )
    absolute_joints: tuple[str, ...] = setting(
        (), "Joints that are absolute although the others are not, such as a gripper"
    )
    skip_points: int = setting(0, "First points that lie in the past and are dropped", ge=0)

    def __post_init__(self) -> None:
        """Check values that depend on each other."""
        super().__post_init__()
        _check_layout(self.layout, VECTOR_LETTERS, "D")
        if self.absolute_joints and self.meaning == "absolute":
            raise ConfigError("absolute_joints is set, but meaning is absolute: remove one of them")


@dataclass(frozen=True)
class PolicyMapping(Settings):
    """Inputs and outputs of a graph, by their names in the graph."""

    joints: tuple[str, ...] = setting((), "Joints of the robot that the policy moves")
    unit: Unit = setting("rad", "Unit of the policy for joints without an item in joint_units")
    joint_units: dict[str, JointColumn] = setting({}, "Joints with another unit, sign or range")
    step_s: float = setting(0.0, "Time between two points of a chunk [s]", ge=0.0)
    n_action_steps: int = setting(1, "Executed points of a chunk per decision", ge=1)
    observation_step_s: float = setting(
        0.0, "Time between two observations of a history [s]; 0 for step_s", ge=0.0
    )
    positions: dict[str, PositionsInput] = setting({}, "Inputs of measured joint positions")
    images: dict[str, ImageInput] = setting({}, "Inputs of images")
    noise: tuple[str, ...] = setting((), "Inputs of standard normal noise")
    denoiser: Denoiser | None = setting(
        None, "Network that runs several times for each chunk, and its sampler"
    )
    constants: dict[str, ConstantInput] = setting({}, "Inputs with a constant value")
    recurrent: dict[str, RecurrentInput] = setting({}, "Inputs of the state of the last call")
    actions: dict[str, ActionOutput] = setting({}, "Outputs of target positions")
    unused_outputs: tuple[str, ...] = setting((), "Outputs that are not used")
    tolerance: float = setting(
        1e-3, "Largest difference of a golden case on any machine [rad, m]", ge=1e-6, le=0.1
    )

    def __post_init__(self) -> None:
        """Check values that depend on each other."""
        super().__post_init__()
        if not self.joints or len(set(self.joints)) != len(self.joints):
            raise ConfigError(f"joints is {list(self.joints)}, expected names without duplicates")
        if not self.step_s > 0:
            raise ConfigError("step_s is 0, expected the time between two points in [s]")
        if not self.actions:
            raise ConfigError("actions is empty, expected an output of target positions")
        self._check_names()
        self._check_cameras()
        self._check_denoiser()
        moved = [joint for output in self.actions.values() for joint in self.columns(output)]
        if sorted(moved) != sorted(self.joints):
            raise ConfigError(
                f"actions move {', '.join(moved)}, expected each of {', '.join(self.joints)} once"
            )

    @property
    def noise_inputs(self) -> tuple[str, ...]:
        """Names of all inputs of standard normal noise, the sample of a denoiser first."""
        return (*((self.denoiser.sample,) if self.denoiser else ()), *self.noise)

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of all mapped inputs; the sampler of a denoiser provides its timestep."""
        tensors = (*self.positions, *self.images, *self.noise_inputs)
        return (*tensors, *self.constants, *self.recurrent)

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of all mapped outputs."""
        states = (item.output for item in self.recurrent.values())
        return (*self.actions, *states, *self.unused_outputs)

    def columns(self, tensor: PositionsInput | ActionOutput) -> tuple[str, ...]:
        """Return the joints of the columns of an input or output."""
        return tensor.joints or self.joints

    def conversion(self, tensor: PositionsInput | ActionOutput, joint: str) -> tuple[float, float]:
        """Return factor and offset of a joint from the policy's unit to [rad] or [m]."""
        column = self.joint_units.get(joint, JointColumn())
        return column.conversion(tensor.unit or self.unit, isinstance(tensor, ActionOutput))

    def _check_names(self) -> None:
        tensors: dict[str, PositionsInput | ActionOutput] = {
            **{f"positions.{name}": item for name, item in self.positions.items()},
            **{f"actions.{name}": item for name, item in self.actions.items()},
        }
        named = {f"{name}.joints": item.joints for name, item in tensors.items()}
        named["joint_units"] = tuple(self.joint_units)
        for name, output in self.actions.items():
            named[f"actions.{name}.absolute_joints"] = output.absolute_joints
        for name, joints in named.items():
            if unknown := sorted(set(joints) - set(self.joints)):
                known = ", ".join(self.joints)
                raise ConfigError(f"{name} has {', '.join(unknown)}, expected names among {known}")
        for name, item in tensors.items():
            item.require_columns(len(self.columns(item)), name)
        names = self.input_names
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ConfigError(f"the input {', '.join(repeated)} is mapped twice")
        outputs = self.output_names
        if repeated := sorted({name for name in outputs if outputs.count(name) > 1}):
            raise ConfigError(f"the output {', '.join(repeated)} is mapped twice")
        if wrong := [n for n, item in self.joint_units.items() if item.state or item.action]:
            raise ConfigError(
                f"joint_units.{wrong[0]} has a column name, expected unit, sign or ranges only: "
                "the order of the columns is that of joints"
            )
        if wrong := [name for name, item in self.joint_units.items() if item.action_kind]:
            raise ConfigError(
                f"joint_units.{wrong[0]} has action_kind, expected unit, sign or ranges only: set "
                "meaning and absolute_joints of the output"
            )

    def _check_cameras(self) -> None:
        cameras = [image.camera for image in self.images.values()]
        if repeated := sorted({camera for camera in cameras if cameras.count(camera) > 1}):
            raise ConfigError(f"camera {', '.join(repeated)} has two inputs, expected one")

    def _check_denoiser(self) -> None:
        if self.denoiser is None or self.denoiser.sampler != "ddim":
            return
        scaled = [name for name, output in self.actions.items() if output.mean]
        if scaled and self.denoiser.clip_sample_range is None:
            raise ConfigError(
                f"actions.{scaled[0]} has mean and std, and denoiser has no clip_sample_range: set "
                "that of the training, 0 if it did not clip samples"
            )


def _check_layout(layout: str, letters: str, required: str) -> None:
    known = set(layout) <= set(letters) and set(required) <= set(layout)
    if not known or len(set(layout)) != len(layout):
        raise ConfigError(
            f"layout is {layout!r}, expected {', '.join(required)} and any of "
            f"{', '.join(letters)}, each once"
        )
