"""DDS transports of a process: UDP only, as a new subscriber may block shared memory.

When a sender of Fast DDS first uses the shared-memory port of a receiver, it checks whether the
receiver is alive. If the receiver has been idle for a second, the check may fail and is repeated
0.3 s later. Until then all messages of the sender are blocked (eProsima/Fast-DDS issue 6535). One
in four subscribers that start late, such as `ros2 topic echo`, would thus stop the arms. UDP adds
one millisecond to an image of 640x480 pixels.
"""

import os
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

import rclpy

from dbp_ros.resources import resource_directory

RANGE, LOCALHOST_ONLY = "ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_LOCALHOST_ONLY"
# Fast DDS 2 (up to Jazzy) reads the first name; Fast DDS 3 reads the second and warns of the first.
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
# First major version of rclpy with Fast DDS 3; Jazzy has 7, Kilted 9.
FAST_DDS_3_RCLPY = 8


def choose_transports() -> None:
    """Set the environment of this process and its children. Call it before the first node."""
    os.environ.update(environment(os.environ, rclpy.get_rmw_implementation_identifier()))


def _profile(path: str) -> dict[str, str]:
    """Return the variables that select a profile."""
    try:
        major = int(version("rclpy").partition(".")[0])
    except (PackageNotFoundError, ValueError):
        major = 0
    names = PROFILE_VARIABLES[1:] if major >= FAST_DDS_3_RCLPY else PROFILE_VARIABLES
    return dict.fromkeys(names, path)


def environment(present: Mapping[str, str], middleware: str) -> dict[str, str]:
    """Return the environment variables to set; none with a user's profile or other middleware.

    Args:
        present: Present environment, which may include the result of an earlier call.
        middleware: Name of the ROS middleware, such as `rmw_fastrtps_cpp`.
    """
    config = resource_directory() / "config"
    network, localhost = str(config / "fastdds.xml"), str(config / "fastdds_localhost.xml")
    chosen = {present.get(name, "") for name in PROFILE_VARIABLES}
    if "fastrtps" not in middleware or chosen - {"", network, localhost}:
        return {}
    local = present.get(LOCALHOST_ONLY) == "1" or present.get(RANGE) == "LOCALHOST"
    if not local and localhost not in chosen:
        return _profile(network)
    # The range LOCALHOST would enable shared memory. This profile is also limited to the computer,
    # and SUBNET adds only the static peers of the user.
    scope = {RANGE: "SUBNET"} | ({LOCALHOST_ONLY: "0"} if LOCALHOST_ONLY in present else {})
    return _profile(localhost) | scope
