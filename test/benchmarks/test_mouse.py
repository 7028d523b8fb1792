"""Drags of the handles of a hand, by a mouse whose motion is recorded."""

import numpy as np
import pytest

pytest.importorskip("viser")
pytest.importorskip("playwright")

from benchmarks.teach import mouse
from benchmarks.teach.mouse import ARROW, HandMouse, View
from dbp_ros.panel.drive_tab import GIZMO_SCALE
from dbp_ros.panel.page import CAMERA_TARGET

BOX = {"x": 100.0, "y": 20.0, "width": 800.0, "height": 600.0}
VIEW = View(100.0, 20.0, 800.0, 600.0)
HAND = np.array([[1.0, 0, 0, -0.3], [0, -1, 0, 0.1], [0, 0, -1, 0.2], [0, 0, 0, 1]])


class FakePage:
    """Page with a scene and a mouse."""

    def __init__(self) -> None:
        self.mouse = self
        self.pixels: list[tuple[float, float]] = []
        self.first = self

    def locator(self, selector: str) -> "FakePage":
        return self

    def bounding_box(self) -> dict[str, float]:
        return BOX

    def move(self, column: float, row: float) -> None:
        self.pixels.append((column, row))

    def down(self) -> None:
        """Press the button."""

    up = down


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> FakePage:
    monkeypatch.setattr(mouse.time, "sleep", lambda seconds: None)
    return FakePage()


def moved(x: float) -> np.ndarray:
    """Return the position of the hand after a motion along its first axis."""
    return HAND[:3, 3] + x * HAND[:3, 0]


def test_the_target_of_the_camera_is_at_the_centre() -> None:
    assert VIEW.pixel(np.array(CAMERA_TARGET)) == pytest.approx((500.0, 320.0))
    column, row = VIEW.pixel(np.add(CAMERA_TARGET, (0.0, 0.0, 0.1)))
    assert column == pytest.approx(500.0)
    assert row < 320.0


def test_an_arrow_is_dragged_along_its_axis(page: FakePage) -> None:
    assert not HandMouse(page).approach(HAND, moved(x=0.05))
    taken = HAND[:3, 3] + ARROW * GIZMO_SCALE * HAND[:3, 0]
    assert page.pixels[0] == pytest.approx(VIEW.pixel(taken))
    assert page.pixels[-1] == pytest.approx(VIEW.pixel(taken + 0.05 * HAND[:3, 0]))


def test_a_long_way_takes_several_drags(page: FakePage) -> None:
    assert not HandMouse(page).approach(HAND, moved(x=1.0))
    assert len(page.pixels) == mouse.MOUSE_STEPS + 1
    taken = HAND[:3, 3] + (ARROW * GIZMO_SCALE + mouse.LONGEST_M) * HAND[:3, 0]
    assert page.pixels[-1] == pytest.approx(VIEW.pixel(taken))


def test_a_hand_that_is_there_is_not_dragged(page: FakePage) -> None:
    assert HandMouse(page).approach(HAND, moved(x=0.001))
    assert not page.pixels
