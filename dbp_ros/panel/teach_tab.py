"""Teach tab of the page: record, review, train, evaluate and deploy."""

import threading
import time
from collections.abc import Callable

import viser

from dbp_ros.errors import DbpError
from dbp_ros.panel.links import RecorderLink, RobotGhost
from dbp_ros.panel.teach_actions import Action, TeachActions, plain
from dbp_ros.panel.teach_recording import RecordingFolder
from dbp_ros.panel.teach_review import ReviewFolder
from dbp_ros.panel.teach_training import TrainingFolder
from dbp_ros.teach.session import TeachSession
from dbp_ros.teach.workspace import Workspace

REFRESH_S = 1.0
CLOSE_S = 10.0


class TeachTab:
    """Teaching on one workspace; it updates itself.

    Attributes:
        session: The steps of teaching.
        review: The part with the episodes.
    """

    def __init__(
        self,
        server: viser.ViserServer,
        workspace: Workspace,
        recorder: RecorderLink,
        robot: RobotGhost,
        refusal: Callable[[int], str] = lambda browser: "",
        new_scene: Action | None = None,
        refresh_s: float = REFRESH_S,
    ) -> None:
        """Add the content to the current container of the page.

        Args:
            server: Server of the page.
            workspace: Folder of the recordings and models.
            recorder: The recorder, which writes to `workspace.recordings`.
            robot: Shows the positions of an episode.
            refusal: Why a browser, by its number, may not press a button now; empty if it may.
            new_scene: Resets the simulated cell; None without one.
            refresh_s: Time between two updates in [s]; 0 to update by calls of `refresh` only.
        """
        self.session = TeachSession(workspace)
        self._actions = TeachActions(server, refusal)
        self._next = server.gui.add_markdown("")
        self._actions.add_message()
        task = workspace.settings.task
        # Without a task, the robot is a real one.
        reset = new_scene if task else None
        self._recording = RecordingFolder(server, self._actions, recorder, task, reset)
        self.review = ReviewFolder(server, self._actions, self.session.review, robot)
        self._training = TrainingFolder(server, self._actions, self.session)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(refresh_s,), daemon=True)
        self.refresh()
        if refresh_s:
            self._thread.start()

    @property
    def next_step(self) -> str:
        """What to do next, as shown."""
        return str(self._next.content)

    @property
    def message(self) -> str:
        """Result of the last action, as shown."""
        return self._actions.message

    def texts(self) -> str:
        """Return the lines of all parts, as shown."""
        return "\n".join((self._recording.text, *self._training.texts))

    def press(self, label: str, browser: int | None = None) -> str:
        """Press a button as a user does; return the result.

        Args:
            label: Label of the button.
            browser: Number of the browser; None for this program.
        """
        sentence = self._actions.press(label, browser)
        self.refresh()
        return sentence

    def refresh(self) -> None:
        """Show the present state of the workspace and its job."""
        with self._actions.lock:
            try:
                self._refresh()
            except (DbpError, OSError) as error:
                self._actions.show(str(error), failed=True)

    def close(self) -> None:
        """End the updates and the running job."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_S)
        self.session.cancel(time.monotonic_ns())
        self.review.close()

    def _refresh(self) -> None:
        episodes = self.session.review.episodes()
        self._recording.refresh(episodes)
        self.review.refresh(episodes)
        self._training.refresh()
        sentence = plain(f"Next: {self.session.next_step(time.monotonic_ns())}")
        if self._next.content != sentence:
            self._next.content = sentence

    def _run(self, refresh_s: float) -> None:
        while not self._closing.wait(refresh_s):
            self.refresh()
