"""The teach tab on a real server, with fakes of the recorder and the robot."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from demonstrations import CAMERAS, write_demonstration
from raw_browser import RawBrowser

from dbp_ros.errors import DbpError
from dbp_ros.teach.settings import TeachConfig, read_settings, write_settings
from dbp_ros.teach.workspace import SETTINGS, Workspace

viser = pytest.importorskip("viser")

from dbp_ros.panel.teach_tab import TeachTab  # noqa: E402


class FakeRecorder:
    """Recorder that writes an episode with each end."""

    def __init__(self, folder: Path) -> None:
        self.state, self.task, self._folder, self._number = "waiting", "", folder, 0

    def begin(self) -> str:
        if self.state == "recording":
            raise DbpError("episode 1 is running: end it first")
        self.state = "recording"
        return "recording episode"

    def end(self, outcome: str) -> str:
        self.state, self._number = "waiting", self._number + 1
        write_demonstration(self._folder, self._number, outcome)
        return f"episode {self._number}: {outcome}"

    def keep_last(self) -> str:
        return self.end("failure")

    def set_task(self, text: str) -> None:
        self.task = text


class FakeRobot:
    positions: np.ndarray | None = None

    def show(self, positions: np.ndarray | None) -> None:
        self.positions = positions


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "teach")
    made.save_settings(TeachConfig(num_steps=20, evaluation_episodes=2))
    return made


@pytest.fixture(scope="session")
def server() -> Iterator[viser.ViserServer]:
    made = viser.ViserServer("127.0.0.1", 0, verbose=False)
    yield made
    made.stop()


@pytest.fixture
def robot() -> FakeRobot:
    return FakeRobot()


@pytest.fixture
def recorder(workspace: Workspace) -> FakeRecorder:
    return FakeRecorder(workspace.recordings)


@pytest.fixture
def tab(
    server: viser.ViserServer, workspace: Workspace, recorder: FakeRecorder, robot: FakeRobot
) -> Iterator[TeachTab]:
    server.gui.reset()
    made = TeachTab(server, workspace, recorder, robot, refusal, None, 0.0)
    yield made
    made.close()


def refusal(browser: int) -> str:
    return "" if browser == 1 else "browser 1 has control, you watch"


def record(tab: TeachTab, count: int) -> None:
    for _ in range(count):
        tab.press("Begin")
        tab.press("Success")


def test_an_episode_is_recorded_with_its_task_and_counted(
    tab: TeachTab, recorder: FakeRecorder
) -> None:
    record(tab, 2)
    assert recorder.task == "lift"
    assert "2 successful of 2 episodes" in tab.texts()
    assert "2 successful episodes" in tab.next_step


def test_an_error_of_the_recorder_is_shown(tab: TeachTab) -> None:
    tab.press("Begin")
    assert tab.press("Begin") == "episode 1 is running: end it first"
    assert "Not done: episode 1 is running" in tab.message


def test_a_browser_without_control_changes_nothing(tab: TeachTab, recorder: FakeRecorder) -> None:
    assert tab.press("Begin", browser=2) == "browser 1 has control, you watch"
    assert tab.message == "**Not done: browser 1 has control, you watch**"
    assert recorder.state == "waiting"
    tab.press("Begin", browser=1)
    assert recorder.state == "recording"


def test_a_browser_without_control_changes_no_input(
    tab: TeachTab, server: viser.ViserServer
) -> None:
    # Their numbers are 0 and 1.
    watching, controlling = (RawBrowser(server.get_port()) for _ in range(2))
    for kind, label, before, after in (
        ("Text", "Task", "lift", "other"),
        ("Number", "Steps", 20, 7),
        ("Number", "Episodes", 2, 3),
        ("Slider", "Time [s]", 0.0, 0.5),
        ("Checkbox", "Show robot", True, False),
    ):
        watching.change(kind, label, after)
        watching.wait_for(lambda m, value=before: m.get("updates") == {"value": value})
        controlling.change(kind, label, after)
        watching.wait_for(lambda m, value=after: m.get("updates") == {"value": value})
    for browser in (watching, controlling):
        browser.close()


def test_training_leaves_edits_of_the_settings_in_place(
    tab: TeachTab, workspace: Workspace
) -> None:
    path = workspace.folder / SETTINGS
    write_settings(path, replace(workspace.settings, batch_size=8, num_steps=1))
    tab.press("Train")
    written = read_settings(path)
    assert (written.batch_size, written.num_steps) == (8, 20)


def test_the_chosen_time_is_shown_with_images_and_positions(
    tab: TeachTab, robot: FakeRobot
) -> None:
    record(tab, 1)
    tab.review.choose(1)
    assert tuple(tab.review.images) == CAMERAS
    tab.review.show_at(1.0)
    assert robot.positions == pytest.approx(
        0.3 * np.sin(3 * 30 / 44 + 0.1) * np.array([1.0, 0.5, 0.05]), abs=0.01
    )
    assert int(tab.review.images["head"].image[0, 0, 0]) in (29, 30)
    tab.review.ghost.value = False
    tab.review.show_at(1.0)
    assert robot.positions is None


def test_episodes_are_labelled_trimmed_deleted_and_restored(
    tab: TeachTab, workspace: Workspace
) -> None:
    record(tab, 2)
    tab.review.choose(2)
    tab.press("Label failure")
    assert tab.review.episode.value == "2: failure, 1.5 s"
    tab.press("Delete")
    assert tab.review.episode.value == "2: failure, 1.5 s, discarded"
    tab.press("Undo")
    tab.press("Undo")
    assert tab.review.episode.value == "2: success, 1.5 s"
    tab.review.choose(1)
    tab.review.show_at(0.5)
    tab.press("Start here")
    tab.review.show_at(1.0)
    tab.press("End here")
    assert tab.review.episode.value == "1: success, 0.5 s, trimmed"
    assert len(list(workspace.recordings.glob("*.mcap"))) == 2


def test_without_an_episode_the_buttons_say_what_to_do(tab: TeachTab) -> None:
    assert tab.press("Delete") == "no episode is chosen: record one first"
    assert "expected at least 3" in tab.press("Train")
    assert "no training to continue" in tab.press("Continue training")
    assert "press Train first" in tab.press("Evaluate")
    assert "press Train first" in tab.press("Deploy")


def test_curves_and_the_result_of_an_evaluation_are_shown(
    tab: TeachTab, workspace: Workspace
) -> None:
    record(tab, 3)
    names = [path.name for path in sorted(workspace.recordings.glob("*.mcap"))]
    training = workspace.new_training(dict.fromkeys(names, 0.0))
    training.run.mkdir()
    (training.run / "log.csv").write_text("update,loss\n10,0.5\n20,0.4\n")
    training.outcomes.write_text(json.dumps([{"success": True}, {"success": False}]))
    tab.refresh()
    assert "1 of 2 episodes succeed (50 %" in tab.texts()
    assert "is not complete: press Continue training" in tab.next_step
