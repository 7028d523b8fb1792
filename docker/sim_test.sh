#!/usr/bin/env bash
# Run one episode of the whole stack in a simulator, and exit with 0 if it went well: every joint
# follows, the arms move home, and the policy drives them for a while without a stop.
#   sim_test.sh LAUNCH...    such as: sim_test.sh ros2 launch dbp_ros dual_arm.launch.py \
#                              hardware:=gazebo
set -euo pipefail
EPISODE_S="${EPISODE_S:-8}"
START_S="${START_S:-120}"

"$@" &
stack=$!
trap 'kill -INT "$stack" 2> /dev/null || true; wait "$stack" || true' EXIT

# Prints the guard's state, such as "tracking".
guard_state() {
  { dbp status --json || true; } | python3 -c \
    'import json, sys; print(json.load(sys.stdin)["nodes"]["guard"]["sentence"])'
}

echo "waiting for the stack, at most ${START_S} s"
deadline=$((SECONDS + START_S))
# The policy is active from the start, and would move the arms once control is enabled.
until dbp deactivate 2> /dev/null && dbp enable 2> /dev/null; do
  kill -0 "$stack" || { echo "the stack ended"; exit 1; }
  [ "$SECONDS" -lt "$deadline" ] || { dbp enable || true; dbp status || true; exit 1; }
  sleep 1
done
dbp joint-test --enable
dbp home --enable
dbp episode begin
dbp activate
dbp enable
end=$((SECONDS + EPISODE_S))
while [ "$SECONDS" -lt "$end" ]; do
  state="$(guard_state)"
  echo "guard: $state"
  case "$state" in
    stopped* | disabled*) dbp status || true; exit 1 ;;
  esac
  sleep 1
done
case "$state" in
  tracking*) echo "the episode went well" ;;
  *) dbp status || true; exit 1 ;;
esac
