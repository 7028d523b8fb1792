#!/usr/bin/env bash
# Run a command in the workspace, in place of this shell, so that signals reach it.
set -e
# shellcheck source=/dev/null
source /opt/ros/jazzy/setup.bash
# shellcheck source=/dev/null
source /workspace/install/setup.bash
exec "$@"
