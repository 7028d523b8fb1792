"""Libraries of each extra of the package, and installation hints for missing ones."""

import importlib.util
from collections.abc import Sequence
from importlib.metadata import packages_distributions

from dbp_ros.ros_support import has_system_ros, wheels_problem

_LEARN = (
    *("torch", "accelerate", "safetensors", "tensorboard", "onnx", "onnxscript"),
    *("rich", "matplotlib"),
)
_BAGS = ("mcap", "mcap_ros2")
# Import names of the libraries of each extra.
EXTRAS: dict[str, tuple[str, ...]] = {
    "ros": (
        *("rclpy", "builtin_interfaces", "diagnostic_msgs", "lifecycle_msgs", "rcl_interfaces"),
        *("rosgraph_msgs", "sensor_msgs", "std_msgs", "std_srvs", "trajectory_msgs"),
    ),
    "sim": ("mujoco", "mink", "daqp", "gymnasium", "rich", "matplotlib"),
    "teleop": ("mujoco", "mink", "daqp", "rich"),
    "learn": _LEARN,
    "import": ("onnx",),
    "data": (
        *("h5py", "zarr", "imagecodecs", "pyarrow", "av", *_BAGS, "rosbags"),
        *("rich", "matplotlib"),
    ),
    "learner": (*_LEARN, *_BAGS),
    "record": (*_BAGS, "rich"),
    "panel": ("viser", "websockets"),
    "rerun": ("rerun",),
    "metaworld": ("gymnasium", "scipy", "imageio", "packaging"),
    "ray": ("ray",),
    "bench": ("psutil", "playwright"),
}
# Distributions of required libraries with another name than their import.
DISTRIBUTIONS = {"yaml": "pyyaml", "PIL": "pillow"}
# The Python of a ROS 2 installation belongs to the system, and its messages require NumPy 1.
ROS_PIP, ROS_NUMPY = "pip install --break-system-packages", "'numpy<2'"
# Meta-World pins an older MuJoCo than it works with, so no extra installs it.
SEPARATE = {"metaworld": "pip install --no-deps metaworld==3.1.1"}


def missing(*extras: str) -> dict[str, list[str]]:
    """Return the missing libraries of extras, by extra."""
    absent = {extra: [name for name in EXTRAS[extra] if is_missing(name)] for extra in extras}
    return {extra: names for extra, names in absent.items() if names}


def install_hint(library: str, extras: Sequence[str] = ()) -> str:
    """Return the command that installs a missing library.

    Args:
        library: Import name of the library, or of a module in it.
        extras: Extras that are also required; incomplete extras are added to the command.
    """
    top = library.partition(".")[0]
    if top in SEPARATE:
        return SEPARATE[top]
    wanted = list(missing(*extras))
    if not any(top in EXTRAS[extra] for extra in wanted):
        wanted += [extra for extra in EXTRAS if top in EXTRAS[extra]][:1]
    if "ros" in wanted and (problem := wheels_problem()):
        return problem
    system_ros = has_system_ros()
    if system_ros and not wanted:
        return f"{ROS_PIP} {DISTRIBUTIONS.get(top, top)} {ROS_NUMPY}"
    source = f"'.[{','.join(wanted)}]'" if wanted else "."
    if system_ros:
        return f"from the clone: {ROS_PIP} {source} {ROS_NUMPY}"
    hint = f"from the clone: pip install {source}"
    return f"{hint} (or source a ROS 2 installation)" if "ros" in wanted else hint


def is_missing(library: str) -> bool:
    """Return whether a library is not installed, without importing it."""
    try:
        spec = importlib.util.find_spec(library)
    except (ImportError, ValueError):
        return True
    if spec is None or spec.loader is not None:
        return spec is None
    # A namespace package has no loader: an installed one, or a folder of the working directory.
    return library not in packages_distributions()
