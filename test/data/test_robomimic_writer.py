"""Exports to robomimic, read back by this package and directly with h5py."""

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
from exported_sets import ListedEpisodes, episode, episodes

from dbp_ros.data.exports import RobomimicExport
from dbp_ros.data.foreign.robomimic_writer import write_robomimic
from dbp_ros.data.formats import open_episodes
from dbp_ros.data.selection import Selection
from dbp_ros.errors import EpisodeError

DEFAULT = RobomimicExport()
HEAD, WRIST = "head_camera", "wrist_image_raw"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("out") / "demo.hdf5"
    write_robomimic(episodes(), path, RobomimicExport(validation_fraction=0.25))
    return path


def test_the_reader_of_this_package_finds_what_was_written(exported):
    found = open_episodes(exported, Selection(points=("head_depth",)))
    for index, expected in enumerate(episodes().episodes):
        one = found.read(index)
        for name in ("states", "actions", "rewards", "stamps_ns"):
            np.testing.assert_array_equal(getattr(one, name), getattr(expected, name))
        for name in ("outcome", "state_names", "action_names"):
            assert getattr(one, name) == getattr(expected, name), name
        assert one.task == expected.task
        assert one.step_s == pytest.approx(expected.step_s)
        np.testing.assert_array_equal(one.images[HEAD], expected.images["head_camera"])
        np.testing.assert_array_equal(one.images[WRIST], expected.images["/wrist/image_raw"])
        np.testing.assert_array_equal(one.points["head_depth"], expected.points["head_depth"])


def test_the_file_has_the_published_layout(exported):
    with h5py.File(exported) as file:
        assert sorted(file) == ["data", "mask"]
        assert sorted(file["data"]) == [f"demo_{index}" for index in range(4)]
        assert file["data"].attrs["total"] == 170
        for index, expected in enumerate(episodes().episodes):
            demo = file[f"data/demo_{index}"]
            assert demo.attrs["num_samples"] == len(expected)
            np.testing.assert_array_equal(demo["actions"][()], expected.actions)
            np.testing.assert_array_equal(demo["obs/state"][()], expected.states)
            np.testing.assert_array_equal(demo[f"obs/{HEAD}"][()], expected.images["head_camera"])
            assert demo[f"obs/{HEAD}"].dtype == np.uint8
            np.testing.assert_array_equal(demo["rewards"][()], expected.rewards)
            assert demo["dones"][()].tolist() == [0] * (len(expected) - 1) + [1]
            assert demo.attrs["task"] == expected.task


def test_the_environment_has_the_rate_and_whether_rewards_are_sparse(exported, tmp_path):
    with h5py.File(exported) as file:
        environment = json.loads(file["data"].attrs["env_args"])
    assert environment["env_name"] == "lift, stack"
    assert environment["env_kwargs"] == {"control_freq": 30.0, "reward_shaping": False}
    unrewarded = [replace(one, rewards=0 * one.rewards) for one in episodes().episodes]
    write_robomimic(ListedEpisodes(unrewarded), tmp_path / "demo.hdf5", DEFAULT)
    with h5py.File(tmp_path / "demo.hdf5") as file:
        environment = json.loads(file["data"].attrs["env_args"])
    assert environment["env_kwargs"] == {"control_freq": 30.0}
    assert open_episodes(tmp_path / "demo.hdf5").read(0).outcome == "success"


def masks(path):
    with h5py.File(path) as file:
        return {key: [name.decode() for name in values[()]] for key, values in file["mask"].items()}


def test_the_filter_keys_split_the_demonstrations(exported, tmp_path):
    assert masks(exported) == {
        "train": ["demo_0", "demo_1", "demo_3"],
        "valid": ["demo_2"],
        "success": ["demo_0", "demo_1", "demo_3"],
    }
    write_robomimic(episodes(), tmp_path / "demo.hdf5", RobomimicExport(validation_fraction=0.0))
    assert masks(tmp_path / "demo.hdf5").keys() == {"train", "success"}


def test_the_progress_counts_the_episodes(tmp_path):
    written = []
    write_robomimic(episodes(), tmp_path / "demo.hdf5", DEFAULT, written.append)
    assert written == [1, 2, 3, 4]


def test_an_interrupted_export_leaves_the_old_file_and_no_other(tmp_path, exported):
    path = tmp_path / "demo.hdf5"
    path.write_bytes(exported.read_bytes())
    with pytest.raises(KeyboardInterrupt):
        write_robomimic(ListedEpisodes([episode(0, 40), None]), path, DEFAULT)
    assert [one.name for one in tmp_path.iterdir()] == ["demo.hdf5"]
    assert path.read_bytes() == exported.read_bytes()


def test_an_episode_unlike_the_first_is_an_error(tmp_path):
    first, second, *_ = episodes().episodes
    other = replace(second, action_names=("elbow", "waist"))
    with pytest.raises(EpisodeError, match=r"number 1 differs from .* in action"):
        write_robomimic(ListedEpisodes([first, other]), tmp_path / "demo.hdf5", DEFAULT)
    assert not list(tmp_path.iterdir())


def test_a_camera_with_the_key_of_the_state_is_an_error(tmp_path):
    one = episode(0, 40)
    twice = replace(one, images={"/state": one.images["head_camera"]})
    with pytest.raises(EpisodeError, match="two observations become the key state"):
        write_robomimic(ListedEpisodes([twice]), tmp_path / "demo.hdf5", DEFAULT)


def test_interventions_are_written_and_read_next_to_demonstrations(tmp_path):
    listed = episodes().episodes[:2]
    flags = np.arange(len(listed[1])) % 4 == 0
    listed[1] = replace(listed[1], interventions=flags)
    path = tmp_path / "set.hdf5"
    write_robomimic(ListedEpisodes(listed), path, RobomimicExport())
    found = open_episodes(path)
    assert found.read(0).interventions is None
    np.testing.assert_array_equal(found.read(1).interventions, flags)
    assert "intervention" not in " ".join(found.unused)
    with h5py.File(path) as file:
        assert "interventions" not in file["data/demo_0"]
        assert file["data/demo_1/interventions"][()].tolist() == flags.tolist()


def test_an_outcome_that_the_rewards_do_not_show_is_read_again(tmp_path):
    solved, failed = (
        replace(one, rewards=np.ones(len(one), np.float32), outcome=outcome)
        for one, outcome in zip(episodes().episodes, ("success", "failure"), strict=False)
    )
    path = tmp_path / "set.hdf5"
    write_robomimic(ListedEpisodes([solved, failed]), path, RobomimicExport())
    found = open_episodes(path)
    assert [found.read(k).outcome for k in range(2)] == ["success", "failure"]
