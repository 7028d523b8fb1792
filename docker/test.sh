#!/usr/bin/env bash
# Run the tests on the installed ROS 2: first those that can share the machine, then one at a time
# those that measure time or use DDS. Both run; the exit status is that of the first that failed.
set -u
status=0
OMP_NUM_THREADS=1 python3 -m pytest -n auto --maxprocesses 4 -m "not alone" "$@" || status=$?
python3 -m pytest -m alone "$@" || status=$?
exit "$status"
