"""`dbp stop`: the emergency stop, with the lowest latency.

The guards of this computer are stopped through sockets, before the middleware is loaded, which
takes too long for a stop. A second process then calls the guards on other computers.
"""

import argparse
import importlib.util
import os
import sys

from dbp_ros.runtime.stop_socket import LocalGuard, local_guards, send_stop

STOP_BY_SERVICE = "dbp_ros.nodes.emergency_stop"


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb."""
    parser.description = (
        "Emergency stop: bring the arms of every guard to rest and latch the stop until dbp reset. "
        "Guards on this computer stop within milliseconds: those in ROS_DOMAIN_ID, or in every "
        "domain if it is not set. Guards of the domain on other computers stop within a second. "
        "This does not replace the robot's own emergency stop."
    )
    parser.add_argument(
        "--namespace", help="stop only the guard of this namespace (default: every guard)"
    )
    parser.add_argument(
        "--key",
        action="store_true",
        help="connect now and stop at each key press, for guards on other computers",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Stop every guard; return 1 if a stop failed or no guard was found."""
    stopped, failed = (0, 0) if arguments.key else _stop_local(arguments.namespace)
    if importlib.util.find_spec("rclpy") is None:
        print("guards on other computers were not searched for: rclpy is not installed")
        return int(failed > 0 or stopped == 0)
    words = [sys.executable, "-m", STOP_BY_SERVICE, "--stopped", str(stopped)]
    words += [] if arguments.namespace is None else ["--namespace", arguments.namespace]
    words += ["--key"] if arguments.key else []
    status = os.spawnv(os.P_WAIT, sys.executable, words)
    return status or int(failed > 0)


def _stop_local(namespace: str | None) -> tuple[int, int]:
    """Stop the guards of this computer; return the numbers of stopped and of failed ones."""
    given = os.environ.get("ROS_DOMAIN_ID", "")
    domain = int(given) if given.isdecimal() else None
    found = _local_guards()
    chosen = [guard for guard in found if guard.matches(domain, namespace)]
    errors = send_stop(chosen)
    for guard, problem in errors.items():
        print(f"NOT STOPPED: {guard}: {problem}" if problem else f"stopped: {guard}", flush=True)
    if not chosen:
        for guard in found:
            print(f"NOT STOPPED, in another domain or namespace: {guard}", flush=True)
    failed = sum(map(bool, errors.values()))
    return len(errors) - failed, failed


def _local_guards() -> list[LocalGuard]:
    try:
        return local_guards()
    except OSError as error:
        print(f"cannot list the guards of this computer ({error}): calling their services")
        return []
