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
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from processes.robot import (
    CAMERA,
    CONFIG,
    PERIOD_S,
    SPEED_RAD_S,
    Robot,
    assert_within_limits,
    process,
    wait_until,
)
from std_msgs.msg import String
from toy_bundle import FEATURE_GAIN, write_toy_bundle

from dbp_ros.bundle.bundle import MANIFEST, sha256_of
from dbp_ros.hotswap.transfer.messages import PIECE_BYTES, WINDOW, Announcement
from dbp_ros.nodes.model_sender import ModelSender
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
        self.diagnosed: list[DiagnosticStatus] = []
        robot.create_subscription(String, "policy/model", self._hear, LATCHED)
        robot.create_subscription(DiagnosticArray, "/diagnostics", self._see, 10)

    def _see(self, message: DiagnosticArray) -> None:
        self.diagnosed += [status for status in message.status if status.name == "policy"]

    def wait_for_diagnosis(self, said: dict[str, Any]) -> None:
        """Wait until the diagnostics warn of what was said, with the reason."""

        def warned() -> bool:
            if not self.diagnosed:
                return False
            status = self.diagnosed[-1]
            values = {item.key: item.value for item in status.values}
            return (
                status.level == DiagnosticStatus.WARN
                and said["reason"] in status.message
                and values["model.phase"] == said["phase"]
                and values["model.candidate"] == said["candidate"]
                and values["model.candidate_reason"] == said["reason"]
                and values["model.sha256"] == said["sha256"]
            )

        wait_until(warned, f"a warning of {said}", lambda: str(self.diagnosed[-1:]))

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
    with process("policy_node", model=write("models", 1), inference_budget=10.0, **quick):
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


def change_manifest(folder: Path, **changes: Any) -> None:
    document = yaml.safe_load((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(yaml.safe_dump(document | changes))


def corrupt(folder: Path) -> None:
    head = bytearray((folder / "head.onnx").read_bytes())
    head[len(head) // 2] ^= 1
    (folder / "head.onnx").write_bytes(head)


def truncate(folder: Path) -> None:
    os.truncate(folder / "head.onnx", (folder / "head.onnx").stat().st_size // 2)


def turn_joints(folder: Path) -> None:
    change_manifest(folder, joints=list(CONFIG.joints)[::-1])


def stretch(folder: Path) -> None:
    change_manifest(
        folder, action={"meaning": "absolute_joint_position", "horizon": 9, "step_s": 1.0}
    )


DAMAGES: dict[str, tuple[dict[str, Any], Callable[[Path], None], str]] = {
    "corrupted": ({"metrics": {"corrupted": 1}}, corrupt, "head.onnx was changed or truncated"),
    "truncated": ({}, truncate, "head.onnx was changed or truncated"),
    "wrongly shaped": ({}, stretch, "(1, 9, 14)"),
    "for other joints": ({}, turn_joints, "is for the joints"),
    "giving wrong answers": ({"gain": 1.5}, lambda _: None, "away from its proof"),
    "giving no number": ({"gain": np.nan}, lambda _: None, "nan away from its proof"),
    "slow": ({"work": 3072}, lambda _: None, "its inference takes"),
}


def test_bad_models_are_refused_each_with_its_reason_and_the_robot_goes_on(
    robot: Robot, ear: Ear, write: Callable[..., Path], tmp_path: Path
) -> None:
    for damage, (changes, spoil, reason) in DAMAGES.items():
        new = write(damage, 2, **changes)
        spoil(new)
        shutil.copytree(new, tmp_path / "models" / "trembler", dirs_exist_ok=True)
        said = ear.wait_for(phase="refused", candidate=sha256_of(new / MANIFEST))
        print(damage, said["reason"])
        assert said["number"] == said["version"] == 1
        assert reason in said["reason"], damage
        ear.wait_for_diagnosis(said)
        assert_moves_on(robot)
    assert {said["version"] for said in ear.said} == {1}


def test_an_older_model_is_refused_where_it_is_announced_and_taken_from_a_hand(
    robot: Robot, ear: Ear, write: Callable[..., Path], tmp_path: Path
) -> None:
    write("models", 3)
    ear.wait_for(phase="active", version=3)
    older = write("learned", 2)
    for share_path in ("true", "false"):
        ear.said.clear()
        with process("model_sender", model=older, share_path=share_path):
            said = ear.wait_for(phase="refused", candidate=sha256_of(older / MANIFEST))
            assert "version 2 was announced, but version 3 decides" in said["reason"]
            ear.wait_for_diagnosis(said)
    assert_moves_on(robot)
    shutil.copytree(older, tmp_path / "models" / "trembler", dirs_exist_ok=True)
    assert ear.wait_for(phase="active", version=2)["number"] == 3
    assert_moves_on(robot)


def test_after_a_failed_model_a_restart_begins_with_the_one_that_worked(
    robot: Robot,
    guard: subprocess.Popen[str],
    write: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    heard, received = Ear(robot), tmp_path / "received"
    quick = {"shadow_decisions": 10, "inference_budget": 10.0, "received_models": received}
    model = write("models", 1)
    good = sha256_of(model / MANIFEST)
    with process("policy_node", model=model, **quick):
        wait_until(lambda: moves(robot), "the arms to move", lambda: str(robot.states))
        write("models", 2, nan_above=1.5 * NOISE_MEAN)
        heard.wait_for(phase="active", version=2)
        robot.brightness = 255
        heard.wait_for(phase="rolled_back")
        robot.brightness = None
    capsys.readouterr()
    heard.said.clear()
    with process("policy_node", model=model, **quick):
        failed = sha256_of(model / MANIFEST)
        said = heard.wait_for(phase="refused", candidate=failed, sha256=good, version=1, number=1)
        assert "not tried again: rolled back: the model's answer" in said["reason"]
        robot.wait_for_state("policy", "started with the last good model, toy version 1, kept")
        assert_moves_on(robot)
        write("models", 3)
        heard.wait_for(phase="active", version=3)
        assert_moves_on(robot)
        # Killed in the middle of a copy, and of its probation.
        truncate(model)
    assert "started with the last good model, toy version 1" in capsys.readouterr().out
    heard.said.clear()
    with process("policy_node", model=model, **quick):
        said = heard.wait_for(phase="refused", sha256=good, version=1)
        assert "head.onnx was changed or truncated" in said["reason"]
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
    ear.wait_for_diagnosis(said)
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


def test_across_twenty_swaps_between_models_that_turn_back_no_command_leaves_the_limits(
    robot: Robot, ear: Ear, tmp_path: Path
) -> None:
    sender = ModelSender(robot)
    for version in range(2, 22):
        speed_rad_s = SPEED_RAD_S if version % 2 else -SPEED_RAD_S
        points, history = (8, 1) if version % 3 else (5, 2)
        path = np.arange(1, points + 1)[:, None] * speed_rad_s / 30
        model = write_toy_bundle(
            tmp_path / str(version) / "trembler",
            version=version,
            graph_joints=CONFIG.joints,
            graph_cameras=(CAMERA,),
            ramp=path - FEATURE_GAIN * NOISE_MEAN,
            step_s=1 / 30,
            history=history,
        )
        sender.announce(model)
        assert ear.wait_for(phase="active", version=version)["number"] == version
        wait_until(
            lambda speed=speed_rad_s: abs(mean_speed(robot) - speed) < 0.5 * SPEED_RAD_S,
            f"version {version} to turn the arms at {speed_rad_s} rad/s",
            lambda: f"{mean_speed(robot)} {robot.states}",
        )
    assert {said["phase"] for said in ear.said}.isdisjoint({"refused", "rolled_back"})
    assert_within_limits(robot)


def mean_speed(robot: Robot) -> float:
    """Return the mean speed of the arms' joints over the last 20 commands, in [rad/s]."""
    last = np.array([command for _, command in robot.commands[-20:]])[:, ARMS]
    return float(np.diff(last, axis=0).mean()) / PERIOD_S


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
