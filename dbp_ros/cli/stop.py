"""`dbp stop`: the emergency stop, which must not wait for anything.

The guards of this computer are stopped before the middleware is loaded, which takes longer than a
stop may take. What reaches guards on other computers runs afterwards, as a process of its own.
"""

import argparse
import importlib.util
import os
import sys

from dbp_ros.nodes.stop_socket import Listener, listeners, send_stop

REMOTE = "dbp_ros.nodes.emergency_stop"


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb."""
    parser.description = (
        "Emergency stop: bring the arms of every guard to rest, and latch it until dbp reset. "
        "Guards on this computer stop within milliseconds: those of ROS_DOMAIN_ID, or of every "
        "domain where that is not set. Guards of the domain on other computers follow within a "
        "second. This does not replace the robot's own emergency stop."
    )
    parser.add_argument(
        "--namespace", help="Stop the guard of this namespace alone (default: every guard)"
    )
    parser.add_argument(
        "--key",
        action="store_true",
        help="Connect now, and stop at each press of a key: for guards on other computers",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Stop every guard; return 1 if one was not stopped, or none was found."""
    stopped, failed = (0, 0) if arguments.key else _stop_here(arguments.namespace)
    if importlib.util.find_spec("rclpy") is None:
        print("guards on other computers were not looked for: rclpy is not installed")
        return int(failed > 0 or stopped == 0)
    words = [sys.executable, "-m", REMOTE, "--stopped", str(stopped)]
    words += [] if arguments.namespace is None else ["--namespace", arguments.namespace]
    words += ["--key"] if arguments.key else []
    status = os.spawnv(os.P_WAIT, sys.executable, words)
    return status or int(failed > 0)


def _stop_here(namespace: str | None) -> tuple[int, int]:
    """Stop the guards of this computer; return how many were stopped, and how many were not."""
    domain = os.environ.get("ROS_DOMAIN_ID", "")
    found = _found()
    chosen = [
        guard
        for guard in found
        if (namespace is None or guard.is_in(namespace)) and domain in ("", str(guard.domain))
    ]
    answers = send_stop(chosen)
    for guard, problem in answers.items():
        print(f"NOT STOPPED: {guard}: {problem}" if problem else f"stopped: {guard}", flush=True)
    if not chosen:
        for guard in found:
            print(f"NOT STOPPED, as it is elsewhere: {guard}", flush=True)
    failed = sum(map(bool, answers.values()))
    return len(answers) - failed, failed


def _found() -> list[Listener]:
    try:
        return listeners()
    except OSError as error:
        print(f"guards of this computer cannot be listed ({error}): calling their services")
        return []
