"""Emergency stop of the page: datagrams to the guards of this computer first, then the service."""

import threading
import time
from collections.abc import Callable

from dbp_ros.panel.links import Report
from dbp_ros.runtime.stop_socket import LocalGuard, local_guards, send_stop

# First words of the report of a stop that failed.
NOT_STOPPED = "NOT STOPPED"
# Calls the service of the guard; returns its error, empty for success.
CallService = Callable[[], str]


class StopPath:
    """Stops the guard of one namespace; nothing else waits in its way."""

    def __init__(self, domain: int, namespace: str, call_service: CallService) -> None:
        """Create no thread yet.

        Args:
            domain: ROS domain of the guard.
            namespace: Namespace of the stack; empty for the root.
            call_service: Calls the stop service and waits for its response.
        """
        self._domain, self._namespace, self._call_service = domain, namespace, call_service

    def stop(self, report: Report) -> None:
        """Send the stop to local guards at once, and confirm it in another thread.

        Args:
            report: Receives the result.
        """
        start_s = time.monotonic()
        guards = self._guards()
        # The datagrams are sent before this returns; without a wait for their responses.
        send_stop(guards, timeout_s=0.0)
        threading.Thread(
            target=self._confirm, args=(guards, start_s, report), name="emergency stop", daemon=True
        ).start()

    def _guards(self) -> list[LocalGuard]:
        try:
            return local_guards(self._domain, self._namespace)
        except OSError:
            # No list of sockets on this platform: the service remains.
            return []

    def _confirm(self, guards: list[LocalGuard], start_s: float, report: Report) -> None:
        """Repeat the stop, wait for the responses, and call the service unless all responded."""
        errors = send_stop(guards)
        if guards and not any(errors.values()):
            duration_ms = 1e3 * (time.monotonic() - start_s)
            names = ", ".join(guard.node for guard in guards)
            report(f"stopped: {names} after {duration_ms:.1f} ms")
            return
        problem = self._call_service()
        if problem:
            report(f"{NOT_STOPPED}: {problem}. Press the robot's own emergency stop")
        else:
            report("stopped: the guard, by its service")
