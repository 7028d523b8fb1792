"""Node that serves the operator's page.

Its priority is low, and it reads only the newest messages at its own rate, so it slows nothing.
"""

import sys
import threading
import time
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from dbp_ros.nodes import diagnostics
from dbp_ros.nodes.panel_inputs import PanelInputs
from dbp_ros.nodes.panel_link import PanelLink
from dbp_ros.nodes.parameters import load_settings
from dbp_ros.nodes.process import run_node
from dbp_ros.panel.gate import Gate
from dbp_ros.panel.page import Page
from dbp_ros.panel.server import address_of, start_server, stop_server
from dbp_ros.panel.snapshot import SnapshotStore
from dbp_ros.panel.viewers import open_rerun
from dbp_ros.robots.check import urdf_of
from dbp_ros.runtime.cpu_affinity import Role
from dbp_ros.runtime.niceness import lower_priority
from dbp_ros.runtime.realtime import apply_cpu_affinity
from dbp_ros.settings.panel import PanelConfig
from dbp_ros.settings.robot_files import read_robot

NICENESS = 10
REPORT_PERIOD_S = 1.0


class PanelNode(Node):  # type: ignore[misc]
    """Node with the page's server and a thread that updates the page."""

    def __init__(self) -> None:
        super().__init__("panel")
        config = load_settings(self, PanelConfig)
        robot, urdf = read_robot(config.robot), urdf_of(config.robot)
        lower_priority(NICENESS)
        self._store = SnapshotStore()
        self._inputs = PanelInputs(self, self._store, robot, config.image_transport)
        self._link = PanelLink(self, list(robot.arms), urdf.root)
        self._gate = Gate.of(config.host, config.on_loopback, config.host_names)
        self._server = start_server(config.host, config.port, self._gate)
        self._page = Page(self._server, self._link, robot, urdf, config)
        self._rerun = open_rerun(config.rerun, urdf, robot)
        # After the threads of the server have started.
        self.get_logger().info(apply_cpu_affinity(Role.BACKGROUND))
        self._period_s = 1.0 / config.page_rate_hz
        self._address = address_of(config.host, self._gate)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(REPORT_PERIOD_S, self._inputs.report, clock=steady)
        diagnostics.DiagnosticsReporter(self, "panel", self._state, self.statistics, lambda: None)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._update, name="page", daemon=True)
        self._thread.start()
        # Only the terminal shows the token: topics and logs of ROS 2 are public.
        print(f"operator's page: {self._address}", flush=True)

    def statistics(self) -> dict[str, Any]:
        """Return the statistics, JSON-serialisable."""
        return {
            "browsers": self._page.control.browsers,
            "refused_requests": self._gate.refused,
            "ignored_messages": dict(self._inputs.ignored),
        }

    def close(self) -> None:
        """Stop the threads and the server."""
        self._closed.set()
        self._thread.join(timeout=2.0)
        self._page.close()
        stop_server(self._server)
        if self._rerun is not None:
            self._rerun.close()
        self._inputs.close()
        self._link.close()

    def _update(self) -> None:
        """Update the page until the end."""
        while not self._closed.wait(self._period_s):
            shown = self._page.control.browsers > 0
            self._inputs.poll(shown or self._rerun is not None)
            snapshot, now_s = self._store.read(), time.monotonic()
            self._page.update(snapshot, now_s)
            if self._rerun is not None:
                self._rerun.update(snapshot, now_s, shown)

    def _state(self) -> tuple[bytes, str]:
        holder = self._page.control.holder
        count = self._page.control.browsers
        if holder is None:
            return diagnostics.OK, f"{count} browsers, none has control"
        return diagnostics.OK, f"{count} browsers, {holder} has control"


def main() -> int:
    """Run the panel node."""
    return run_node(PanelNode)


if __name__ == "__main__":
    sys.exit(main())
