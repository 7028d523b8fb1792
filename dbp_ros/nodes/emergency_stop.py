"""The part of `dbp stop` that calls guards on other computers.

It runs as a separate process, after `stop_socket` has stopped the guards of this computer.
"""

import argparse
import select
import sys
import termios
import time
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rclpy.client import Client
from std_srvs.srv import Trigger

from dbp_ros.errors import DbpError
from dbp_ros.nodes.connection import connected
from dbp_ros.nodes.operator_client import DISCOVERY_S, OperatorClient
from dbp_ros.runtime.stop_socket import local_guards, send_stop

SERVICE = "/emergency_stop"
# Duration of discovery if a guard has been stopped already.
SHORT_DISCOVERY_S = 1.0
RESPONSE_S = 2.0
SLICE_S = 0.01


class EmergencyStop:
    """Clients of all discovered guards, and pending calls."""

    def __init__(self, operator: OperatorClient, namespace: str | None) -> None:
        """Create no clients yet.

        Args:
            operator: Connection to the ROS domain.
            namespace: Namespace of the guard; None for all guards of the domain.
        """
        self._operator = operator
        self._only = None if namespace is None else f"{operator.namespace}/guard{SERVICE}"
        self._clients: dict[str, Client] = {}
        self._calls: dict[str, tuple[float, Any]] = {}

    @property
    def services(self) -> list[str]:
        """Stop services whose server is ready."""
        return [name for name, client in self._clients.items() if client.service_is_ready()]

    def discover(self) -> None:
        """Create a client for each new guard."""
        node = self._operator.node
        for name, kinds in node.get_service_names_and_types():
            matches = name == self._only if self._only else name.endswith(SERVICE)
            if matches and name not in self._clients and "std_srvs/srv/Trigger" in kinds:
                self._clients[name] = node.create_client(Trigger, name)

    def call(self, *names: str) -> None:
        """Call stop services without waiting for the response."""
        for name in names:
            future = self._clients[name].call_async(Trigger.Request())
            self._calls[name] = (time.monotonic(), future)

    def stop_all(self, discovery_s: float) -> dict[str, str]:
        """Stop every guard that is discovered within `discovery_s`.

        Returns:
            Error of each service; empty for a guard that was stopped.
        """
        deadline = time.monotonic() + discovery_s
        while time.monotonic() < deadline:
            self.discover()
            self.call(*(name for name in self.services if name not in self._calls))
            self._operator.spin(SLICE_S)
        return self.responses()

    def responses(self) -> dict[str, str]:
        """Wait for the pending calls and return their errors, as `stop_all`."""
        self._operator.spin_until(
            lambda: all(f.done() for _, f in self._calls.values()), RESPONSE_S
        )
        errors = {}
        for name, (_, future) in self._calls.items():
            response = future.result() if future.done() else None
            if response is None:
                errors[name] = f"no response within {RESPONSE_S:g} s; see dbp status"
            else:
                errors[name] = "" if response.success else f"rejected: {response.message}"
        self._calls.clear()
        return errors


def report(errors: dict[str, str]) -> bool:
    """Print the result for each guard; return whether all were stopped."""
    for name, problem in errors.items():
        guard = name.removesuffix(SERVICE)
        print(
            f"NOT STOPPED: {guard}: {problem}" if problem else f"stopped: {guard} (service)",
            flush=True,
        )
    return not any(errors.values())


def stop_once(operator: OperatorClient, namespace: str | None, stopped: int) -> int:
    """Stop all discovered guards, after `stopped` local guards; return the exit status."""
    errors = EmergencyStop(operator, namespace).stop_all(
        SHORT_DISCOVERY_S if stopped else DISCOVERY_S
    )
    if not errors and not stopped:
        print_not_stopped(f"no guard within {DISCOVERY_S:g} s", operator)
        return 1
    return 0 if report(errors) else 1


def print_not_stopped(reason: str, operator: OperatorClient) -> None:
    """Print that no guard was reached."""
    print(
        f"NOT STOPPED: {reason}, with {operator.domain_and_range}. Press the robot's own emergency "
        "stop",
        file=sys.stderr,
        flush=True,
    )


def stop_on_key(operator: OperatorClient, namespace: str | None) -> int:
    """Stop at each key press, with established connections, until Ctrl-C."""
    stop = EmergencyStop(operator, namespace)
    known: set[str] = set()
    print("press any key to stop all guards listed here, Ctrl-C to exit", flush=True)
    with unbuffered_keys():
        while True:
            stop.discover()
            if new := set(stop.services) - known:
                known |= new
                print(f"connected: {', '.join(sorted(n.removesuffix(SERVICE) for n in new))}")
            operator.spin(SLICE_S)
            if not select.select([sys.stdin], [], [], 0)[0]:
                continue
            if not sys.stdin.read(1):
                return 0
            local = local_guards(operator.node.context.get_domain_id(), namespace)
            send_stop(local, timeout_s=0.0)
            stop.call(*stop.services)
            errors = stop.responses()
            report(errors)
            if not (local or errors):
                print_not_stopped("no guard is connected", operator)


@contextmanager
def unbuffered_keys() -> Iterator[None]:
    """Read single key presses from the terminal, if there is one."""
    if not sys.stdin.isatty():
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def main(argv: Sequence[str] | None = None) -> int:
    """Stop guards through their services; see `dbp stop`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--namespace")
    parser.add_argument("--stopped", type=int, default=0)
    parser.add_argument("--key", action="store_true")
    arguments = parser.parse_args(argv)
    try:
        with connected(arguments.namespace or "", "stop") as operator:
            if arguments.key:
                return stop_on_key(operator, arguments.namespace)
            return stop_once(operator, arguments.namespace, arguments.stopped)
    except DbpError as error:
        print(f"NOT STOPPED on other computers: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0 if arguments.key else 1


if __name__ == "__main__":
    sys.exit(main())
