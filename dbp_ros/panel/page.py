"""The operator's page: its fixed part, its tabs, and its panel of cameras and plots."""

import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import viser

from dbp_ros.panel import markup
from dbp_ros.panel.actions import Actions
from dbp_ros.panel.camera_images import CameraImages
from dbp_ros.panel.control import PageControl
from dbp_ros.panel.control_tab import ControlTab
from dbp_ros.panel.drive_tab import DriveTab
from dbp_ros.panel.episode_tab import EpisodeTab
from dbp_ros.panel.links import StackLink
from dbp_ros.panel.model_tab import ModelTab
from dbp_ros.panel.object_scene import ObjectScene
from dbp_ros.panel.plots import LATENCIES, LIMITED, RATES, LivePlot
from dbp_ros.panel.robot_scene import ChunkPaths, RobotScene
from dbp_ros.panel.snapshot import PanelSnapshot
from dbp_ros.panel.stack_recorder import StackRecorder
from dbp_ros.panel.tabs import Html, PageContext, Tab
from dbp_ros.panel.teach_tab import TeachTab
from dbp_ros.robots.urdf import Urdf
from dbp_ros.settings.panel import PanelConfig
from dbp_ros.settings.robot import RobotDescription
from dbp_ros.teach.workspace import Workspace

TITLE = "dbp_ros"
STOP_LABEL = "EMERGENCY STOP (space bar)"
# Positions of the fixed elements above the tabs.
STOP_ORDER, BANNER_ORDER, OWNER_ORDER, TAKE_ORDER, TABS_ORDER = 0.0, 1.0, 2.0, 3.0, 10.0
SIDE_WIDTH_PX, MAIN_WIDTH_PX = 340, 360
GRID_SIZE_M = 3.0
CAMERA_POSITION, CAMERA_TARGET = (1.15, -0.75, 0.95), (-0.1, 0.0, 0.25)


class Page:
    """Page of a server, which shows snapshots and sends the requests of its browsers to a link.

    Attributes:
        control: Which browser has control.
        ghost: Translucent robot, hidden at first.
    """

    def __init__(
        self,
        server: viser.ViserServer,
        link: StackLink,
        robot: RobotDescription,
        urdf: Urdf,
        config: PanelConfig,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Build the page.

        Args:
            server: Its server.
            link: Actions on the stack.
            robot: Description of the robot.
            urdf: Its URDF.
            config: Settings.
            now_s: Clock of the requests, in [s].
        """
        self._server = server
        self.control = PageControl()
        self._actions = Actions(server, self.control, link, now_s)
        self._context = PageContext(server, self.control, self._actions, link, robot, urdf, config)
        server.gui.configure_theme(show_logo=False, show_share_button=False)
        server.gui.set_panel_label(f"{TITLE}: {robot.name}")
        self._add_fixed_part()
        self._add_scene()
        self._drive: DriveTab
        self._teach: TeachTab | None = None
        self._tabs = self._add_tabs()
        self._add_side_panel()
        self._owners: dict[int, tuple[Any, Any]] = {}
        self._owners_lock = threading.Lock()
        server.on_client_connect(self._join)
        server.on_client_disconnect(self._leave)

    def update(self, snapshot: PanelSnapshot, now_s: float) -> None:
        """Show a snapshot.

        Args:
            snapshot: State of the stack.
            now_s: Present time, in [s].
        """
        shown = bool(self._server.get_clients())
        for tab in self._tabs:
            tab.update(snapshot, now_s, shown)
        if not shown:
            return
        self._banner.show(markup.banner(snapshot.guard))
        if snapshot.positions is not None:
            self._robot.show(snapshot.positions)
        self._objects.show(snapshot.objects)
        self._paths.show(snapshot.positions, snapshot.chunk)

    def close(self) -> None:
        """Stop the threads of the page."""
        self._drive.close()
        if self._teach is not None:
            self._teach.close()

    def _add_fixed_part(self) -> None:
        """Add what is above the tabs, the emergency stop first."""
        gui = self._server.gui
        hint = "In a text field, the space bar types a space"
        stop = gui.add_button(STOP_LABEL, color="red", order=STOP_ORDER, hint=hint)
        key = gui.add_command(STOP_LABEL, hotkey="space")

        async def act(event: Any) -> None:
            self._actions.stop(event.client_id)

        stop.on_click(act)
        key.on_trigger(act)
        # The key must work while a modifier is held by accident.
        for modifier in ("shift", "cmd/ctrl", "alt"):
            gui.add_command(
                f"{STOP_LABEL} with {modifier}", hotkey="space", modifier=modifier
            ).on_trigger(act)
        self._banner = Html(self._server, BANNER_ORDER)

    def _add_tabs(self) -> list[Tab]:
        """Add the tabs; another one is composed here."""
        gui, context = self._server.gui, self._context
        group = gui.add_tab_group(order=TABS_ORDER)
        with group.add_tab("Control"):
            control = ControlTab(context)
        with group.add_tab("Episodes"):
            episodes = EpisodeTab(context)
        with group.add_tab("Drive"):
            self._drive = DriveTab(context)
        with group.add_tab("Model"):
            model = ModelTab(context)
        tabs: list[Tab] = [control, episodes, self._drive, model]
        if context.config.teach_folder:
            recorder = StackRecorder(context.link)
            with group.add_tab("Teach"):
                self._teach = TeachTab(
                    self._server,
                    Workspace(Path(context.config.teach_folder)),
                    recorder,
                    self.ghost,
                    self._actions.refusal,
                    recorder.new_scene,
                )
            tabs.append(recorder)
        return tabs

    def _add_side_panel(self) -> None:
        """Add cameras and plots at the left edge."""
        context, server = self._context, self._server
        panel = server.gui.add_panel()
        with panel.add_tab("Cameras"):
            config = context.config
            cameras = list(context.robot.cameras)
            self._tabs.append(
                CameraImages(server, cameras, config.image_rate_hz, config.image_width)
            )
        with panel.add_tab("Plots"):
            plots = {
                "Rates": RATES,
                "Latencies, median": LATENCIES,
                "Limited commands": LIMITED,
            }
            self._tabs += [
                LivePlot(server, title, curves, context.config.plot_duration_s)
                for title, curves in plots.items()
            ]
        panel.dock_left()
        panel.set_width(SIDE_WIDTH_PX)
        server.gui.main_panel.dock_right()
        server.gui.main_panel.set_width(MAIN_WIDTH_PX)

    def _add_scene(self) -> None:
        context, server = self._context, self._server
        server.scene.add_grid("/floor", width=GRID_SIZE_M, height=GRID_SIZE_M, cell_size=0.1)
        server.initial_camera.position = CAMERA_POSITION
        server.initial_camera.look_at = CAMERA_TARGET
        self._robot = RobotScene(server, "/robot", context.urdf, context.robot)
        self._objects = ObjectScene(server)
        self._paths = ChunkPaths(server, context.urdf, context.robot)
        self.ghost = RobotScene(server, "/ghost", context.urdf, context.robot, ghost=True)

    async def _join(self, client: viser.ClientHandle) -> None:
        """Add the elements of one browser: who has control, and a button to take it."""
        number = client.client_id
        connection = self._server._websock_server._live_connections.get(number)
        address = connection.remote_address[0] if connection else "unknown"
        self.control.join(number, str(address))
        owner = client.gui.add_html("", order=OWNER_ORDER)
        take = client.gui.add_button("Take control of the page", order=TAKE_ORDER, color="gray")
        take.on_click(partial(self._take, number))
        with self._owners_lock:
            self._owners[number] = owner, take
        self._show_owners()

    async def _leave(self, client: viser.ClientHandle) -> None:
        number = client.client_id
        with self._owners_lock:
            self._owners.pop(number, None)
        if self.control.leave(number):
            text = f"browser {number} left while it drove the arms: they come to rest"
            self._actions.notify_all("Drive", text, "orange")
        self._show_owners()

    async def _take(self, number: int, event: Any) -> None:
        self.control.take(number)
        self._show_owners()

    def _show_owners(self) -> None:
        with self._owners_lock:
            owners = dict(self._owners)
        for number, (sentence, button) in owners.items():
            sentence.content = markup.paragraph(self.control.sentence(number))
            button.visible = not self.control.may_act(number)
