"""Tour of the operator's page in a headless Chromium.

It starts the simulated cell with the page, checks that images and arms move, and that click and
space bar stop the arms, and writes the screenshots of the documentation.
"""

import argparse
import io
import re
import time
from functools import partial
from pathlib import Path

import numpy as np
import PIL.Image
from playwright.sync_api import Page

from benchmarks.browser import ADDRESS, await_value, browser_page, close_notices, press, see
from dbp_ros.evaluation.running_stack import module_process, own_domain
from dbp_ros.files import require_folder

# Left, top, right and bottom in pixels.
CAMERAS, SCENE = (10, 80, 260, 640), (350, 160, 810, 710)
STOPPED = re.compile(r"stopped: /guard after ([\d.]+) ms")
LONGEST_STOP_MS = 100.0
JPEG_QUALITY = 85
# Mean difference of pixels, from 0 to 255, that counts as motion.
MOVES = 0.2


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb."""
    parser.description = __doc__
    parser.add_argument("--out", type=Path, default=Path("build/panel"), help="folder")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the tour; return 1 if a stop took too long.

    Raises:
        DbpError: If the page does not show what it should.
    """
    require_folder(arguments.out)
    log = arguments.out / "stack.log"
    up = ("dbp_ros.cli", "up", "--sim", "--task", "transport", "--model", "transport", "--panel")
    with own_domain(), module_process((*up, "--enable-control"), log), browser_page() as page:
        page.goto(await_value(lambda: ADDRESS.search(log.read_text()), "the address")[1])
        duration_ms = _tour(page, arguments.out)
    print(f"stopped by click after {duration_ms:.1f} ms, and by key")
    return int(duration_ms > LONGEST_STOP_MS)


def _tour(page: Page, out: Path) -> float:
    """Take the screenshots, stop by click and by key; return the time of the click's in [ms]."""
    _track(page)
    press(page, "New episode")
    time.sleep(4.0)
    _track(page)
    for area, name in ((CAMERAS, "images"), (SCENE, "arms")):
        await_value(partial(_moves, page, area), f"the {name} to move")
    _track(page)
    _screenshot(page, out / "panel.jpg")
    page.get_by_text("Plots", exact=True).click()
    time.sleep(10.0)
    _screenshot(page, out / "panel_plots.jpg")
    page.get_by_text("EMERGENCY STOP (space bar)").click()
    clicked = _stop_duration(page)
    _screenshot(page, out / "panel_stopped.jpg")
    close_notices(page)
    _track(page)
    # The button that was clicked last has the focus: the space bar must not press it again.
    page.keyboard.press("Space")
    # The notice of the click may still be there, with its duration.
    see(page, "STOPPED")
    return clicked


def _track(page: Page) -> None:
    """Reset and enable until the guard follows the policy."""

    def tracks() -> bool:
        if page.get_by_text("TRACKING", exact=True).count():
            return True
        stopped = page.get_by_text("STOPPED", exact=True).count()
        label = "Reset" if stopped else "Enable"
        press(page, label)
        time.sleep(2.0)
        return False

    await_value(tracks, "TRACKING")
    close_notices(page)


def _stop_duration(page: Page) -> float:
    found = await_value(lambda: STOPPED.search(page.inner_text("body")), "the result of the stop")
    see(page, "STOPPED")
    return float(found[1])


def _moves(page: Page, area: tuple[int, int, int, int]) -> bool:
    """Return whether two images of a part of the page differ."""
    left, top, right, bottom = area
    clip = {"x": left, "y": top, "width": right - left, "height": bottom - top}
    images = []
    for _ in range(2):
        images.append(np.asarray(PIL.Image.open(io.BytesIO(page.screenshot(clip=clip)))))
        time.sleep(1.0)
    return float(np.abs(images[1].astype(float) - images[0]).mean()) > MOVES


def _screenshot(page: Page, path: Path) -> None:
    page.screenshot(path=path, type="jpeg", quality=JPEG_QUALITY)
