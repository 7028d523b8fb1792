"""Recording of demonstrations on the teach tab."""

from collections.abc import Sequence
from typing import Literal

import viser

from dbp_ros.panel.links import RecorderLink
from dbp_ros.panel.teach_actions import Action, TeachActions, plain
from dbp_ros.teach.review import ReviewEntry

GREEN, RED = "green", "red"


class RecordingFolder:
    """Buttons of the recorder, its state and the number of demonstrations."""

    def __init__(
        self,
        server: viser.ViserServer,
        actions: TeachActions,
        recorder: RecorderLink,
        task: str,
        new_scene: Action | None = None,
    ) -> None:
        """Add the folder.

        Args:
            server: Server of the page.
            actions: Buttons of the tab.
            recorder: The recorder.
            task: Task of the next episodes at first.
            new_scene: Resets the simulated cell; None without one.
        """
        self._recorder = recorder
        with server.gui.add_folder("1. Record"):
            self._state = server.gui.add_markdown("")
            self._task = actions.guarded(server.gui.add_text("Task", task))
            if new_scene is not None:
                actions.add_button("New scene", new_scene, hint="reset the simulated cell")
            actions.add_button("Begin", self._begin, color=GREEN)
            actions.add_button("Success", lambda: self._end("success"))
            actions.add_button("Failure", lambda: self._end("failure"))
            actions.add_button("Discard", lambda: self._end("discard"), color=RED)
            actions.add_button("Keep last", recorder.keep_last)

    @property
    def text(self) -> str:
        """Number of episodes and state of the recorder, as shown."""
        return str(self._state.content)

    def refresh(self, episodes: Sequence[ReviewEntry]) -> None:
        """Show the state of the recorder, and the number of episodes."""
        usable = sum(one.usable for one in episodes)
        state = self._recorder.state or "the recorder does not run: start it with --recorder"
        content = f"{usable} successful of {len(episodes)} episodes. Recorder: {plain(state)}"
        if self._state.content != content:
            self._state.content = content

    def _begin(self) -> str:
        if self._task.value.strip():
            self._recorder.set_task(self._task.value.strip())
        message: str = self._recorder.begin()
        return message

    def _end(self, outcome: Literal["success", "failure", "discard"]) -> str:
        return self._recorder.end(outcome)
