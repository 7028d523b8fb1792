#!/usr/bin/env bash
# Run the tests on the installed ROS 2: first those that can share the machine, then one at a time
# those that measure time or use DDS. An argument may deselect all tests of one group (status 5), not
# of both.
set -u
OMP_NUM_THREADS=1 python3 -m pytest -n auto --maxprocesses 4 -m "not alone" "$@"
shared=$?
python3 -m pytest -m alone "$@"
case "$shared$?" in 00 | 05 | 50) ;; *) exit 1 ;; esac
