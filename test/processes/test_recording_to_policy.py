"""From a recording to a policy: the commands of the tutorial, on the simulated cell."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import pyarrow.parquet as parquet
import pytest
import yaml
from processes.dbp_command import run_dbp
from processes.stack_process import up

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.bundle.manifest import require_joints
from dbp_ros.data.bags.bag import read_bag
from dbp_ros.data.recording.recorder import bag_path
from dbp_ros.settings.controllers import ControllersConfig
from dbp_ros.settings.dual_ur5e import CAMERAS, DUAL_UR5E_JOINTS

EPISODES, EPISODE_S = 2, 2.0
IMAGE = {"image_height": 16, "image_width": 24}
# A cell that needs little of a machine without OpenGL.
QUICK_CELL = {"camera_backend": "raycast", "camera_rate_hz": 15.0, "joint_state_rate_hz": 100.0}
CELL = ("--sim", "--task", "reach", "--enable-control", "--config", "config")
RECORDINGS, EXPORTED, RUN, BUNDLE = (
    "recordings/ur5e_dual",
    "build/lerobot",
    "build/run",
    "build/new",
)
ROBOT = ("--robot", "ur5e_dual")
QUICK = (
    *("--num-steps", 4, "--batch-size", 4, "--num-samples", 2, "--warmup-steps", 1),
    *("--width", 16, "--branch-width", 16, "--channels", 8, 8, 8, 8, "--keypoints", 4),
    *("--threads", 1),
)
ROLES = {
    *("joint_states", "chunk", "guard_state"),
    *(f"{role}.{camera}" for role in ("image", "camera_info") for camera in CAMERAS),
    *(f"command.{controller}" for controller in ControllersConfig.controllers),
}


def test_a_recording_becomes_a_policy_that_decides(
    domain: int, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_quick_cell(root / "config", tmp_path / "config")
    record(root / "examples")
    assert_recorded()
    assert "episode_000002.mcap: outcome failure" in dbp(
        *("episodes", "label", RECORDINGS, 2, "--outcome", "failure")
    )
    lengths = listed_lengths()
    dbp("episodes", "export", RECORDINGS, *ROBOT, "--to", "lerobot", "--out", EXPORTED)
    assert_exported(lengths)
    reader = python(root / "examples" / "read_lerobot.py", EXPORTED)
    assert f"episode 1: ['reach'], {lengths[1]} rows, failure" in reader
    assert reader.count(f"{sum(lengths)} frames for {sum(lengths)} rows") == len(CAMERAS)
    dbp("train", "--data", RECORDINGS, *ROBOT, "--out", RUN, *QUICK)
    dbp("export", "--run", RUN, "--data", RECORDINGS, "--out", BUNDLE, "--name", "new")
    require_joints(read_bundle(Path(BUNDLE)).manifest, DUAL_UR5E_JOINTS)
    with up(*CELL, "--model", BUNDLE) as (_, log):
        log.wait_for("[policy]", "deciding")
        log.wait_for("[guard]", "tracking")


def write_quick_cell(source: Path, target: Path) -> None:
    """Copy the parameter files, for a cell that needs little of the machine."""
    shutil.copytree(source, target)
    path = target / "simulation.yaml"
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    values["/**"]["ros__parameters"] |= {**IMAGE, **QUICK_CELL}
    path.write_text(yaml.safe_dump(values), encoding="utf-8")


def dbp(*words: object) -> str:
    """Run a command that succeeds; return its output."""
    done = run_dbp(*words)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


def python(*words: object) -> str:
    """Run a script that succeeds; return its output."""
    command = [sys.executable, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def record(examples: Path) -> None:
    """Record episodes while a node without a policy moves the arms."""
    with up(*CELL, "--no-policy", "--recorder") as (_, log), driver(examples):
        log.wait_for("[guard]", "tracking")
        for number in range(1, EPISODES + 1):
            assert f"recording episode {number}" in dbp("episode", "begin")
            time.sleep(EPISODE_S)
            assert f"episode {number}: success" in dbp("episode", "success")


@contextmanager
def driver(examples: Path) -> Iterator[None]:
    child = subprocess.Popen([sys.executable, examples / "drive_by_topics.py"])
    try:
        yield
    finally:
        child.terminate()
        assert child.wait(timeout=30) == 0


def assert_recorded() -> None:
    """Check the bags, and that `dbp episodes check` finds no fault."""
    for number in range(1, EPISODES + 1):
        bag = read_bag(bag_path(Path(RECORDINGS), number))
        assert bag.messages.keys() >= ROLES
        assert (bag.end.outcome, bag.metadata["task"]) == ("success", "reach")
    checked = run_dbp("episodes", "check", RECORDINGS, *ROBOT, "--json")
    findings = json.loads(checked.stdout)["findings"]
    assert [one for one in findings if one["level"] != "note"] == []
    assert checked.returncode == 0


def listed_lengths() -> list[int]:
    """Return the steps of each episode, of which the second is labelled as a failure."""
    found = json.loads(dbp("episodes", "list", RECORDINGS, "--json"))["episodes"]
    assert [one["outcome"] for one in found] == ["success", "failure"]
    return [one["steps"] for one in found]


def assert_exported(lengths: list[int]) -> None:
    """Read the exported set by its published layout, without this package."""
    folder = Path(EXPORTED)
    rows = parquet.read_table(folder / "data", partitioning=None)
    info = json.loads((folder / "meta/info.json").read_text(encoding="utf-8"))
    for key in ("observation.state", "action"):
        assert info["features"][key]["names"] == list(DUAL_UR5E_JOINTS)
        values = np.array(rows[key].to_pylist())
        assert values.shape == (sum(lengths), len(DUAL_UR5E_JOINTS))
        assert (np.ptp(values, axis=0) > 0.005).all()
    index = np.array(rows["episode_index"])
    assert np.bincount(index).tolist() == lengths
    ends = np.flatnonzero(np.array(rows["next.done"]))
    assert ends.tolist() == (np.cumsum(lengths) - 1).tolist()
    assert np.array(rows["next.success"])[ends].tolist() == [True, False]
    for camera in CAMERAS:
        (path,) = (folder / "videos" / f"observation.images.{camera}").rglob("*.mp4")
        with av.open(str(path)) as video:
            frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
        assert np.shape(frames) == (sum(lengths), *IMAGE.values(), 3)
