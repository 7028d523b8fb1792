"""The space bar in a real browser, if one is installed."""

import shutil
import time

import pytest

pytest.importorskip("playwright")
if shutil.which("chromium") is None and shutil.which("google-chrome") is None:
    pytest.skip("no Chromium is installed", allow_module_level=True)

from panel.conftest import PageRig
from playwright.sync_api import Page

from benchmarks.browser import browser_page

# Longest delay of a stop on a loaded page.
SETTLE_S = 2.0
STOP = ("emergency_stop",)


def wait_until_keys_act(rig: PageRig, page: Page) -> None:
    """Press the space bar until the loaded page stops the arms, and until the last stop."""

    def stops() -> bool:
        page.keyboard.press("Space")
        return STOP in rig.link.calls

    rig.wait(stops)
    time.sleep(SETTLE_S)
    rig.link.calls.clear()


def test_the_space_bar_stops_from_form_fields_and_not_from_text(rig: PageRig) -> None:
    gui = rig.page._server.gui
    elements = [gui.add_checkbox("Check", False), gui.add_number("Number", 5)]
    elements += [gui.add_dropdown("List", ("one", "two")), gui.add_text("Text", "")]
    with browser_page() as page:
        page.goto(f"http://127.0.0.1:{rig.port}/")
        wait_until_keys_act(rig, page)
        for selector in ("[type=checkbox]", "[inputmode=decimal]", "[role=combobox]"):
            page.locator(f"input{selector}").last.focus()
            page.keyboard.press("Space")
            rig.wait_for_call("emergency_stop")
            rig.link.calls.clear()
        page.locator("input.mantine-TextInput-input").last.focus()
        page.keyboard.press("Space")
        rig.wait(lambda: elements[-1].value == " ")
        assert STOP not in rig.link.calls
    assert elements[0].value is False
    for element in elements:
        element.remove()
