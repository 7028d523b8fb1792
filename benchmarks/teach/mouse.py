"""A scripted person who drags the handles of a hand by the mouse of a browser."""

import time
from dataclasses import dataclass

import numpy as np
from playwright.sync_api import Page

from dbp_ros.panel.drive_tab import GIZMO_SCALE, RETURN_S
from dbp_ros.panel.page import CAMERA_POSITION, CAMERA_TARGET
from dbp_ros.types import Array

# Vertical field of view of the page's camera.
FIELD_OF_VIEW_RAD = np.radians(75.0)
# Where the mouse takes an arrow, as a share of the size of the handles.
ARROW = 0.98
# Longest and shortest drag.
LONGEST_M, SHORTEST_M = 0.12, 0.004
MOUSE_STEPS, STEP_S = 3, 0.05


@dataclass(frozen=True)
class View:
    """Perspective of the page's scene at first: where a point is on the screen.

    Attributes:
        left: Left edge of the scene in pixels.
        top: Its upper edge.
        width: Its width.
        height: Its height.
    """

    left: float
    top: float
    width: float
    height: float

    @classmethod
    def of(cls, page: Page) -> "View":
        """Return the view of a page."""
        box = page.locator("canvas").first.bounding_box()
        assert box is not None
        return cls(box["x"], box["y"], box["width"], box["height"])

    def pixel(self, point: Array) -> tuple[float, float]:
        """Return column and row of a point in [m]."""
        forward = np.subtract(CAMERA_TARGET, CAMERA_POSITION)
        forward = forward / np.linalg.norm(forward)
        right = np.cross(forward, (0.0, 0.0, 1.0))
        right = right / np.linalg.norm(right)
        down = np.cross(forward, right)
        away = point - np.array(CAMERA_POSITION)
        scale = self.height / 2 / np.tan(FIELD_OF_VIEW_RAD / 2) / (forward @ away)
        column = self.left + self.width / 2 + scale * (right @ away)
        return float(column), float(self.top + self.height / 2 + scale * (down @ away))


class HandMouse:
    """Mouse on the handles of one hand."""

    def __init__(self, page: Page) -> None:
        """Use the mouse of a page with its camera as at first."""
        self._mouse, self._view = page.mouse, View.of(page)

    def approach(self, pose: Array, position: Array) -> bool:
        """Drag the arrow along which a hand is farthest from a position.

        Args:
            pose: Pose of the hand, as the handles show it. Shape (4, 4).
            position: Desired position in [m].

        Returns:
            Whether the hand was already there.
        """
        offset = pose[:3, :3].T @ (position - pose[:3, 3])
        axis = int(np.argmax(np.abs(offset)))
        if abs(offset[axis]) < SHORTEST_M:
            return True
        along, start = pose[:3, axis], pose[:3, 3] + ARROW * GIZMO_SCALE * pose[:3, axis]
        distance_m = np.clip(offset[axis], -LONGEST_M, LONGEST_M)
        shares = np.linspace(0.0, 1.0, MOUSE_STEPS + 1)
        self._drag([start + share * distance_m * along for share in shares])
        return False

    def _drag(self, points: list[Array]) -> None:
        """Press the mouse at the first point, move it along the others, and release it."""
        first, *others = (self._view.pixel(point) for point in points)
        self._mouse.move(*first)
        # The page finds what is below the mouse once per rendered image.
        time.sleep(2 * STEP_S)
        self._mouse.down()
        for pixel in others:
            time.sleep(STEP_S)
            self._mouse.move(*pixel)
        time.sleep(STEP_S)
        self._mouse.up()
        # Until the handles are at the hand again.
        time.sleep(RETURN_S + 1.0)
