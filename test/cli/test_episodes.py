"""`dbp episodes` from its command line to its files, output and exit status."""

import json
import os
import shlex
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from toy_episodes import episode

from dbp_ros.cli.main import main
from dbp_ros.data.episode import Episode, episode_path, write_episode
from dbp_ros.data.formats import open_episodes
from dbp_ros.data.labels import EpisodeLabel, read_labels

STEPS, STEP_S = 60, 0.1
NAMES = tuple(f"episode_{index:06d}.npz" for index in range(4))


def following(seed: int) -> Episode:
    """Return an episode without a fault, whose state follows the action by one step."""
    rng = np.random.default_rng(seed)
    times_s = STEP_S * np.arange(STEPS + 1)[:, None]
    path = np.array([0.5, 0.4, 0.03]) * np.sin([0.9, 1.3, 1.1] * times_s + rng.uniform(0, 6, 3))
    return episode(
        seed,
        STEPS,
        step_s=STEP_S,
        states=path[:-1].astype(np.float32),
        actions=path[1:].astype(np.float32),
        stamps_ns=np.rint(1e9 * STEP_S * np.arange(STEPS)).astype(np.int64),
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for index in range(4):
        write_episode(episode_path(tmp_path / "set", index), following(index))
    return tmp_path / "set"


def dbp(*words: object) -> int:
    return main(["episodes", *map(str, words)])


def error_of(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """Run a command that must be refused with one sentence, and return it."""
    assert dbp(*words) == 1
    [line] = capsys.readouterr().err.splitlines()
    return line


def test_list_prints_a_row_per_episode_and_the_totals(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dbp("label", data, "1", "--discard")
    dbp("label", data, "2", "--outcome", "failure")
    capsys.readouterr()
    assert dbp("list", data) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in NAMES)
    assert "success, discarded" in printed
    assert "3 episodes, 1 failure, 2 success, 1 discarded; 180 steps, 18.0 s" in printed
    assert "cameras: head 32 x 24, wrist 32 x 24" in printed


def test_units_reach_list_check_and_show(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for index in range(4):
        # The states of joints that barely move in degrees do not follow their actions.
        still = following(index)
        states = np.roll(still.states, 25, axis=0)
        write_episode(episode_path(data, index), replace(still, states=states))
    assert dbp("check", data, "--units", "rad") == 1
    assert "the state does not follow the action" in capsys.readouterr().out
    dbp("check", data, "--units", "deg", "--gripper-units", "mm")
    assert "the state does not follow the action" not in capsys.readouterr().out
    assert dbp("list", data, "--units", "deg") == 0
    assert dbp("show", data, "0", "--units", "deg", "--out", tmp_path / "sheet.png") == 0
    assert (tmp_path / "sheet.png").is_file()
    capsys.readouterr()
    for verb in ("list", "check", "show"):
        assert "give units in the data section" in error_of(
            capsys, verb, data, "--robot", "ur5e_dual", "--units", "deg"
        )
    assert dbp("list", data, "--robot", "ur5e_dual") == 1
    assert "no state 'left_shoulder_pan_joint'" in capsys.readouterr().out.replace("\n", " ")


def test_list_prints_json(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dbp("list", data, "--json", "--images") == 0
    listing = json.loads(capsys.readouterr().out)
    assert [one["episode"] for one in listing["episodes"]] == list(NAMES)
    assert listing["episodes"][0]["cameras"] == {"head": [24, 32], "wrist": [24, 32]}


def test_list_fails_with_an_unreadable_episode(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    episode_path(data, 3).write_bytes(b"damaged")
    assert dbp("list", data) == 1
    assert "unreadable: " in capsys.readouterr().out


def test_check_of_a_clean_set_succeeds(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dbp("check", data) == 0
    printed = capsys.readouterr().out
    assert "no faults found" in printed
    assert "the state follows the action after 100 ms" in printed


def test_check_prints_a_fault_with_episode_value_time_and_fix(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = following(2)
    images = one.images["head"].copy()
    images[20:40] = images[20]
    write_episode(episode_path(data, 2), replace(one, images={**one.images, "head": images}))
    assert dbp("check", data) == 1
    printed = capsys.readouterr().out
    assert "ERROR  head of episode_000002.npz at 2.00 s (1.90 s): the same image" in printed
    assert "do: check cable and driver of the camera" in printed
    assert dbp("check", data, "--json") == 1
    report = json.loads(capsys.readouterr().out)
    (found,) = [one for one in report["findings"] if one["level"] == "error"]
    assert report["exit_status"] == 1
    assert (found["episode"], found["field"], found["time_s"]) == (NAMES[2], "head", 2.0)


def test_check_ignores_discarded_episodes(data: Path) -> None:
    episode_path(data, 3).write_bytes(b"damaged")
    assert dbp("check", data) == 1
    dbp("label", data, NAMES[3], "--discard")
    assert dbp("check", data) == 0


def test_check_names_a_label_without_its_episode(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dbp("label", data, "3", "--outcome", "failure")
    episode_path(data, 3).unlink()
    capsys.readouterr()
    assert dbp("check", data) == 1
    assert "the set has no such episode" in capsys.readouterr().out


def test_label_sets_and_restores_several_episodes(data: Path) -> None:
    assert dbp("label", data, "0", "2-3", "--outcome", "failure", "--task", "stack") == 0
    assert dbp("label", data, NAMES[2], "--discard") == 0
    assert read_labels(data)[NAMES[2]] == EpisodeLabel("failure", "stack", True)
    assert dbp("label", data, "2", "--restore") == 0
    assert read_labels(data)[NAMES[2]] == EpisodeLabel("failure", "stack")
    assert open_episodes(data).read(3).outcome == "failure"


def test_label_refuses_what_it_cannot_apply(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "has no episode '9'" in error_of(capsys, "label", data, "9", "--discard")
    assert "nothing to set: give --outcome" in error_of(capsys, "label", data, "1")
    assert "--task is empty" in error_of(capsys, "label", data, "1", "--task", " ")
    assert "does not exist" in error_of(capsys, "label", data / "x", "1", "--discard")
    assert read_labels(data) == {}


def test_trim_sets_and_clears_the_limits(data: Path) -> None:
    assert dbp("trim", data, "1", "--start", "1", "--end", "3.05") == 0
    assert len(open_episodes(data).read(1)) == 21
    assert dbp("trim", data, "1", "--clear") == 0
    assert len(open_episodes(data).read(1)) == STEPS


def test_trim_refuses_limits_that_leave_no_step(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    limits = {
        ("--start", "7"): "no step from 7 s",
        ("--start", "2", "--end", "1"): "end_s is 1, expected a time after start_s 2",
        ("--start", "-1"): "start_s is -1, expected seconds of at least 0",
        ("--end", "90"): "--end is 90 s, expected at most 5.900 s",
        ("--start", "1", "--suggest"): "give --start and --end, or --suggest, or --clear",
        (): "give --start and --end, or --suggest, or --clear",
    }
    for words, message in limits.items():
        assert message in error_of(capsys, "trim", data, "1", *words)
    assert read_labels(data) == {}


def test_the_suggested_command_is_accepted(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dbp("trim", data, "0-1", "--suggest") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert dbp(*lines[1].split()[2:]) == 0
    assert read_labels(data)[NAMES[0]].end_s is not None


def test_show_writes_an_image_for_each_episode(data: Path, tmp_path: Path) -> None:
    assert dbp("show", data, "1", "3", "--out", tmp_path / "sheets") == 0
    files = sorted(path.name for path in (tmp_path / "sheets").iterdir())
    assert files == ["episode_000001.png", "episode_000003.png"]
    with Image.open(tmp_path / "sheets" / files[0]) as image:
        assert image.width > 1000


def test_show_refuses_one_file_for_several_episodes(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = error_of(capsys, "show", data, "--out", tmp_path / "a.png")
    assert "for 4 episodes: give one EPISODE or a folder" in line


def test_split_and_merge_return_the_episodes_with_their_labels(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dbp("label", data, "1", "--outcome", "failure")
    dbp("label", data, "0", "--discard")
    parts, joined = tmp_path / "parts", tmp_path / "joined"
    assert dbp("split", data, "--out", parts, "--parts", "train=1-2", "test=3") == 0
    assert "1 discarded episodes are left out" in capsys.readouterr().out
    assert dbp("merge", parts / "test", parts / "train", "--out", joined) == 0
    read = [open_episodes(joined).read(index) for index in range(3)]
    assert [one.seed for one in read] == [3, 1, 2]
    assert [one.outcome for one in read] == ["success", "failure", "success"]


def test_merge_refuses_sets_that_differ_and_leaves_nothing(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_episode(episode_path(tmp_path / "other", 0), replace(following(0), images={}))
    line = error_of(capsys, "merge", data, tmp_path / "other", "--out", tmp_path / "out")
    assert "other does not fit" in line
    assert "cameras: without head, wrist" in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "set"]


def hdf5_set(path: Path, broken: bool = False) -> Path:
    """Write a robomimic file of three demonstrations, the last one damaged or not."""
    with h5py.File(path, "w") as file:
        for number in range(3):
            demo = file.create_group(f"data/demo_{number}")
            demo["obs/joints"] = np.full((5, 2), number + 1.0, np.float32)
            demo["actions"] = np.full((5, 2), np.nan if broken and number == 2 else 2.0)
    return path


def test_an_interrupted_merge_continues_with_the_finished_episodes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = hdf5_set(tmp_path / "a.hdf5"), hdf5_set(tmp_path / "b.hdf5", broken=True)
    out, folder = tmp_path / "out", tmp_path / "out.unfinished"
    words = ("merge", one, two, "--out", out)
    assert "actions is not finite at step 0" in error_of(capsys, *words)
    finished = [episode_path(folder, number) for number in range(5)]
    times_ns = [path.stat().st_mtime_ns for path in finished]
    (folder / ".episode_000005.npz.77").write_bytes(b"of a killed process")
    assert not out.exists()
    assert "is not complete, as its command was interrupted: run again: dbp episodes merge" in (
        error_of(capsys, "list", folder)
    )
    # Another label, and another file: only the episodes of the first file stay, except one.
    dbp("label", one, "1", "--outcome", "failure")
    hdf5_set(two)
    capsys.readouterr()
    assert dbp(*words) == 0
    assert "2 of 6 episodes are already converted" in " ".join(capsys.readouterr().out.split())
    assert not folder.exists()
    assert sorted(path.name for path in out.iterdir()) == [
        "dataset.yaml",
        *(f"episode_{number:06d}.npz" for number in range(6)),
    ]
    found = open_episodes(out)
    assert [found.read(number).states[0, 0] for number in range(6)] == [1, 2, 3, 1, 2, 3]
    assert [found.read(number).outcome for number in (0, 1)] == ["success", "failure"]
    new_ns = [episode_path(out, number).stat().st_mtime_ns for number in range(5)]
    equal = [new == old for new, old in zip(new_ns, times_ns, strict=True)]
    assert equal == [True, False, True, False, False]


def test_an_interrupted_split_continues_with_the_finished_episodes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = hdf5_set(tmp_path / "a.hdf5", broken=True), tmp_path / "out"
    words = ("split", data, "--out", out, "--parts")
    assert "not finite" in error_of(capsys, *words, "first=0", "rest=1-2")
    finished = episode_path(tmp_path / "out.unfinished" / "first", 0)
    written_ns = finished.stat().st_mtime_ns
    line = error_of(capsys, *words, "other=0-1")
    assert "has first, which is not of this conversion, expected other" in line
    # The same file without its last episode.
    stat = data.stat()
    hdf5_set(data)
    os.utime(data, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    capsys.readouterr()
    assert dbp(*words, "first=0", "rest=1-2") == 0
    assert "already converted" in capsys.readouterr().out
    assert sorted(path.name for path in out.iterdir()) == ["first", "rest"]
    assert episode_path(out / "first", 0).stat().st_mtime_ns == written_ns
    assert [len(open_episodes(out / part)) for part in ("first", "rest")] == [1, 2]
    assert not (out / "first" / "unfinished.json").exists()


def test_a_merge_deletes_no_files_of_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, other = hdf5_set(tmp_path / "a.hdf5"), tmp_path / "out.unfinished"
    other.mkdir()
    (other / "notes.txt").write_text("mine")
    assert "has files of something else" in error_of(
        capsys, "merge", data, "--out", tmp_path / "out"
    )
    assert (other / "notes.txt").is_file()


def test_new_sets_replace_nothing(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exists = f"--out {data} has files: give a new folder"
    assert exists in error_of(capsys, "merge", data, "--out", data)
    assert exists in error_of(capsys, "split", data, "--out", data, "--parts", "a=1-2")
    line = error_of(capsys, "merge", data, data, "--out", data.with_name("out"))
    assert "is given twice" in line


def test_a_set_that_needs_a_selection_can_be_listed_labelled_trimmed_and_split(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "arrays"
    folder.mkdir()
    for index in range(2):
        made = following(index)
        np.savez(folder / f"trial{index}.npz", joints=made.states, command=made.actions)
    assert "no key 'state'" in error_of(capsys, "list", folder)
    flags = ("--state", "joints", "--action", "command", "--step-s", STEP_S)
    assert dbp("list", folder, *flags) == 0
    assert f"{STEPS}" in capsys.readouterr().out
    # No outcome is recorded.
    assert dbp("check", folder, *flags) == 1
    assert "WARNING  outcome of trial0.npz" in capsys.readouterr().out
    assert dbp("show", folder, "0", "--out", tmp_path / "sheet.png", *flags) == 0
    assert dbp("label", folder, "0", "--task", "pour", *flags) == 0
    capsys.readouterr()
    assert dbp("trim", folder, "1", "--suggest", *flags) == 0
    [*_, suggested] = capsys.readouterr().out.splitlines()
    assert " --state joints --action command --step-s 0.1 --start " in suggested
    assert main(shlex.split(suggested)[1:]) == 0
    assert dbp("split", folder, "--out", tmp_path / "parts", "--parts", "a=0", "b=1", *flags) == 0
    assert dbp("merge", folder, "--out", tmp_path / "merged", *flags) == 0
    merged = open_episodes(tmp_path / "merged")
    assert merged.read(0).task == "pour"
    np.testing.assert_array_equal(merged.read(0).states, following(0).states)
