"""`dbp bench mouse`: a demonstration by the mouse in a headless browser, and its use."""

import argparse
import io
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import PIL.Image
from playwright.sync_api import Page

from benchmarks.browser import ADDRESS, await_value, browser_page, close_notices, press, see
from benchmarks.teach.mouse import HandMouse
from benchmarks.teach.person import Person, Scene
from benchmarks.teach.run import processes_of
from dbp_ros.cli.teach import TeachVerbConfig, opened_workspace, teach_commands
from dbp_ros.data.formats import open_episodes
from dbp_ros.errors import DbpError
from dbp_ros.evaluation.running_stack import own_domain
from dbp_ros.files import require_folder
from dbp_ros.nodes.process import spinning
from dbp_ros.robots.check import urdf_of
from dbp_ros.robots.kinematics import Kinematics
from dbp_ros.settings.dual_ur5e import DEFAULT_ROBOT
from dbp_ros.settings.fields import Settings, setting
from dbp_ros.settings.flags import add_settings, settings_from
from dbp_ros.settings.robot_files import read_robot
from dbp_ros.settings.simulation import TaskName
from dbp_ros.sim.tasks.task import Waypoint
from dbp_ros.types import Array

TASK: TaskName = "lift"
ARM = "left"
# Small, as software rendering is slow.
SIZE = 960, 480
MAX_DRAGS, MAX_ATTEMPTS = 40, 3
LARGEST_YAW_RAD = 0.12
NUM_STEPS = 20
FILM_WIDTH, FRAME_MS = 720, 250


@dataclass(frozen=True)
class MouseConfig(Settings):
    """Flags of the benchmark."""

    out: Path = setting(Path("build/bench/mouse"), "folder of workspace, film and data set")
    real_time_factor: float = setting(
        1.0, "simulation time per wall time, below 1 on a busy machine", ge=0.05, le=1.0
    )


def register(parser: argparse.ArgumentParser) -> None:
    """Add the benchmark."""
    parser.description = (
        "Drive one demonstration by the mouse in a headless Chromium: start the stack of dbp "
        "teach, take over, drag the handles of a hand until the cube is lifted, and label the "
        "episode on the page. Then export the recording, read it back and train on it. Writes a "
        "film of the page."
    )
    add_settings(parser, MouseConfig)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Drive, label, export and train.

    Raises:
        DbpError: If a step fails.
    """
    config: MouseConfig = settings_from(MouseConfig, arguments)
    out, factor = config.out, config.real_time_factor
    require_folder(out)
    verb = TeachVerbConfig(folder=out / "workspace", task=TASK)
    workspace = opened_workspace(verb)
    log = out / "stack.log"
    with ExitStack() as resources:
        resources.enter_context(own_domain())
        resources.enter_context(processes_of(teach_commands(verb, workspace, factor), log))
        person = resources.enter_context(spinning(partial(Person, factor)))
        resources.callback(person.link.close)
        page = resources.enter_context(browser_page(SIZE))
        page.goto(await_value(lambda: ADDRESS.search(log.read_text()), "the address")[1])
        film = Film(page)
        drags = demonstration(page, person, film)
        film.write(out / "teach.gif")
        label_on_page(page, person)
        page.screenshot(path=out / "teach_tab.png")
    print(f"the cube is lifted after {drags} drags, and the episode is labelled on the page")
    use_recording(workspace.recordings, out)
    return 0


def demonstration(page: Page, person: Person, film: "Film") -> int:
    """Take over and drag until the cube is lifted; return the number of drags.

    Raises:
        DbpError: If no attempt succeeds.
    """
    see(page, "HOLDING")
    page.get_by_text("Drive", exact=True).click()
    press(page, "Take over")
    await_value(lambda: page.get_by_text("drives the arms").count(), "the take-over")
    hand = LeftHand(person)
    for _ in range(MAX_ATTEMPTS):
        hand.find_scene()
        page.get_by_text("Teach", exact=True).click()
        press(page, "Begin")
        await_value(person.is_recording, "the recording")
        page.get_by_text("Drive", exact=True).click()
        close_notices(page)
        drags = lift(page, person, hand, film)
        if drags is not None:
            return drags
        page.get_by_text("Teach", exact=True).click()
        press(page, "Discard")
        await_value(lambda: not person.is_recording(), "the end of the recording")
    raise DbpError(f"the cube is not lifted in {MAX_ATTEMPTS} attempts")


def lift(page: Page, person: Person, hand: "LeftHand", film: "Film") -> int | None:
    """Drag the hand until the task is solved; return the number of drags, None without success."""
    mouse, closed = HandMouse(page), False
    for drag in range(MAX_DRAGS):
        film.take()
        if person.solved:
            return drag
        waypoint = hand.waypoint()
        if (waypoint.opening_m == 0.0) != closed:
            closed = not closed
            set_gripper(page, closed)
        mouse.approach(hand.pose(), waypoint.position)
    return None


class LeftHand:
    """Left hand of the cell, and where an expert would move it."""

    def __init__(self, person: Person) -> None:
        """Read its poses from the joint states of a person."""
        robot = read_robot(DEFAULT_ROBOT)
        self._person, self._scene = person, Scene(TASK, ARM)
        tips = [robot.arms[ARM].tip]
        self._kinematics = Kinematics(urdf_of(DEFAULT_ROBOT), robot.joints, tips)

    def find_scene(self) -> None:
        """Reset the cell until the fingers are parallel to the cube: the arrows do not turn it."""
        while True:
            self._person.new_scene()
            self._scene.reset(self._person.seed)
            turn = self.pose()[:3, :3].T @ self.waypoint().rotation
            if abs(np.arctan2(turn[1, 0], turn[0, 0])) < LARGEST_YAW_RAD:
                return

    def pose(self) -> Array:
        """Return the measured pose. Shape (4, 4)."""
        pose: Array = self._kinematics.poses(self._person.positions)[0]
        return pose

    def waypoint(self) -> Waypoint:
        """Return the next waypoint."""
        return self._scene.waypoint(self._person.positions)


def set_gripper(page: Page, closed: bool) -> None:
    """Open or close the gripper by its slider and the keyboard."""
    page.locator(".mantine-Slider-thumb:visible").first.focus()
    page.keyboard.press("Home" if closed else "End")
    time.sleep(1.5)


def label_on_page(page: Page, person: Person) -> None:
    """End the episode with success, by the button of the page."""
    page.get_by_text("Teach", exact=True).click()
    press(page, "Success")
    await_value(lambda: not person.is_recording(), "the end of the recording")
    await_value(lambda: page.get_by_text("1 successful of").count(), "the episode on the page")


def use_recording(recordings: Path, out: Path) -> None:
    """Export the recording, read the label back from the exported data set, and train on it.

    Raises:
        DbpError: If a step fails.
    """
    exported, trained = out / "lerobot", out / "train"
    dbp("episodes", "export", recordings, "--out", exported, "--to", "lerobot")
    outcomes = [open_episodes(path).read(0).outcome for path in (recordings, exported)]
    print(f"outcome in the recording: {outcomes[0]}, in the exported data set: {outcomes[1]}")
    if outcomes != ["success", "success"]:
        raise DbpError("the label of the page is not in the data")
    # One arm rests.
    flags = ("--num-steps", NUM_STEPS, "--validation-fraction", 0, "--allow-constant-actions")
    dbp("train", "--data", recordings, "--out", trained, *flags)
    print(f"trained {NUM_STEPS} steps on it: {trained}")


def dbp(*words: object) -> None:
    """Run a command of the package."""
    subprocess.run([sys.executable, "-m", "dbp_ros.cli", *map(str, words)], check=True)


class Film:
    """Images of a page, as an animation."""

    def __init__(self, page: Page) -> None:
        """Film a page."""
        self._page = page
        self._images: list[PIL.Image.Image] = []

    def take(self) -> None:
        """Take an image."""
        image = PIL.Image.open(io.BytesIO(self._page.screenshot()))
        size = FILM_WIDTH, round(FILM_WIDTH * image.height / image.width)
        self._images.append(image.convert("RGB").resize(size))

    def write(self, path: Path) -> None:
        """Write the animation."""
        first, *others = (image.quantize(64) for image in self._images)
        first.save(path, save_all=True, append_images=others, duration=FRAME_MS, loop=0)
