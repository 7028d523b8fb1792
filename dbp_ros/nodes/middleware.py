"""Choose how a process speaks DDS: over UDP, where nobody's arrival keeps a sender waiting.

Fast DDS's shared memory opens a receiver's port when something is first sent there, and looks
whether somebody listens. Where the receiver has had nothing to do for a second that look may fail,
and is repeated a third of a second later; until then nothing that this process publishes gets out
(eProsima/Fast-DDS issue 6535). One in four that subscribe a second after they start, as `ros2
topic echo` may, would stop the arms for so long. UDP costs a picture of 640x480 one millisecond.
"""

import os
from collections.abc import Mapping

import rclpy

from dbp_ros.resources import resource_directory

RANGE, LOCALHOST_ONLY = "ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_LOCALHOST_ONLY"
# The first name is that of Fast DDS 2 (Humble to Jazzy), the second that of Fast DDS 3.
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")


def choose_transports() -> None:
    """Set the environment of this process and its children, before its first node is made."""
    os.environ.update(environment(os.environ, rclpy.get_rmw_implementation_identifier()))


def environment(present: Mapping[str, str], middleware: str) -> dict[str, str]:
    """Return the variables to set in the environment of a process.

    A profile that the user has chosen is left alone, and so is another middleware.

    Args:
        present: The environment as it is, perhaps with what this function returned before.
        middleware: Name of the ROS middleware, such as `rmw_fastrtps_cpp`.
    """
    config = resource_directory() / "config"
    network, localhost = str(config / "fastdds.xml"), str(config / "fastdds_localhost.xml")
    chosen = {present.get(name, "") for name in PROFILE_VARIABLES}
    if "fastrtps" not in middleware or chosen - {"", network, localhost}:
        return {}
    here = present.get(LOCALHOST_ONLY) == "1" or present.get(RANGE) == "LOCALHOST"
    if not here and localhost not in chosen:
        return dict.fromkeys(PROFILE_VARIABLES, network)
    # The middleware's own LOCALHOST brings shared memory with it; this profile keeps to the
    # computer as well, and SUBNET adds to it only the peers that the user has named.
    reach = {RANGE: "SUBNET"} | ({LOCALHOST_ONLY: "0"} if LOCALHOST_ONLY in present else {})
    return dict.fromkeys(PROFILE_VARIABLES, localhost) | reach
