"""Recording of episodes through the requests of the page; a `RecorderLink`."""

from collections.abc import Callable
from typing import Literal

from dbp_ros.panel.links import Action, StackLink
from dbp_ros.panel.snapshot import PanelSnapshot

ENDS: dict[str, Action] = {
    "success": "end_success",
    "failure": "end_failure",
    "discard": "discard_episode",
}


class StackRecorder:
    """Recorder of the stack. Each method waits for the response and raises `DbpError`."""

    def __init__(self, link: StackLink, snapshot: Callable[[], PanelSnapshot]) -> None:
        """Create the link.

        Args:
            link: Actions on the stack.
            snapshot: Returns the newest snapshot.
        """
        self._link, self._snapshot = link, snapshot

    @property
    def state(self) -> str:
        """State of the recorder; empty if it does not run."""
        snapshot = self._snapshot()
        return snapshot.states.get("recorder", "") if snapshot.runs("recorder") else ""

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

    def _request(self, action: Action) -> str:
        return self._link.request(action, lambda line: None)
