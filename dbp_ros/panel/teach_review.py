"""Review of recorded episodes on the teach tab."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import viser

from dbp_ros.errors import DbpError, EpisodeError
from dbp_ros.panel.links import RobotGhost
from dbp_ros.panel.teach_actions import TeachActions, set_value
from dbp_ros.teach.opened_episode import OpenedEpisode
from dbp_ros.teach.review import EpisodeReview, ReviewEntry
from dbp_ros.teach.session import described

NO_EPISODE = "no episode"
STEP_S = 0.02


class ReviewFolder:
    """List of episodes, with their images and positions at a time, and their labels.

    Attributes:
        episode: Choice of the episode.
        time_s: Choice of the time from its start, in [s].
        ghost: Whether the robot is shown at the positions of that time.
        images: Image of each camera at that time.
    """

    def __init__(
        self,
        server: viser.ViserServer,
        actions: TeachActions,
        review: EpisodeReview,
        robot: RobotGhost,
    ) -> None:
        """Add the folder.

        Args:
            server: Server of the page.
            actions: Buttons of the tab.
            review: The episodes.
            robot: Shows the positions of an episode.
        """
        self._server, self._actions, self._review, self._robot = server, actions, review, robot
        self._names: dict[str, str] = {}
        self.images: dict[str, viser.GuiImageHandle] = {}
        self._shown = ""
        with server.gui.add_folder("2. Review", expand_by_default=False) as self._folder:
            self.episode = actions.guarded(server.gui.add_dropdown("Episode", (NO_EPISODE,)))
            self.time_s = actions.guarded(server.gui.add_slider("Time [s]", 0.0, 1.0, STEP_S, 0.0))
            self.ghost = actions.guarded(server.gui.add_checkbox("Show robot", True))
            self._add_buttons()
        self.episode.on_update(self._on_choice)
        self.time_s.on_update(self._on_time)
        self.ghost.on_update(self._on_time)

    def _add_buttons(self) -> None:
        add = self._actions.add_button
        add("Label success", lambda: self._label("success"))
        add("Label failure", lambda: self._label("failure"))
        add("Start here", lambda: self._trim(start=True), hint="leave out what is before")
        add("End here", lambda: self._trim(start=False), hint="leave out what is after")
        add("Whole episode", self._locked(lambda name: self._review.restore_whole(name)))
        add("Delete", self._locked(lambda name: self._review.discard(name)), color="red")
        add("Restore", self._locked(lambda name: self._review.discard(name, False)))
        add("Undo", self._undo)

    def refresh(self, episodes: Sequence[ReviewEntry]) -> None:
        """Update the list; the chosen episode stays chosen."""
        names = {described(one): one.name for one in episodes}
        if names == self._names:
            return
        chosen = self._names.get(self.episode.value, "")
        self._names = names
        options = tuple(names) or (NO_EPISODE,)
        value = next((text for text, name in names.items() if name == chosen), options[-1])
        self.episode.options = options
        if self.episode.value != value:
            set_value(self.episode, value)

    def choose(self, number: int) -> None:
        """Choose an episode by its number.

        Raises:
            EpisodeError: If there is none of this number.
        """
        for text in self._names:
            if text.startswith(f"{number}:"):
                set_value(self.episode, text)
                self.show()
                return
        raise EpisodeError(f"no episode {number}: record it first")

    def show_at(self, time_s: float) -> None:
        """Show the chosen episode at a time from its start."""
        set_value(self.time_s, time_s)
        self.show()

    def show(self) -> None:
        """Show the chosen episode at the chosen time."""
        try:
            with self._actions.lock:
                self._show()
        except DbpError as error:
            self._robot.show(None)
            self._actions.show(str(error), failed=True)

    def close(self) -> None:
        """Hide the translucent robot."""
        self._robot.show(None)

    def _show(self) -> None:
        opened, name = self._opened(), self._chosen()
        if self._shown != name:
            self._shown = name
            self.time_s.max = max(STEP_S, opened.last_s)
            set_value(self.time_s, 0.0)
            self._set_cameras(opened)
        time_s = float(self.time_s.value)
        self._robot.show(opened.positions(time_s) if self.ghost.value else None)
        for camera, handle in self.images.items():
            handle.image = opened.image(camera, time_s)

    def _set_cameras(self, opened: OpenedEpisode) -> None:
        for handle in self.images.values():
            handle.remove()
        with self._folder:
            blank = np.zeros((8, 8, 3), np.uint8)
            self.images = {
                camera: self._server.gui.add_image(blank, label=camera, format="jpeg")
                for camera in opened.cameras
            }

    def _chosen(self) -> str:
        name = self._names.get(self.episode.value)
        if name is None:
            raise EpisodeError("no episode is chosen: record one first")
        return name

    def _opened(self) -> OpenedEpisode:
        return self._review.open(self._chosen())

    def _on_choice(self, event: viser.GuiEvent[Any]) -> None:
        # A choice by this program follows from a new list.
        if event.client_id is not None:
            self.show()

    def _on_time(self, event: viser.GuiEvent[Any]) -> None:
        if event.client_id is not None:
            self.show()

    def _locked(self, change: Callable[[str], str]) -> Callable[[], str]:
        """Return an action that changes the chosen episode."""

        def run() -> str:
            with self._actions.lock:
                return change(self._chosen())

        return run

    def _label(self, outcome: Literal["success", "failure"]) -> str:
        with self._actions.lock:
            return self._review.label(self._chosen(), outcome)

    def _trim(self, start: bool) -> str:
        with self._actions.lock:
            name, time_s = self._chosen(), float(self.time_s.value)
            start_s, end_s = self._review.limits(name)
            end_s = self._opened().last_s if end_s is None else end_s
            limits = (time_s, end_s) if start else (start_s or 0.0, time_s)
            return self._review.trim(name, *limits)

    def _undo(self) -> str:
        with self._actions.lock:
            return self._review.undo()
