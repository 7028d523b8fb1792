"""What an operator types, against a real guard: `dbp enable` and the like, each as a process."""

import os
import subprocess
import sys

from processes.robot import Robot, process, wait_until

DBP = (sys.executable, "-m", "dbp_ros.cli")
LIMIT_S = 30.0


def dbp(*words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run the command to its end."""
    return subprocess.run(
        [*DBP, *words],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def test_an_operator_stops_resets_enables_and_disables_a_guard(
    robot: Robot, guard: "subprocess.Popen[str]"
) -> None:
    done = dbp("stop")
    assert (done.returncode, "stopped: /guard" in done.stdout) == (0, True), done
    robot.wait_for_state("guard", "stopped: e-stop")
    refused = dbp("enable")
    assert refused.returncode == 1
    assert "a stop is latched (e-stop): reset it first" in refused.stderr
    assert dbp("reset").returncode == 0
    robot.wait_for_state("guard", "disabled")
    done = dbp("enable")
    assert done.returncode == 0, done.stderr
    robot.wait_for_state("guard", "holding")
    assert dbp("disable").returncode == 0
    robot.wait_for_state("guard", "disabled")


def test_a_service_that_is_not_there_is_explained_by_what_is(domain: int) -> None:
    with process("guard_node", remaps=["__ns:=/cell_1"]):
        wait_until(lambda: "/cell_1" in dbp("enable").stderr, "the guard to be discovered")
        missing = dbp("enable")
    assert missing.returncode == 1
    assert f"ROS_DOMAIN_ID={domain}" in missing.stderr
    assert "ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST" in missing.stderr
    assert "give --namespace /cell_1" in missing.stderr
