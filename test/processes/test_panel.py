"""The operator's page stops the guard, operates the stack, and observes it over DDS."""

import subprocess
from collections.abc import Iterator

import numpy as np
import pytest
from processes.chunk_publisher import ChunkPublisher
from processes.fake_robot import FakeRobot, wait_until
from processes.panel_page import panel_page
from raw_browser import RawBrowser

from dbp_ros.settings.dual_ur5e import DUAL_UR5E

STOP = "EMERGENCY STOP (space bar)"
START = np.array(DUAL_UR5E.home_positions)


@pytest.fixture
def browser(guard: subprocess.Popen[str]) -> Iterator[RawBrowser]:
    """A browser on the page of a stack whose guard is enabled."""
    with panel_page() as port:
        browser = RawBrowser(port)
        yield browser
        browser.close()


def test_key_and_click_stop_the_guard_and_buttons_enable_it_again(
    robot: FakeRobot, browser: RawBrowser
) -> None:
    browser.press("space")
    robot.wait_for_state("guard", "stopped: e-stop")
    browser.wait_for_text("stopped: /guard")
    browser.wait_for_text("remove the cause, then press Reset, then Enable")
    wait_until(lambda: acted(browser, "Reset", robot, "disabled"), "a reset")
    wait_until(lambda: acted(browser, "Enable", robot, "holding"), "control")
    browser.click(STOP)
    robot.wait_for_state("guard", "stopped: e-stop")


def acted(browser: RawBrowser, label: str, robot: FakeRobot, state: str) -> bool:
    """Click until the guard has a state: clicks right after a stop are refused."""
    if robot.states["guard"].startswith(state):
        return True
    browser.click(label)
    return False


def test_the_page_shows_arms_chunks_and_images_of_a_running_stack(
    robot: FakeRobot, browser: RawBrowser
) -> None:
    policy = ChunkPublisher(START)
    policy.start()
    try:
        browser.wait_for(lambda m: m["type"] == "LineSegmentsMessage")
        browser.wait_for_text("/robot/left_wrist_1_link")
        browser.wait_for(lambda m: m["type"] == "GuiUpdateMessage" and "_data" in m["updates"])
        browser.wait_for_text("TRACKING")
    finally:
        policy.close()
