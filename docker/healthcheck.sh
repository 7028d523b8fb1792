#!/usr/bin/env bash
# Healthy without errors; a warning, such as a stack without a policy, is no fault of the container.
/entrypoint.sh dbp status > /dev/null
[ $? -le 1 ]
