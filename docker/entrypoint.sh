#!/usr/bin/env bash
# Source the workspace and exec a command, so that it receives signals.
set -e
# shellcheck source=/dev/null
source /opt/ros/jazzy/setup.bash
# shellcheck source=/dev/null
source /workspace/install/setup.bash
exec "$@"
