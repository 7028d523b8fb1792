"""Requests of browsers: who may make them, their execution, and notifications of the result."""

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import viser

from dbp_ros.errors import DbpError
from dbp_ros.panel.control import PageControl
from dbp_ros.panel.links import ALWAYS, Action, StackLink
from dbp_ros.panel.stop_path import NOT_STOPPED

# Key presses and clicks of one moment: a space bar that stops may also press the focused button.
AFTER_STOP_S = 1.0
NOTICE_S = 6.0
# A pressed key repeats: reports of success within this time after another one are not shown.
STOP_NOTICE_PERIOD_S = 0.5


class Actions:
    """Executes the requests of the browser that has control.

    Callbacks of viser that end here run in its event loop: they never wait.
    """

    def __init__(
        self,
        server: viser.ViserServer,
        control: PageControl,
        link: StackLink,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create no thread yet.

        Args:
            server: Server of the page.
            control: Which browser has control.
            link: Actions on the stack.
            now_s: Clock, in [s].
        """
        self._server, self._control, self._link, self._now_s = server, control, link, now_s
        self._running = ""
        self._stopped_s = -AFTER_STOP_S
        self._notified_s = -STOP_NOTICE_PERIOD_S
        self._stop_notices: dict[int, viser.NotificationHandle] = {}
        self._lock = threading.Lock()

    def add_button(
        self, label: str, action: Action, *, hint: str = "", key: str = "", **options: Any
    ) -> viser.GuiButtonHandle:
        """Add a button for a request to the current container, and a key if there is one.

        Args:
            label: Text of the button.
            action: The request.
            hint: Explanation.
            key: Key, such as `B`, or `shift+E`.
            options: Further options of the button.
        """
        shown = f"{hint} (key: {key})" if key else hint
        button = self._server.gui.add_button(label, hint=shown or None, **options)

        async def act(event: Any) -> None:
            self.start(event.client_id, label, action)

        button.on_click(act)
        if key:
            modifier, _, letter = key.rpartition("+")
            command = self._server.gui.add_command(
                label, description=hint or None, hotkey=letter, modifier=modifier or None
            )
            command.on_trigger(act)
        return button

    def refusal(self, client: int) -> str:
        """Return why a browser may not press a button now; empty if it may."""
        if not self._control.may_act(client):
            return self._control.sentence(client)
        if self._now_s() - self._stopped_s < AFTER_STOP_S:
            return "the emergency stop was just pressed"
        return ""

    def may_act(self, client: int | None) -> bool:
        """Return whether a browser has control; notify one that has not."""
        if client is None:
            return False
        if self._control.may_act(client):
            return True
        self.notify(client, "Not done", self._control.sentence(client), "orange")
        return False

    def start(
        self, client: int, label: str, action: Action, done: Callable[[], None] | None = None
    ) -> None:
        """Start a request in a thread of its own; its result is a notification.

        Args:
            client: Number of the browser.
            label: Name of the request for the user.
            action: The request.
            done: Called after success.
        """
        if reason := self.refusal(client):
            self.notify(client, label, f"not done: {reason}", "orange")
            return
        with self._lock:
            if self._running and action not in ALWAYS:
                self.notify(client, label, f"not done: {self._running} is running", "orange")
                return
            if action not in ALWAYS:
                self._running = label
        if action == "hold":
            self._control.end_driving()
            self._link.cancel_home()
        run = partial(self._run, client, label, action, done)
        threading.Thread(target=run, name=f"request {action}", daemon=True).start()

    def stop(self, client: int) -> None:
        """Stop the arms, for any browser."""
        self._link.emergency_stop(partial(self._report_stop, client))
        self._stopped_s = self._now_s()
        self._control.end_driving()
        self._link.cancel_home()

    def notify(
        self,
        client: int,
        title: str,
        text: str,
        colour: str = "blue",
        duration_s: float | None = NOTICE_S,
    ) -> None:
        """Show a notification in one browser.

        Args:
            client: Number of the browser.
            title: Its title.
            text: Its text.
            colour: Name of its colour.
            duration_s: Time after which it closes, in [s]; None if the user closes it.
        """
        if handle := self._server.get_clients().get(client):
            handle.add_notification(title, text, auto_close_seconds=duration_s, color=colour)

    def notify_all(self, title: str, text: str, colour: str = "blue") -> None:
        """Show a notification in every browser."""
        for client in self._server.get_clients():
            self.notify(client, title, text, colour)

    def _run(
        self, client: int, label: str, action: Action, done: Callable[[], None] | None
    ) -> None:
        try:
            result = self._link.request(action, partial(self.notify, client, label))
        except DbpError as error:
            self.notify(client, label, str(error), "red")
            return
        finally:
            if action not in ALWAYS:
                self._running = ""
        if done:
            done()
        self.notify(client, label, result or "done", "green")

    def _report_stop(self, client: int, text: str) -> None:
        """Show the result of a stop in every browser, in place of that of the last one."""
        failed, now_s = text.startswith(NOT_STOPPED), self._now_s()
        title, colour = f"EMERGENCY STOP of browser {client}", "red" if failed else "orange"
        with self._lock:
            if not failed and now_s - self._notified_s < STOP_NOTICE_PERIOD_S:
                return
            # A success right after a failure is shown.
            self._notified_s = -STOP_NOTICE_PERIOD_S if failed else now_s
            before, self._stop_notices = self._stop_notices, {}
            for number, handle in self._server.get_clients().items():
                if number in before:
                    before[number].remove()
                self._stop_notices[number] = handle.add_notification(title, text, color=colour)
