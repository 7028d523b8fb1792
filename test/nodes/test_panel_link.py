"""Requests of the operator's page to the stack."""

import threading
import time
from collections.abc import Iterator

import pytest
import rclpy
from rclpy.node import Node

from dbp_ros.nodes import panel_link
from dbp_ros.nodes.panel_link import PanelLink

pytestmark = pytest.mark.usefixtures("domain")


@pytest.fixture
def link(domain: int) -> Iterator[PanelLink]:
    rclpy.init()
    node = Node("panel")
    made = PanelLink(node, ["left"], "base")
    yield made
    node.destroy_node()
    rclpy.try_shutdown()


def test_a_hold_does_not_wait_for_another_request(
    link: PanelLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, end = threading.Event(), threading.Event()

    def wait(operator: object) -> str:
        begun.set()
        return "ended" if end.wait(30.0) else "not ended"

    monkeypatch.setitem(panel_link.REQUESTS, "new_episode", wait)
    monkeypatch.setitem(panel_link.REQUESTS, "hold", lambda operator: "held")
    results: list[str] = []
    request = threading.Thread(target=lambda: results.append(link.request("new_episode", print)))
    request.start()
    assert begun.wait(10.0)
    assert link.request("hold", print) == "held"
    began_s = time.monotonic()
    link.close()
    assert time.monotonic() - began_s < 10.0
    end.set()
    request.join(10.0)
    assert results == ["ended"]
