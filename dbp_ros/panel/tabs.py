"""What all tabs of the page have in common."""

from dataclasses import dataclass
from typing import Protocol

import viser

from dbp_ros.panel.actions import Actions
from dbp_ros.panel.control import PageControl
from dbp_ros.panel.links import StackLink
from dbp_ros.panel.snapshot import PanelSnapshot
from dbp_ros.robots.urdf import Urdf
from dbp_ros.settings.panel import PanelConfig
from dbp_ros.settings.robot import RobotDescription


@dataclass(frozen=True)
class PageContext:
    """Shared objects of the page, for its tabs.

    Attributes:
        server: Server of the page.
        control: Which browser has control.
        actions: Executes requests.
        link: Actions on the stack.
        robot: Description of the robot.
        urdf: Its URDF.
        config: Settings of the page.
    """

    server: viser.ViserServer
    control: PageControl
    actions: Actions
    link: StackLink
    robot: RobotDescription
    urdf: Urdf
    config: PanelConfig


class Tab(Protocol):
    """Part of the page, a function of the snapshot."""

    def update(self, snapshot: PanelSnapshot, now_s: float, shown: bool) -> None:
        """Show a snapshot.

        Args:
            snapshot: State of the stack.
            now_s: Present time, in [s].
            shown: Whether a browser is connected.
        """


class Html:
    """HTML element that is only sent when it changes."""

    def __init__(self, server: viser.ViserServer, order: float | None = None) -> None:
        """Add an empty element to the current container."""
        self._content = ""
        self._element = server.gui.add_html("", order=order)

    def show(self, content: str) -> None:
        """Show HTML."""
        if content != self._content:
            self._content = content
            self._element.content = content
