"""Model swap, refusal and rollback while the robot moves: real processes over DDS."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from processes.fake_robot import (
    CAMERA,
    CONFIG,
    PERIOD_S,
    SPEED_RAD_S,
    FakeRobot,
    assert_within_limits,
    process,
    wait_until,
)
from processes.swap_listener import ARMS, NOISE_MEAN, SwapListener, assert_moves_on, moves
from toy_bundle import FEATURE_GAIN, write_toy_bundle

from dbp_ros.bundle.bundle import sha256_of
from dbp_ros.bundle.manifest import MANIFEST
from dbp_ros.nodes.model_sender import ModelSender


def test_a_model_copied_into_the_folder_is_swapped_in_while_the_arms_move(
    robot: FakeRobot, swaps: SwapListener, write_model: Callable[..., Path], tmp_path: Path
) -> None:
    new = write_model("new", 2)
    # Decisions refused before the first images do not count.
    assert robot.call_service("policy/clear_statistics")[0]
    shutil.copytree(new, tmp_path / "models" / "oscillator", dirs_exist_ok=True)
    status = swaps.wait_for(phase="active")
    assert (status["number"], status["version"]) == (2, 2)
    assert status["sha256"] == status["candidate"] == sha256_of(new / MANIFEST)
    assert_moves_on(robot)
    statistics = json.loads(robot.call_service("policy/statistics")[1])
    assert statistics["model"]["number"] == 2
    assert statistics["refused_decisions"] < statistics["decisions"]


def test_an_incomplete_copy_is_refused_and_the_complete_one_swapped_in(
    robot: FakeRobot, swaps: SwapListener, write_model: Callable[..., Path], tmp_path: Path
) -> None:
    new, folder = write_model("new", 2, gain=1.0, history=2), tmp_path / "models" / "oscillator"
    shutil.copy(new / MANIFEST, folder)
    assert "was changed or truncated" in swaps.wait_for(phase="refused")["reason"]
    assert_moves_on(robot)
    shutil.copytree(new, folder, dirs_exist_ok=True)
    assert swaps.wait_for(phase="active")["version"] == 2
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
    "giving wrong answers": ({"gain": 1.5}, lambda _: None, "differ from its golden cases"),
    "giving no number": ({"gain": np.nan}, lambda _: None, "golden cases by nan"),
    "slow": ({"work": 3072}, lambda _: None, "its inference takes"),
}


def test_invalid_models_are_refused_with_a_reason_and_the_robot_continues(
    robot: FakeRobot, swaps: SwapListener, write_model: Callable[..., Path], tmp_path: Path
) -> None:
    for damage, (changes, spoil, reason) in DAMAGES.items():
        new = write_model(damage, 2, **changes)
        spoil(new)
        shutil.copytree(new, tmp_path / "models" / "oscillator", dirs_exist_ok=True)
        status = swaps.wait_for(phase="refused", candidate=sha256_of(new / MANIFEST))
        print(damage, status["reason"])
        assert status["number"] == status["version"] == 1
        assert reason in status["reason"], damage
        swaps.wait_for_warning(status)
        assert_moves_on(robot)
    assert {status["version"] for status in swaps.statuses} == {1}


def test_an_older_model_is_refused_if_announced_and_accepted_in_the_folder(
    robot: FakeRobot, swaps: SwapListener, write_model: Callable[..., Path], tmp_path: Path
) -> None:
    write_model("models", 3)
    swaps.wait_for(phase="active", version=3)
    older = write_model("learned", 2)
    for share_path in ("true", "false"):
        swaps.statuses.clear()
        with process("model_sender", model=older, share_path=share_path):
            status = swaps.wait_for(phase="refused", candidate=sha256_of(older / MANIFEST))
            assert "version 2 was announced, but version 3 is active" in status["reason"]
            swaps.wait_for_warning(status)
    assert_moves_on(robot)
    shutil.copytree(older, tmp_path / "models" / "oscillator", dirs_exist_ok=True)
    assert swaps.wait_for(phase="active", version=2)["number"] == 3
    assert_moves_on(robot)


def test_a_restart_after_a_failed_model_uses_the_last_good_one(
    robot: FakeRobot,
    guard: subprocess.Popen[str],
    write_model: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    swaps, received = SwapListener(robot), tmp_path / "received"
    quick = {"shadow_decisions": 10, "inference_budget": 10.0, "received_models": received}
    model = write_model("models", 1)
    good = sha256_of(model / MANIFEST)
    with process("policy_node", model=model, **quick):
        wait_until(lambda: moves(robot), "the arms to move", lambda: str(robot.states))
        write_model("models", 2, nan_above=1.5 * NOISE_MEAN)
        swaps.wait_for(phase="active", version=2)
        robot.brightness = 255
        swaps.wait_for(phase="rolled_back")
        robot.brightness = None
    capsys.readouterr()
    swaps.statuses.clear()
    with process("policy_node", model=model, **quick):
        failed = sha256_of(model / MANIFEST)
        status = swaps.wait_for(phase="refused", candidate=failed, sha256=good, version=1, number=1)
        assert "not tried again: rolled back: the model's output" in status["reason"]
        robot.wait_for_state("policy", "started with the last good model, toy version 1, stored")
        assert_moves_on(robot)
        write_model("models", 3)
        swaps.wait_for(phase="active", version=3)
        assert_moves_on(robot)
        # Killed in the middle of a copy, and of its probation.
        truncate(model)
    assert "started with the last good model, toy version 1" in capsys.readouterr().out
    swaps.statuses.clear()
    with process("policy_node", model=model, **quick):
        status = swaps.wait_for(phase="refused", sha256=good, version=1)
        assert "head.onnx was changed or truncated" in status["reason"]
        assert_moves_on(robot)


def test_a_model_with_nan_outputs_is_rolled_back_and_the_arms_continue(
    robot: FakeRobot, swaps: SwapListener, write_model: Callable[..., Path]
) -> None:
    write_model("models", 2, nan_above=1.5 * NOISE_MEAN)
    swaps.wait_for(phase="active", version=2)
    robot.brightness = 255
    status = swaps.wait_for(phase="rolled_back")
    assert (status["number"], status["version"]) == (1, 1)
    assert status["reason"] == "the model's output is not finite"
    swaps.wait_for_warning(status)
    robot.brightness = None
    assert_moves_on(robot)
    write_model("models", 3)
    assert swaps.wait_for(phase="active", version=3)["number"] == 3


def test_an_operator_requests_a_rollback(
    robot: FakeRobot, swaps: SwapListener, write_model: Callable[..., Path]
) -> None:
    rolled_back, why = robot.call_service("policy/rollback")
    assert not rolled_back
    assert "no previous model" in why
    write_model("models", 2)
    swaps.wait_for(phase="active", version=2)
    assert robot.call_service("policy/rollback") == (True, "")
    assert swaps.wait_for(phase="rolled_back")["version"] == 1
    assert_moves_on(robot)


def test_commands_stay_within_the_limits_over_twenty_swaps(
    robot: FakeRobot, swaps: SwapListener, tmp_path: Path
) -> None:
    sender = ModelSender(robot)
    for version in range(2, 22):
        speed_rad_s = SPEED_RAD_S if version % 2 else -SPEED_RAD_S
        points, history = (8, 1) if version % 3 else (5, 2)
        path = np.arange(1, points + 1)[:, None] * speed_rad_s / 30
        model = write_toy_bundle(
            tmp_path / str(version) / "oscillator",
            version=version,
            graph_joints=CONFIG.joints,
            graph_cameras=(CAMERA,),
            ramp=path - FEATURE_GAIN * NOISE_MEAN,
            step_s=1 / 30,
            history=history,
        )
        sender.announce(model)
        assert swaps.wait_for(phase="active", version=version)["number"] == version
        wait_until(
            lambda speed=speed_rad_s: abs(mean_speed(robot) - speed) < 0.5 * SPEED_RAD_S,
            f"version {version} to turn the arms at {speed_rad_s} rad/s",
            lambda: f"{mean_speed(robot)} {robot.states}",
        )
    assert {status["phase"] for status in swaps.statuses}.isdisjoint({"refused", "rolled_back"})
    assert_within_limits(robot)


def mean_speed(robot: FakeRobot) -> float:
    """Return the mean speed of the arms' joints over the last 20 commands, in [rad/s]."""
    last = np.array([command for _, command in robot.commands[-20:]])[:, ARMS]
    return float(np.diff(last, axis=0).mean()) / PERIOD_S
