"""Buttons of the teach tab: permission, result and errors of each action."""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import viser

from dbp_ros.errors import DbpError

# Makes a change and returns a sentence about it.
Action = Callable[[], str]
Input = TypeVar("Input", bound=viser.GuiInputHandle[Any])


class TeachActions:
    """Actions of the tab by the label of their button. Any thread may run them.

    Attributes:
        lock: Guards the session of the tab.
    """

    def __init__(self, server: viser.ViserServer, refusal: Callable[[int], str]) -> None:
        """Prepare without a button.

        Args:
            server: Server of the page.
            refusal: Why a browser, by its number, may not press a button now; empty if it may.
        """
        self.lock = threading.RLock()
        self._server, self._refusal = server, refusal
        self._actions: dict[str, Action] = {}
        self._message: viser.GuiMarkdownHandle | None = None

    def add_message(self) -> None:
        """Add the line with the result of the last action."""
        self._message = self._server.gui.add_markdown("")

    def add_button(self, label: str, action: Action, **options: Any) -> viser.GuiButtonHandle:
        """Add a button.

        Args:
            label: Its label, which no other button of the tab has.
            action: Runs on a click.
            options: See `GuiApi.add_button`.
        """
        self._actions[label] = action
        button = self._server.gui.add_button(label, **options)

        def on_click(event: viser.GuiEvent[Any]) -> None:
            self.press(label, event.client_id)

        button.on_click(on_click)
        return button

    def guarded(self, element: Input) -> Input:
        """Restore the last accepted value of an element if a browser that may not act changes it.

        Args:
            element: Element with a value, such as a slider.

        Returns:
            The same element.
        """
        accepted = element.value

        # A coroutine runs in the event loop, before the next change.
        async def check(event: viser.GuiEvent[Any]) -> None:
            nonlocal accepted
            if event.client_id is not None and self._refusal(event.client_id):
                set_value(element, accepted)
            accepted = element.value

        element.on_update(check)
        return element

    def press(self, label: str, browser: int | None = None) -> str:
        """Run the action of a button; return and show its result.

        Args:
            label: Label of the button.
            browser: Number of the browser; None for this program.
        """
        sentence, failed = self._refusal(browser) if browser is not None else "", True
        if not sentence:
            sentence, failed = self._run(self._actions[label])
        self.show(f"{'Not done' if failed else label}: {sentence}", failed)
        return sentence

    @property
    def message(self) -> str:
        """The result of the last action, as shown."""
        return self._message.content if self._message else ""

    def show(self, sentence: str, failed: bool = False) -> None:
        """Show a sentence as the result of the last action."""
        if self._message is not None:
            self._message.content = f"**{plain(sentence)}**" if failed else plain(sentence)

    def _run(self, action: Action) -> tuple[str, bool]:
        try:
            return action(), False
        except (DbpError, OSError) as error:
            return str(error), True


def set_value(handle: Any, value: Any) -> None:
    """Set the value of a control, whose type is read-only for the type checker."""
    handle.value = value


def plain(text: str) -> str:
    """Return text without characters that Markdown interprets."""
    return "".join(f"\\{one}" if one in "\\`*_{}[]<>#|~" else one for one in text)
