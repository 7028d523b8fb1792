"""Models are swapped, refused and rolled back under a robot that moves: real processes and DDS."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from processes.robot import (
    CAMERA,
    CONFIG,
    Robot,
    assert_within_limits,
    process,
    wait_until,
)
from std_msgs.msg import String
from toy_bundle import FEATURE_GAIN, write_toy_bundle

from dbp_ros.bundle import MANIFEST, sha256_of
from dbp_ros.delivery.notes import PIECE_BYTES, WINDOW, Announcement
from dbp_ros.nodes.qos import LATCHED, PIECES

NOISE_MEAN = 127.5
ARMS = ["gripper" not in joint for joint in CONFIG.joints]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a version of a model that trembles: it moves for ever and stays about in place."""

    def trembler(folder: str, version: int, **changes: Any) -> Path:
        return write_toy_bundle(
            tmp_path / folder / "trembler",
            version=version,
            graph_joints=CONFIG.joints,
            graph_cameras=(CAMERA,),
            ramp=np.full((8, 1), -FEATURE_GAIN * NOISE_MEAN),
            step_s=1 / 30,
            **changes,
        )

    return trembler


class Ear:
    """Hears what the policy says about its models."""

    def __init__(self, robot: Robot) -> None:
        self.said: list[dict[str, Any]] = []
        robot.create_subscription(String, "policy/model", self._hear, LATCHED)

    def _hear(self, message: String) -> None:
        self.said.append(json.loads(message.data))

    def wait_for(self, **wanted: Any) -> dict[str, Any]:
        """Wait until something was said, however long ago, and return it."""

        def found() -> list[dict[str, Any]]:
            return [said for said in self.said if wanted.items() <= said.items()]

        wait_until(lambda: bool(found()), str(wanted), lambda: str(self.said[-3:]))
        return found()[0]


@pytest.fixture
def ear(
    robot: Robot, guard: subprocess.Popen[str], write: Callable[..., Path], tmp_path: Path
) -> Iterator[Ear]:
    """A policy that moves the arms by version 1 and is quick to swap; what it says."""
    heard = Ear(robot)
    quick = {"shadow_decisions": 10, "received_models": tmp_path / "received"}
    with process("policy_node", model=write("models", 1), inference_budget=100.0, **quick):
        wait_until(lambda: moves(robot), "the arms to move", lambda: str(robot.states))
        yield heard


def moves(robot: Robot) -> bool:
    """Whether every joint of both arms moved in the last twenty commands."""
    last = np.array([command for _, command in robot.commands[-20:]])
    return len(last) == 20 and bool(np.ptp(last, axis=0)[ARMS].all())


def assert_moves_on(robot: Robot) -> None:
    count = len(robot.commands)
    wait_until(
        lambda: len(robot.commands) > count + 50 and moves(robot),
        "the arms to move on",
        lambda: str(robot.states),
    )
    assert_within_limits(robot)


def test_a_model_put_into_the_folder_is_swapped_in_while_the_arms_move(
    robot: Robot, ear: Ear, write: Callable[..., Path], tmp_path: Path
) -> None:
    new = write("new", 2)
    # What it refused before the first pictures came says nothing of the swap.
    assert robot.ask("policy/clear_statistics")[0]
    shutil.copytree(new, tmp_path / "models" / "trembler", dirs_exist_ok=True)
    said = ear.wait_for(phase="active")
    assert (said["number"], said["version"]) == (2, 2)
    assert said["sha256"] == said["candidate"] == sha256_of(new / MANIFEST)
    assert_moves_on(robot)
    statistics = json.loads(robot.ask("policy/statistics")[1])
    assert statistics["model"]["number"] == 2
    assert statistics["refused_decisions"] < statistics["decisions"]


def test_a_copy_in_the_making_waits_and_is_taken_when_it_is_whole(
    robot: Robot, ear: Ear, write: Callable[..., Path], tmp_path: Path
) -> None:
    new, folder = write("new", 2, gain=1.0, history=2), tmp_path / "models" / "trembler"
    shutil.copy(new / MANIFEST, folder)
    assert "was changed or truncated" in ear.wait_for(phase="refused")["reason"]
    assert_moves_on(robot)
    shutil.copytree(new, folder, dirs_exist_ok=True)
    assert ear.wait_for(phase="active")["version"] == 2
    assert_moves_on(robot)


@pytest.mark.parametrize("damage", ["wrong answers", "other joints"])
def test_a_bad_model_is_refused_and_the_robot_goes_on(
    robot: Robot, ear: Ear, write: Callable[..., Path], tmp_path: Path, damage: str
) -> None:
    folder = tmp_path / "models" / "trembler"
    if damage == "wrong answers":
        write("models", 2, gain=1.5)
    else:
        document = yaml.safe_load((folder / MANIFEST).read_text())
        document["joints"].reverse()
        (folder / MANIFEST).write_text(yaml.safe_dump(document))
    said = ear.wait_for(phase="refused", candidate=sha256_of(folder / MANIFEST))
    assert said["number"] == said["version"] == 1
    assert ("proof" if damage == "wrong answers" else "joints") in said["reason"]
    assert_moves_on(robot)


def test_a_model_that_turns_nan_is_rolled_back_and_the_arms_move_on(
    robot: Robot, ear: Ear, write: Callable[..., Path]
) -> None:
    write("models", 2, nan_above=1.5 * NOISE_MEAN)
    ear.wait_for(phase="active", version=2)
    robot.brightness = 255
    said = ear.wait_for(phase="rolled_back")
    assert (said["number"], said["version"]) == (1, 1)
    assert said["reason"] == "the model's answer is not finite"
    robot.brightness = None
    assert_moves_on(robot)
    write("models", 3)
    assert ear.wait_for(phase="active", version=3)["number"] == 3


def test_an_operator_rolls_back(robot: Robot, ear: Ear, write: Callable[..., Path]) -> None:
    rolled_back, why = robot.ask("policy/rollback")
    assert not rolled_back
    assert "no model decided before" in why
    write("models", 2)
    ear.wait_for(phase="active", version=2)
    assert robot.ask("policy/rollback") == (True, "")
    assert ear.wait_for(phase="rolled_back")["version"] == 1
    assert_moves_on(robot)


def test_an_announced_model_on_this_machine_is_read_where_it_is(
    robot: Robot, ear: Ear, write: Callable[..., Path], tmp_path: Path
) -> None:
    with process("model_sender", model=write("learned", 2)):
        ear.wait_for(phase="active", version=2)
    assert not (tmp_path / "received").exists()
    assert_moves_on(robot)


def heavy(directory: Path, windows: int) -> Path:
    """Make a bundle so large that it takes many windows to send."""
    document = yaml.safe_load((directory / MANIFEST).read_text())
    (directory / "ballast.bin").write_bytes(os.urandom(windows * WINDOW * PIECE_BYTES))
    document["files"]["ballast.bin"] = sha256_of(directory / "ballast.bin")
    (directory / MANIFEST).write_text(yaml.safe_dump(document))
    return directory


def test_a_sender_killed_in_the_middle_changes_nothing_and_a_new_one_completes_the_push(
    robot: Robot, ear: Ear, write: Callable[..., Path], tmp_path: Path
) -> None:
    new = heavy(write("learned", 2), windows=60)
    received = tmp_path / "received"

    def arrived() -> int:
        return sum(path.stat().st_size for path in received.rglob("*.bin"))

    with process("model_sender", model=new, share_path="false") as sender:
        wait_until(lambda: arrived() > 5 * WINDOW * PIECE_BYTES, "some pieces to arrive")
        sender.send_signal(signal.SIGKILL)
        sender.wait()
    half = arrived()
    assert half < (new / "ballast.bin").stat().st_size
    assert_moves_on(robot)
    assert {said["version"] for said in ear.said} == {1}
    with process("model_sender", model=new, share_path="false"):
        said = ear.wait_for(phase="active", version=2)
    assert_moves_on(robot)
    (folder,) = received.iterdir()
    assert said["sha256"].startswith(folder.name)
    assert {path.name for path in folder.iterdir()} == {path.name for path in new.iterdir()}


def test_nonsense_on_the_topics_of_the_push_changes_nothing(
    robot: Robot, ear: Ear, tmp_path: Path
) -> None:
    news = robot.create_publisher(String, "model_announcement", LATCHED)
    requests = robot.create_publisher(String, "model_request", PIECES)
    wait_until(lambda: news.get_subscription_count() > 0, "the policy to listen")
    absent = Announcement("trembler", "a" * 64, 1000, "/nowhere", 1, "nobody")
    for text in ("", "{", "[]", absent.to_json(), absent.to_json().replace("a" * 64, "../evil")):
        news.publish(String(data=text))
        requests.publish(String(data=text))
        time.sleep(0.1)
    ear.wait_for(phase="receiving", candidate="a" * 64)
    assert_moves_on(robot)
    assert {said["number"] for said in ear.said} == {1}
