"""Folders with one file per episode, several HDF5 files, and data sets that are not read."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from dbp_ros.data.formats import open_episodes
from dbp_ros.data.selection import Selection
from dbp_ros.data.uniform_episodes import uniform_episodes
from dbp_ros.errors import EpisodeError

STEPS = 6


def wave(width: int, index: int = 0) -> np.ndarray:
    return np.sin(np.arange(STEPS * width, dtype=np.float32).reshape(STEPS, width) + index)


def images(index: int = 0) -> np.ndarray:
    return np.full((STEPS, 8, 10, 3), 10 + index, np.uint8)


@pytest.fixture
def npz_folder(tmp_path: Path) -> Path:
    """Return a folder of archives under names of another project."""
    folder = tmp_path / "arrays"
    folder.mkdir()
    for index in range(3):
        np.savez(
            folder / f"trial{index}.npz",
            joints=wave(7, index),
            command=wave(7, index + 1),
            front=images(index),
            label="pour",
            version=np.array(2),
        )
    return folder


@pytest.fixture
def aloha_folder(tmp_path: Path) -> Path:
    """Return a folder in the layout of ALOHA: a file per episode, without compression."""
    folder = tmp_path / "aloha"
    folder.mkdir()
    for index in range(2):
        with h5py.File(folder / f"episode_{index}.hdf5", "w") as file:
            file.attrs["sim"] = False
            file["action"] = wave(14, index + 1)
            file["observations/qpos"] = wave(14, index)
            file["observations/qvel"] = wave(14)
            file["observations/images/cam_high"] = images(index)
    return folder


@pytest.fixture
def libero_folder(tmp_path: Path) -> Path:
    """Return a folder with a file per task, each with demonstrations."""
    folder = tmp_path / "libero"
    folder.mkdir()
    for task in range(2):
        with h5py.File(folder / f"task{task}_demo.hdf5", "w") as file:
            data = file.create_group("data")
            arguments = {"env_name": f"Task{task}", "env_kwargs": {"control_freq": 20}}
            data.attrs["env_args"] = json.dumps(arguments)
            for index in range(2 + task):
                demo = data.create_group(f"demo_{index}")
                demo["actions"] = wave(7, task)
                demo["robot_states"] = wave(9)
                demo["obs/joint_states"] = wave(7, index)
                demo["obs/gripper_states"] = wave(2)
                demo["obs/agentview_rgb"] = images(index)
                demo["obs/eye_in_hand_rgb"] = images()
    return folder


def test_keys_of_archives_have_the_chosen_roles(npz_folder: Path) -> None:
    chosen = Selection(state=("joints",), action="command", step_s=0.05)
    episodes = open_episodes(npz_folder, chosen)
    one = episodes.read(2)
    assert episodes.names == ("trial0.npz", "trial1.npz", "trial2.npz")
    np.testing.assert_array_equal(one.states, wave(7, 2))
    np.testing.assert_array_equal(one.actions, wave(7, 3))
    np.testing.assert_array_equal(one.images["front"], images(2))
    assert one.step_s == 0.05
    assert episodes.unused == {}
    assert len(episodes.sha256()) == 64


def test_archives_without_a_rate_or_known_keys_need_a_selection(npz_folder: Path) -> None:
    chosen = Selection(state=("joints",), action="command")
    with pytest.raises(EpisodeError, match="give the time between two rows with --step-s"):
        open_episodes(npz_folder, chosen)
    with pytest.raises(EpisodeError, match="no key 'state' for state: use one of command, front"):
        open_episodes(npz_folder, Selection(step_s=0.05))


def test_an_archive_of_objects_or_without_a_key_is_an_error_with_its_file(
    npz_folder: Path,
) -> None:
    chosen = Selection(state=("joints",), action="command", images=(), step_s=0.05)
    np.savez(npz_folder / "trial1.npz", joints=np.array([{}, None]), command=wave(7))
    np.savez(npz_folder / "trial2.npz", command=wave(7))
    episodes = open_episodes(npz_folder, chosen)
    with pytest.raises(EpisodeError, match=r"trial1\.npz: joints has shape \(2,\) of object, exp"):
        episodes.read(1)
    with pytest.raises(EpisodeError, match=r"trial2\.npz: has no array joints, as trial0\.npz has"):
        episodes.read(2)


def test_objects_that_are_not_chosen_are_listed_as_not_read(npz_folder: Path) -> None:
    chosen = Selection(state=("joints",), action="command", images=(), step_s=0.05)
    np.savez(
        npz_folder / "trial0.npz", joints=wave(7), command=wave(7), info=np.array([{}] * STEPS)
    )
    episodes = open_episodes(npz_folder, chosen)
    assert len(episodes.read(0)) == STEPS
    assert episodes.unused == {"info": ()}


@pytest.mark.parametrize("kind", ["bytes", "objects", "hdf5"])
def test_images_in_files_are_an_error_with_their_type(tmp_path: Path, kind: str) -> None:
    files = np.array([b"\xff\xd8" * (index + 1) + b"\xff" for index in range(STEPS)])
    arrays = {"state": wave(7), "action": wave(7)}
    if kind == "hdf5":
        with h5py.File(tmp_path / "0.hdf5", "w") as file:
            for key, values in arrays.items():
                file[key] = values
            ragged = file.create_dataset("cam", (STEPS,), h5py.vlen_dtype(np.uint8))
            for index, content in enumerate(files):
                ragged[index] = np.frombuffer(content, np.uint8)
    else:
        cam = files if kind == "bytes" else files.astype(object)
        np.savez(tmp_path / "0.npz", cam=cam, **arrays)
    assert open_episodes(tmp_path, Selection(step_s=0.05)).unused == {"cam": ()}
    chosen = Selection(step_s=0.05, images=("cam",))
    found = "S13" if kind == "bytes" else "object"
    with pytest.raises(EpisodeError, match=rf"cam has shape \(6,\) of \|?{found}, .* compressed i"):
        open_episodes(tmp_path, chosen).read(0)


def timed(folder: Path, stamps: np.ndarray, first: int = STEPS) -> Path:
    """Write two archives with timestamps, the first with some rows only."""
    folder.mkdir()
    for index, rows in enumerate((first, STEPS)):
        arrays = {"state": wave(7), "action": wave(7), "timestamp": stamps}
        np.savez(folder / f"{index}.npz", **{key: array[:rows] for key, array in arrays.items()})
    return folder


def test_the_rate_is_that_of_the_first_episode_with_two_rows(tmp_path: Path) -> None:
    folder = timed(tmp_path / "timed", np.arange(STEPS) / 20, first=1)
    assert open_episodes(folder).read(0).step_s == pytest.approx(0.05)


@pytest.mark.parametrize("step", [50.0, 50_000_000, 0.0])
def test_timestamps_that_are_no_seconds_are_replaced_by_a_step(tmp_path: Path, step: float) -> None:
    folder = timed(tmp_path / "timed", 1.7e9 + np.arange(STEPS) * step)
    with pytest.raises(EpisodeError, match=r"timestamp advances by .* replace it with --step-s"):
        open_episodes(folder)
    one = open_episodes(folder, Selection(step_s=0.05)).read(0)
    assert one.stamps_ns[1] == 50_000_000


def test_an_episode_of_another_rate_has_its_own_step(tmp_path: Path) -> None:
    rows = np.arange(STEPS)
    for index, stamps in enumerate((rows / 50, rows / 50 + 1e-4 * (rows % 3), rows / 10)):
        arrays = {"state": wave(7), "action": wave(7), "timestamp": stamps}
        np.savez(tmp_path / f"{index}.npz", **arrays)
    episodes = open_episodes(tmp_path)
    assert [episodes.read(index).step_s for index in range(3)] == pytest.approx([0.02, 0.02, 0.1])
    with pytest.raises(EpisodeError, match=r"2\.npz differs .* \(a step of 0\.1 s, not 0\.02 s\)"):
        list(uniform_episodes(episodes))


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("terminals", [0, 0, 1, 0, 0, 1]),
        ("timeouts", [False, False, True, False, False, False]),
        ("traj_lengths", [3, 3]),
        ("episode_ends", [3, 6]),
        ("episode_index", [0, 0, 0, 1, 1, 1]),
    ],
)
def test_concatenated_episodes_are_an_error(tmp_path: Path, key: str, values: list) -> None:
    np.savez(tmp_path / "all.npz", state=wave(7), action=wave(7), **{key: values})
    with pytest.raises(EpisodeError, match=f"all.npz: {key} marks the end of an episode at row 2,"):
        open_episodes(tmp_path, Selection(step_s=0.05)).read(0)


def test_flags_of_one_episode_are_no_error(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "episode_0.hdf5", "w") as file:
        file["action"], file["observations/qpos"] = wave(14), wave(14)
        file["dones"] = np.arange(STEPS) > 3
        file["meta/episode_ends"] = [STEPS]
        file["episode_index"] = np.full(STEPS, 4)
    assert len(open_episodes(tmp_path, Selection(step_s=0.02)).read(0)) == STEPS


def test_an_episode_of_aloha_is_a_file(aloha_folder: Path) -> None:
    episodes = open_episodes(aloha_folder, Selection(step_s=0.02))
    one = episodes.read(1)
    np.testing.assert_array_equal(one.states, wave(14, 1))
    np.testing.assert_array_equal(one.actions, wave(14, 2))
    assert one.state_names[0] == "observations.qpos.0"
    assert set(one.images) == {"observations.images.cam_high"}
    assert episodes.unused == {"observations.qvel": (14,)}
    assert len(open_episodes(aloha_folder / "episode_0.hdf5", Selection(step_s=0.02))) == 1


def test_compressed_images_of_aloha_are_an_error_with_the_reason(aloha_folder: Path) -> None:
    for file in aloha_folder.iterdir():
        with h5py.File(file, "r+") as opened:
            opened["compressed"] = np.zeros((STEPS, 30), np.uint8)
    chosen = Selection(step_s=0.02, images=("compressed",))
    with pytest.raises(EpisodeError, match=r"\(6, 30\) of uint8, expected .* order of their col"):
        open_episodes(aloha_folder, chosen).read(0)


def test_a_file_with_groups_of_episodes_is_an_error(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "maniskill.h5", "w") as file:
        for index in range(2):
            file[f"traj_{index}/obs"] = wave(7)
            file[f"traj_{index}/actions"] = wave(7)
    with pytest.raises(EpisodeError, match="has groups traj_0, traj_1, expected data/demo_0"):
        open_episodes(tmp_path / "maniskill.h5")


def test_an_action_of_stacked_episodes_is_an_error(tmp_path: Path) -> None:
    stacked = {"state": np.zeros((4, STEPS, 7)), "action": np.zeros((4, STEPS, 7))}
    np.savez(tmp_path / "all.npz", **stacked)
    with pytest.raises(EpisodeError, match=r"action has shape \(4, 6, 7\), expected \(steps, col"):
        open_episodes(tmp_path, Selection(step_s=0.05)).read(0)


def test_timestamps_give_the_rate(aloha_folder: Path) -> None:
    for file in aloha_folder.iterdir():
        with h5py.File(file, "r+") as opened:
            opened["timestamp"] = 3.0 + np.arange(STEPS) / 50
    one = open_episodes(aloha_folder).read(0)
    assert one.step_s == pytest.approx(0.02)
    assert one.stamps_ns[0] == 3_000_000_000


def test_demonstrations_of_several_files_are_one_set(libero_folder: Path) -> None:
    episodes = open_episodes(libero_folder)
    assert episodes.names == (
        *("task0_demo.hdf5, demo_0", "task0_demo.hdf5, demo_1", "task1_demo.hdf5, demo_0"),
        *("task1_demo.hdf5, demo_1", "task1_demo.hdf5, demo_2"),
    )
    last = episodes.read(4)
    assert last.task == "Task1"
    np.testing.assert_array_equal(last.actions, wave(7, 1))
    np.testing.assert_array_equal(last.images["agentview_rgb"], images(2))
    assert episodes.unused == {"robot_states": (9,)}
    with pytest.raises(IndexError):
        episodes.read(5)


def test_states_next_to_the_observations_can_be_chosen(libero_folder: Path) -> None:
    chosen = Selection(state=("robot_states", "joint_states"), images=("eye_in_hand_rgb",))
    one = open_episodes(libero_folder, chosen).read(0)
    assert one.states.shape == (STEPS, 16)
    assert set(one.images) == {"eye_in_hand_rgb"}


def test_the_hash_of_several_files_changes_with_one(libero_folder: Path) -> None:
    before = open_episodes(libero_folder).sha256()
    with h5py.File(libero_folder / "task1_demo.hdf5", "r+") as file:
        file["data/demo_0/actions"][0] = 0.5
    assert open_episodes(libero_folder).sha256() != before


@pytest.mark.parametrize("name", ["dataset_info.json", "1.0.0/train.tfrecord-00000-of-00001"])
def test_a_data_set_of_tensorflow_is_refused_in_one_sentence(tmp_path: Path, name: str) -> None:
    file = tmp_path / "bridge" / name
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    with pytest.raises(EpisodeError, match=r"bridge is a data set of TensorFlow .*convert it to"):
        open_episodes(tmp_path / "bridge")
