"""Tab to drive the hands: take over, gizmos in the scene, grippers, give back."""

import asyncio
import threading
import time
from functools import partial
from typing import Any

import numpy as np
import viser

from dbp_ros.panel import markup
from dbp_ros.panel.control import LOST_S
from dbp_ros.panel.shapes import quaternion
from dbp_ros.panel.snapshot import PanelSnapshot
from dbp_ros.panel.tabs import Html, PageContext
from dbp_ros.robots.kinematics import Kinematics
from dbp_ros.types import Array

ALIVE_PERIOD_S = 0.05
GIZMO_SCALE = 0.2
# A gizmo returns to its hand after this time without a drag.
RETURN_S = 1.0
HELP = (
    "Take over, then drag the arrows, squares and arcs at a hand. The guard limits the motion. "
    "If this page closes or its connection is lost, the arms come to rest."
)


class DriveTab:
    """Take-over by the browser that has control, and its input."""

    def __init__(self, page: PageContext) -> None:
        """Add the elements to the current container, and start the heartbeat."""
        self._page = page
        robot = page.robot
        self._arms = list(robot.arms)
        self._tips = Kinematics(page.urdf, robot.joints, [a.tip for a in robot.arms.values()])
        self._gizmos: dict[str, viser.TransformControlsHandle] = {}
        self._owner: int | None = None
        # Arms with a target of the browser that drives.
        self._driven: set[str] = set()
        self._dragged_s = 0.0
        self._confirmed = False
        self._state = Html(page.server)
        self._add_button("Take over", "take_over", "T", "blue", self._taken_over)
        self._add_button("Give back", "give_back", "G", "gray", self._given_back)
        self._grippers = {
            arm: page.server.gui.add_slider(f"{arm} gripper", 0.0, 1.0, 0.01, 1.0)
            for arm, description in robot.arms.items()
            if description.gripper_joints
        }
        self._openings = dict.fromkeys(self._grippers, 1.0)
        for arm, slider in self._grippers.items():
            slider.on_update(partial(_awaited, self._set_gripper, arm))
        page.server.gui.add_html(markup.paragraph(HELP))
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the heartbeat."""
        self._closed.set()
        self._thread.join(timeout=2.0)

    def update(self, snapshot: PanelSnapshot, now_s: float, shown: bool) -> None:
        """Show a snapshot: gizmos appear at the hands of the arms that a browser drives."""
        control = self._page.control
        if self._confirmed and not snapshot.operator_control:
            # Another node, such as a pedal, has given control back to the policy.
            control.end_driving()
        self._confirmed = snapshot.operator_control and control.driver is not None
        self._state.show(markup.paragraph(self._sentence(snapshot)))
        driver = control.driver
        if driver != self._owner:
            self._remove_gizmos()
            self._owner = driver
            self._driven = set()
        if snapshot.positions is None:
            return
        if driver is None:
            self._show_grippers(snapshot.positions)
            return
        poses = self._tips.poses(snapshot.positions)
        if not self._gizmos:
            self._add_gizmos(driver, poses)
        elif now_s - self._dragged_s > RETURN_S:
            for arm, pose in zip(self._arms, poses, strict=True):
                self._gizmos[arm].position = pose[:3, 3]
                self._gizmos[arm].wxyz = quaternion(pose[:3, :3])

    def _sentence(self, snapshot: PanelSnapshot) -> str:
        driver = self._page.control.driver
        if driver is not None:
            return f"Browser {driver} drives the arms."
        if snapshot.operator_control:
            return "An operator has control of the arms, but no browser drives: they rest."
        return snapshot.states.get("teleop") or "No teleop node runs: start it with --teleop."

    def _add_button(self, label: str, action: Any, key: str, colour: str, done: Any) -> None:
        actions, gui = self._page.actions, self._page.server.gui

        async def act(event: Any) -> None:
            actions.start(event.client_id, label, action, partial(done, event.client_id))

        gui.add_button(label, color=colour, hint=f"key: {key}").on_click(act)
        gui.add_command(label, hotkey=key).on_trigger(act)

    def _taken_over(self, client: int) -> None:
        # Targets of an earlier take-over do not count.
        self._driven = set()
        self._page.control.begin_driving(client, time.monotonic())

    def _given_back(self, client: int) -> None:
        self._page.control.end_driving()

    def _add_gizmos(self, driver: int, poses: Array) -> None:
        client = self._page.server.get_clients().get(driver)
        if client is None:
            return
        for arm, pose in zip(self._arms, poses, strict=True):
            gizmo = client.scene.add_transform_controls(
                f"/drive/{arm}",
                scale=GIZMO_SCALE,
                depth_test=False,
                position=pose[:3, 3],
                wxyz=quaternion(pose[:3, :3]),
            )
            gizmo.on_update(partial(_awaited, self._drag, arm))
            self._gizmos[arm] = gizmo

    def _remove_gizmos(self) -> None:
        connected = self._owner in self._page.server.get_clients()
        for gizmo in self._gizmos.values():
            if connected:
                gizmo.remove()
        self._gizmos = {}

    def _drag(self, arm: str, event: Any) -> None:
        now_s = time.monotonic()
        if event.client_id is None or not self._page.control.responded(event.client_id, now_s):
            return
        self._dragged_s = now_s
        target = event.target
        self._driven.add(arm)
        self._page.link.send_hand_target(
            arm, np.array(target.position, dtype=np.float64), np.array(target.wxyz)
        )

    def _set_gripper(self, arm: str, event: Any) -> None:
        if event.client_id is None:
            return
        if self._page.control.responded(event.client_id, time.monotonic()):
            self._openings[arm] = float(event.target.value)
            self._driven.add(arm)
            self._page.link.send_gripper(arm, self._openings[arm])
        else:
            # All browsers share the slider.
            event.target.value = self._openings[arm]

    def _show_grippers(self, positions: Array) -> None:
        """Set the sliders to the measured opening, so that a take-over begins with it."""
        robot = self._page.robot
        for arm, slider in self._grippers.items():
            gripper = robot.arms[arm].gripper
            assert gripper is not None
            closed, opened = (ends[0] for ends in gripper.opening_limits(robot.joint_limits))
            measured = positions[robot.joints.index(gripper.joints[0])]
            opening = float(np.clip((measured - closed) / (opened - closed), 0, 1))
            self._openings[arm] = round(opening, 2)
            if abs(slider.value - opening) > 0.02:
                slider.value = round(opening, 2)

    def _beat(self) -> None:
        """Publish at 20 Hz that the driving browser is connected, and check that it is."""
        while not self._closed.wait(ALIVE_PERIOD_S):
            control = self._page.control
            driver = control.driver
            if driver is None:
                continue
            if control.end_lost_driving(time.monotonic()):
                text = (
                    f"browser {driver} did not respond for {LOST_S:g} s: the arms come to rest, "
                    "take over to drive again"
                )
                self._page.actions.notify_all("Drive", text, "orange")
                continue
            loop = self._page.server.get_event_loop()
            if not loop.is_closed():
                asyncio.run_coroutine_threadsafe(self._ping(driver), loop)
            if control.is_driving(time.monotonic()):
                for arm in tuple(self._driven):
                    self._page.link.send_alive(arm)

    async def _ping(self, driver: int) -> None:
        """Note a sign of life when the browser answers."""
        connection = self._page.server._websock_server._live_connections.get(driver)
        if connection is None:
            return
        try:
            await (await connection.ping())
        except Exception:
            # The connection is closing: without an answer the browser stops driving.
            return
        self._page.control.responded(driver, time.monotonic())


async def _awaited(callback: Any, arm: str, event: Any) -> None:
    """Call a callback in the event loop, which preserves the order of drags."""
    callback(arm, event)
