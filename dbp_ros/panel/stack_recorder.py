"""Recorder of the stack, for the teach tab."""

import time
from typing import Literal

from dbp_ros.panel.links import Action, StackLink
from dbp_ros.panel.snapshot import PanelSnapshot

# An episode begins with the messages of the last second, which must not contain the reset.
AFTER_RESET_S = 1.2
ENDS: dict[str, Action] = {
    "success": "end_success",
    "failure": "end_failure",
    "discard": "discard_episode",
}


class StackRecorder:
    """Requests to the recorder by the link of the page; a `RecorderLink` and a part of the page."""

    def __init__(self, link: StackLink, after_reset_s: float = AFTER_RESET_S) -> None:
        """Use a link.

        Args:
            link: Actions on the stack.
            after_reset_s: Time to wait after a reset, in [s].
        """
        self._link, self._state, self._after_reset_s = link, "", after_reset_s

    @property
    def state(self) -> str:
        """State of the recorder; empty if it does not run."""
        return self._state

    def begin(self) -> str:
        """Begin an episode; return a message for the user."""
        return self._request("begin_episode")

    def end(self, outcome: Literal["success", "failure", "discard"]) -> str:
        """End the episode; return a message for the user."""
        return self._request(ENDS[outcome])

    def keep_last(self) -> str:
        """Write the last seconds as an episode; return a message for the user."""
        return self._request("keep_last")

    def set_task(self, text: str) -> None:
        """Set the task of the next episodes."""
        self._link.set_task(text)

    def new_scene(self) -> str:
        """Reset the simulated cell and enable control; return a message."""
        message = self._request("new_episode")
        self._request("enable")
        time.sleep(self._after_reset_s)
        return message

    def update(self, snapshot: PanelSnapshot, now_s: float, shown: bool) -> None:
        """Take the state of the recorder from a snapshot."""
        runs = snapshot.runs("recorder")
        self._state = (snapshot.states.get("recorder") or "starting") if runs else ""

    def _request(self, action: Action) -> str:
        return self._link.request(action, lambda line: None) or "done"
