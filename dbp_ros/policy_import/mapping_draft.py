"""First mapping of a graph, from the names and shapes of its inputs and outputs."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import yaml

from dbp_ros.policy_import.foreign_graph import ForeignGraph, Size, TensorSpec

POSITION_WORDS = ("state", "joint", "pos")
NOISE_WORDS = ("noise", "noisy", "latent", "x_t", "epsilon")
TIMESTEP_WORDS = ("timestep", "time_step", "time", "sigma")
TIMESTEP_NAMES = ("t", "tau", "k")
IMAGE_LAYOUTS = {
    3: ("CHW", "HWC"),
    4: ("NCHW", "NHWC"),
    5: ("NTCHW", "NTHWC"),
}
VECTOR_LAYOUTS = {1: "D", 2: "ND", 3: "NTD"}
# Original ACT exports have the images of several cameras in one tensor of 5 axes.
TIME_CHECK = "  # check: T is time; several cameras in one tensor are not supported"


def draft_mapping(
    graph: ForeignGraph, joints: Sequence[str] = (), cameras: Sequence[str] = ()
) -> str:
    """Return the YAML of a first mapping; what a graph does not contain is marked by `check:`.

    Args:
        graph: The policy.
        joints: Joints of the robot; numbered names if empty.
        cameras: Cameras of the robot.
    """
    noise = [name for name in graph.inputs if _is_noise(name)]
    layouts = {name: image_layout(spec) for name, spec in graph.inputs.items()}
    images = {name: layout for name, layout in layouts.items() if layout and name not in noise}
    action = next(iter(graph.outputs))
    columns = graph.outputs[action].shape[-1:]
    vectors = {
        name: spec
        for name, spec in graph.inputs.items()
        if name not in images
        and name not in noise
        and not _is_timestep(name, spec)
        and _is_vector(name, spec, columns)
    }
    times = [name for name, spec in graph.inputs.items() if _is_timestep(name, spec)]
    denoiser = _denoiser_lines(noise[0], times[0], action) if noise and times else []
    mapped = {*images, *vectors, *noise, *(times[:1] if denoiser else [])}
    constants = [name for name in graph.inputs if name not in mapped]
    if denoiser:
        noise = noise[1:]
    return (
        "\n".join(
            [
                f"# First mapping of {graph.path.name}. Edit what is marked by `check:`, then:",
                f"# dbp import {graph.path.name} --mapping FILE --out models/NAME --name NAME",
                *_joint_lines(graph.outputs[action], joints),
                *_section("positions", (_position_lines(n, s) for n, s in vectors.items())),
                *_section("images", _all_image_lines(images, graph, cameras)),
                *(["# check: standard normal noise"] if noise else []),
                *(["noise:", *(f"  - {_quoted(name)}" for name in noise)] if noise else []),
                *denoiser,
                *_section("constants", (_constant_lines(n, graph.inputs[n]) for n in constants)),
                *_section("actions", [_action_lines(action, graph.outputs[action])]),
                *_unused_lines(list(graph.outputs)[1:]),
            ]
        )
        + "\n"
    )


def image_layout(spec: TensorSpec) -> str:
    """Return the layout of an image from the axis of size 3; empty if it is no image."""
    for layout in IMAGE_LAYOUTS.get(len(spec.shape), ()):
        if spec.shape[layout.index("C")] == 3:
            others = [spec.shape[layout.index(letter)] for letter in "HW"]
            if all(isinstance(size, str) or size > 3 for size in others):
                return layout
    return ""


def _is_vector(name: str, spec: TensorSpec, columns: tuple[Size, ...]) -> bool:
    """Return whether an input may be joint positions, by its name or the number of columns."""
    named = any(word in name.lower() for word in POSITION_WORDS)
    is_vector = spec.dtype.kind == "f" and len(spec.shape) in VECTOR_LAYOUTS
    return is_vector and (named or spec.shape[-1:] == columns)


def _is_noise(name: str) -> bool:
    return any(word in name.lower() for word in NOISE_WORDS)


def _is_timestep(name: str, spec: TensorSpec) -> bool:
    """Return whether an input may be the timestep of a denoising network."""
    named = name.lower() in TIMESTEP_NAMES or any(w in name.lower() for w in TIMESTEP_WORDS)
    return named and len(spec.shape) <= 1 and all(isinstance(s, str) or s == 1 for s in spec.shape)


def _denoiser_lines(sample: str, timestep: str, output: str) -> list[str]:
    return [
        "# check: a network that runs several times for each chunk, and its sampler",
        "denoiser:",
        f"  sample: {_quoted(sample)}",
        f"  timestep: {_quoted(timestep)}",
        f"  output: {_quoted(output)}",
        "  sampler: ddim  # check: ddim or flow",
        "  num_inference_steps: 10  # check",
        "  num_train_timesteps: 100  # check",
        "  beta_schedule: squaredcos_cap_v2  # check",
        "  prediction_type: epsilon  # check: epsilon, sample or v_prediction",
        "  clip_sample_range: 1.0  # check: 0 if the training did not clip samples",
        "  timestep_spacing: leading  # check: leading, trailing or linspace",
    ]


def _joint_lines(action: TensorSpec, joints: Sequence[str]) -> list[str]:
    last = action.shape[-1] if action.shape else 1
    count = last if isinstance(last, int) else 1
    names = joints or [f"joint_{number}" for number in range(1, count + 1)]
    return [
        f"# check: joints of the robot, in the order of the {last} columns of the action",
        "joints:",
        *(f"  - {_quoted(name)}" for name in names),
        "# check: rad, deg, m or mm",
        "unit: rad",
        "# Joints with another unit, such as a gripper from 0 to 100:",
        "#   gripper: {data_range: [0, 100], robot_range: [0.0, 0.085]}",
        "joint_units: {}",
        "# check: time between two points of a chunk [s], and executed points of each chunk",
        "step_s: 0.05",
        "n_action_steps: 1",
    ]


def _position_lines(name: str, spec: TensorSpec) -> list[str]:
    layout = VECTOR_LAYOUTS[len(spec.shape)]
    return [
        f"  {_quoted(name)}:  # {spec}",
        f"    layout: {layout}",
        "    # check: mean and std, or min and max, if the graph does not normalise",
        "    # mean: []",
        "    # std: []",
        *(["    history: 1  # check"] if _has_free_time(layout, spec) else []),
    ]


def _has_free_time(layout: str, spec: TensorSpec) -> bool:
    return "T" in layout and isinstance(spec.shape[layout.index("T")], str)


def _all_image_lines(
    images: dict[str, str], graph: ForeignGraph, cameras: Sequence[str]
) -> Iterator[list[str]]:
    for number, (name, layout) in enumerate(images.items()):
        spec = graph.inputs[name]
        camera = cameras[number] if number < len(cameras) else f"camera_{number + 1}"
        sizes = [spec.shape[layout.index(letter)] for letter in "HW"]
        free = any(isinstance(size, str) for size in sizes)
        is_byte = spec.dtype == np.uint8
        yield [
            f"  {_quoted(name)}:  # {spec}",
            f"    camera: {_quoted(camera)}  # check: camera of the robot",
            f"    layout: {layout}{TIME_CHECK if 'T' in layout else ''}",
            *(["    history: 1  # check"] if _has_free_time(layout, spec) else []),
            *(["    size: [224, 224]  # check: height and width in training"] if free else []),
            f"    range: {'[0, 255]' if is_byte else '[0, 1]  # check: values of black and white'}",
            *([] if is_byte else ["    # check: mean and std, if the graph does not normalise"]),
            *([] if is_byte else ["    # mean: [0.485, 0.456, 0.406]"]),
            *([] if is_byte else ["    # std: [0.229, 0.224, 0.225]"]),
            "    fit: stretch  # check: stretch, pad or crop",
            "    interpolation: linear  # check: linear or linear_antialias",
        ]


def _constant_lines(name: str, spec: TensorSpec) -> list[str]:
    shape = [size if isinstance(size, int) else 1 for size in spec.shape]
    free = any(isinstance(size, str) for size in spec.shape)
    return [
        f"  {_quoted(name)}:  # {spec}",
        "    value: [0]  # check: one value or all",
        *([f"    shape: {shape}  # check"] if free else []),
    ]


def _action_lines(name: str, spec: TensorSpec) -> list[str]:
    return [
        f"  {_quoted(name)}:  # {spec}",
        f"    layout: {VECTOR_LAYOUTS.get(len(spec.shape), 'NTD')}",
        "    meaning: absolute  # check: absolute, relative_to_measured or increments",
        "    # check: mean and std, or min and max, if the graph does not denormalise",
        "    # mean: []",
        "    # std: []",
    ]


def _unused_lines(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    return [
        "# check: outputs without actions",
        "unused_outputs:",
        *(f"  - {_quoted(n)}" for n in names),
    ]


def _section(title: str, items: Iterator[list[str]] | list[list[str]]) -> list[str]:
    lines = [line for item in items for line in item]
    return [f"{title}:", *lines] if lines else []


def _quoted(text: str) -> str:
    """Return a YAML string, in quotes where it needs them."""
    return str(yaml.safe_dump(text, width=math.inf).splitlines()[0])
