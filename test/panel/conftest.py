"""A page with a fake link, and browsers without a browser."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from raw_browser import RawBrowser

from dbp_ros.panel.gate import Gate
from dbp_ros.panel.page import Page
from dbp_ros.panel.server import start_server
from dbp_ros.robots.check import urdf_of
from dbp_ros.settings.panel import PanelConfig
from dbp_ros.settings.robot_files import read_robot

LIMIT_S = 20.0


class FakeLink:
    """Link that records the calls of the page."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.reports: list[Callable[[str], None]] = []

    def __getattr__(self, name: str) -> Callable[..., str]:
        def call(*arguments: Any) -> str:
            self.calls.append((name, *(a for a in arguments if not callable(a))))
            self.reports += [a for a in arguments if callable(a)]
            return f"{name} is done"

        return call


class FakeClock:
    """Clock that a test sets, in [s]."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class StallingConnection:
    """Connection to a port; its bytes wait while `flows` is cleared."""

    def __init__(self, port: int) -> None:
        self.flows = threading.Event()
        self.flows.set()
        self.socket, inner = socket.socketpair()
        outer = socket.create_connection(("127.0.0.1", port))
        for source, sink in ((inner, outer), (outer, inner)):
            threading.Thread(target=self._forward, args=(source, sink), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        with sink, suppress(OSError):
            while data := source.recv(65536):
                self.flows.wait()
                sink.sendall(data)


@dataclass
class PageRig:
    """A page with its link, port and browsers."""

    page: Page
    link: FakeLink
    clock: "FakeClock"
    port: int
    browsers: list[RawBrowser] = field(default_factory=list)

    def open(self, **options: Any) -> RawBrowser:
        """Open the page in a new browser, with options of its connection."""
        count = self.page.control.browsers
        self.browsers.append(RawBrowser(self.port, **options))
        self.wait(lambda: self.page.control.browsers > count)
        return self.browsers[-1]

    def wait_for_call(self, *call: Any) -> None:
        """Wait for a call of the link."""
        self.wait(lambda: call in self.link.calls)

    def wait(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition."""
        deadline = time.monotonic() + LIMIT_S
        while not condition():
            assert time.monotonic() < deadline, self.link.calls
            time.sleep(0.01)


@pytest.fixture(scope="module")
def server_and_page() -> Iterator[PageRig]:
    """One server for all tests of a file: it takes a second to start."""
    config, gate, link = PanelConfig(port=0), Gate.of("127.0.0.1", True, ()), FakeLink()
    server = start_server(config.host, 0, gate)
    robot, urdf, clock = read_robot(config.robot), urdf_of(config.robot), FakeClock()
    page = Page(server, link, robot, urdf, config, clock)
    yield PageRig(page, link, clock, gate.port)
    page.close()
    server.stop()


@pytest.fixture
def rig(server_and_page: PageRig) -> Iterator[PageRig]:
    """The page without browsers and calls."""
    server_and_page.link.calls.clear()
    server_and_page.link.reports.clear()
    server_and_page.clock.now_s += 10.0
    yield server_and_page
    for browser in server_and_page.browsers:
        browser.close()
    server_and_page.browsers.clear()
    server_and_page.wait(lambda: server_and_page.page.control.browsers == 0)
