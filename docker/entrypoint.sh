#!/usr/bin/env bash
# Source ROS 2 and the workspace, and exec a command, so that it receives signals.
set -e
# shellcheck source=/dev/null
source "/opt/ros/${ROS_DISTRO}/setup.bash"
# shellcheck source=/dev/null
source /workspace/install/setup.bash
exec "$@"
