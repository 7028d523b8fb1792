"""A headless Chromium and what its user does on the operator's page."""

import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page, sync_playwright

from dbp_ros.errors import DbpError

CHROMIUM = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    *("--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
)
SIZE = 1180, 720
ADDRESS = re.compile(r"operator's page: (http\S+)")
# Software rendering on a busy computer is slow.
ACTION_MS, CLOSE_MS = 120_000, 3_000
LIMIT_S = 120.0


@contextmanager
def browser_page(size: tuple[int, int] = SIZE) -> Iterator[Page]:
    """Run a headless Chromium with an empty page.

    Args:
        size: Width and height of the page in pixels.

    Raises:
        DbpError: If Chromium is not installed.
    """
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        raise DbpError("Chromium is missing: apt-get install chromium")
    with tempfile.TemporaryDirectory() as profile, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=path,
            args=list(CHROMIUM),
            headless=True,
            viewport={"width": size[0], "height": size[1]},
        )
        context.set_default_timeout(ACTION_MS)
        yield context.new_page()
        context.close()


def await_value(found: Callable[[], Any], what: str) -> Any:
    """Return the result of a function as soon as it is true.

    Raises:
        DbpError: If it does not become true.
    """
    deadline = time.monotonic() + LIMIT_S
    while not (result := found()):
        if time.monotonic() > deadline:
            raise DbpError(f"waited {LIMIT_S:g} s for {what}")
        time.sleep(0.2)
    return result


def see(page: Page, text: str) -> None:
    """Wait until the page shows a text."""
    await_value(lambda: page.get_by_text(text, exact=True).count(), text)


def press(page: Page, label: str) -> None:
    """Click a button."""
    page.get_by_role("button", name=label, exact=True).click()


def close_notices(page: Page) -> None:
    """Close the notices, which may cover a button."""
    for button in page.locator(".mantine-Notification-closeButton").all():
        # It may close by itself.
        with suppress(PlaywrightError):
            button.click(timeout=CLOSE_MS)
    time.sleep(1.0)
