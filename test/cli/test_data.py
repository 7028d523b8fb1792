"""`dbp data show`: description of a data set."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from dbp_ros.cli.main import main
from dbp_ros.data.episode import Episode, episode_path, write_episode

STEPS = 20
JOINTS = (*(f"fr3_joint{number}" for number in range(1, 8)), "fr3_finger_joint1")


def wave(width: int, seed: int, scale: float = 1.0) -> np.ndarray:
    phases = np.random.default_rng(seed).uniform(0, 6, width)
    return scale * np.sin(np.linspace(0, 6, STEPS)[:, None] + phases).astype(np.float32)


def shown(capsys: pytest.CaptureFixture[str], path: Path, *flags: str) -> str:
    assert main(["data", "show", str(path), *flags]) == 0
    return capsys.readouterr().out


def record(folder: Path, scale: float, count: int = 4, **changes: object) -> Path:
    """Write recordings of an arm with a gripper, whose actions are one step ahead."""
    for index in range(count):
        values = {
            "task": "pour",
            "seed": -1,
            "mode": "",
            "outcome": "success",
            "termination_reason": "operator",
            "state_names": JOINTS,
            "action_names": JOINTS,
            "step_s": 0.05,
            "states": wave(8, index, scale),
            "actions": np.roll(wave(8, index, scale), -1, axis=0),
            "rewards": np.zeros(STEPS, np.float32),
            "stamps_ns": np.arange(STEPS) * 50_000_000,
            **changes,
        }
        write_episode(episode_path(folder, index), Episode(**values))
    return folder


@pytest.fixture
def demonstrations(tmp_path: Path) -> Path:
    path = tmp_path / "demo.hdf5"
    with h5py.File(path, "w") as file:
        for index in range(3):
            demo = file.create_group(f"data/demo_{index}")
            demo["actions"] = wave(4, index)
            demo["obs/robot0_eef_pos"] = wave(3, index)
            demo["obs/robot0_joint_pos"] = wave(7, index, 2.0)
            demo["obs/agentview_image"] = np.zeros((STEPS, 8, 10, 3), np.uint8)
            demo["obs/wrist_image"] = np.full((STEPS, 8, 10, 3), 90, np.uint8)
    return path


def test_every_key_is_shown_with_its_role_shape_and_range(
    demonstrations: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown(capsys, demonstrations)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "episodes: 3, 3 s in total" in lines
    assert "steps of an episode: 20 to 20, median 20" in lines
    assert "rate: 20 Hz, steps of 0.05 s" in lines
    assert any(line.startswith("rate: 20 Hz is assumed") for line in lines)
    assert "state: 3 columns, read as float32" in lines
    assert "action: 4 columns, read as float32" in lines
    assert "wrist_image 8 x 10 x 3 90 to 90" in lines
    assert any(line.startswith("robot0_joint_pos 7 -") for line in lines)
    assert lines[-1] == f"dbp train --data {demonstrations} --out build/train/demo"


def test_arrays_without_numbers_are_shown_as_not_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty, notes = np.zeros((STEPS, 0)), np.array([b"a"] * STEPS)
    np.savez(tmp_path / "0.npz", state=wave(4, 0), action=wave(4, 1), empty=empty, notes=notes)
    text = shown(capsys, tmp_path, "--step-s", "0.05")
    _, _, after = text.partition("not read; ")
    assert after.splitlines()[1:3] == ["  empty  0", "  notes  1"]


def test_black_and_frozen_cameras_are_problems(
    demonstrations: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown(capsys, demonstrations)
    others = "also in demo_1, demo_2"
    assert f"- agentview_image of demo_0 at 0.00 s: 20 of 20 images are black; {others}" in text
    frozen = "the same image is repeated while joints move"
    assert f"- wrist_image of demo_0 at 0.00 s: {frozen}; {others}" in text


def test_a_selection_changes_what_is_read(
    demonstrations: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown(capsys, demonstrations, "--state", "robot0_joint_pos", "--images")
    assert "state: 7 columns" in text
    assert text.splitlines()[-1] == (
        f"dbp train --data {demonstrations} --state robot0_joint_pos --images "
        "--out build/train/demo"
    )


def test_the_command_line_has_the_units_that_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown(capsys, record(tmp_path / "arm", 57.3))
    assert "may be degrees or normalised to -100 to 100" in text
    assumption, command_line = text.splitlines()[-2:]
    assert assumption.startswith("check before training: this assumes --units deg, and the values")
    command = command_line.split()
    assert command[4:8] == ["--units", "deg", "--gripper-units", "deg"]
    assert "as recorded: no policy node" not in text
    found = json.loads(shown(capsys, tmp_path / "arm", *command[4:8], "--json"))
    assert found["problems"] == []
    assert found["assumption"] == ""
    assert {column["unit"] for column in found["columns"]} == {"rad"}
    assert max(column["high"] for column in found["columns"]) == pytest.approx(1.0, abs=0.01)


def test_given_units_are_kept_in_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown(capsys, record(tmp_path / "arm", 0.5), "--units", "deg")
    assert "--gripper-units rad, and the values may also be normalised to -1 to 1" in text
    assert text.splitlines()[-1].split()[4:8] == ["--units", "deg", "--gripper-units", "rad"]


def test_ticks_have_no_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, record(tmp_path / "arm", 2000.0))
    assert text.splitlines()[-1] == "no command line fits: map the joints with --robot"


def test_gaps_copied_states_and_constant_columns_are_problems(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stamps_ns = np.arange(STEPS) * 50_000_000
    stamps_ns[9:] += 400_000_000
    still = wave(8, 0)
    still[:, 2] = 0.5
    data = record(tmp_path / "arm", 1.0, stamps_ns=stamps_ns, states=still, actions=still)
    text = shown(capsys, data)
    assert "- stamps of episode_000000.npz at 0.40 s: the clock steps forward" in text
    assert "; also in episode_000001.npz, episode_000002.npz, episode_000003.npz" in text
    assert "- constant columns of the action: fr3_joint3" in text
    assert "- every action equals the state of its row" in text
    assert "--allow-constant-actions" in text.splitlines()[-1]


def test_an_unreadable_episode_and_an_unlike_length_are_problems(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = record(tmp_path / "arm", 1.0)
    file = episode_path(data, 1)
    file.write_bytes(file.read_bytes()[:200])
    long = 5 * STEPS
    values = np.tile(wave(8, 3), (5, 1))
    write_episode(
        episode_path(data, 3),
        Episode(
            task="pour",
            seed=-1,
            mode="",
            outcome="success",
            termination_reason="operator",
            state_names=JOINTS,
            action_names=JOINTS,
            step_s=0.05,
            states=values,
            actions=values,
            rewards=np.zeros(long, np.float32),
            stamps_ns=np.arange(long) * 50_000_000,
        ),
    )
    text = shown(capsys, data)
    assert "episode_000001.npz is not a complete episode" in text
    assert "- episode_000003.npz has 100 steps, the median is 20" in text
    assert text.splitlines()[-1] == (
        "no command line: 1 of 4 episodes cannot be read, see the problems"
    )


def test_a_large_set_is_sampled_and_the_text_states_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown(capsys, record(tmp_path / "arm", 1.0, count=9), "--sample", "3")
    assert "episodes: 9, about 9 s in total" in text
    assert "median 20, from 3 episodes that were read" in text


def test_a_set_that_cannot_be_opened_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "show", str(tmp_path / "gone")]) == 1
    assert "does not exist" in capsys.readouterr().err


def test_episodes_with_other_columns_or_without_steps_are_problems(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = record(tmp_path / "arm", 1.0)
    renamed = (*JOINTS[:-1], "fr3_finger_joint2")
    record(tmp_path / "other", 1.0, state_names=renamed, action_names=renamed)
    episode_path(data, 1).write_bytes(episode_path(tmp_path / "other", 1).read_bytes())
    none = {"states": np.zeros((0, 8), np.float32), "actions": np.zeros((0, 8), np.float32)}
    none |= {"rewards": np.zeros(0, np.float32), "stamps_ns": np.zeros(0, np.int64)}
    record(tmp_path / "empty", 1.0, **none)
    episode_path(data, 2).write_bytes(episode_path(tmp_path / "empty", 2).read_bytes())
    text = shown(capsys, data)
    difference = "without fr3_finger_joint1 and with fr3_finger_joint2, unlike episode_000000.npz"
    assert f"- episode_000001.npz: action {difference}" in text
    assert "- episode_000002.npz has no steps" in text


def test_a_stride_is_in_the_command_line_and_changes_no_count(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown(capsys, record(tmp_path / "arm", 1.0), "--units", "rad", "--stride", "2")
    assert "episodes: 4, 4 s in total" in text
    assert "--stride 2" in text.splitlines()[-1]
