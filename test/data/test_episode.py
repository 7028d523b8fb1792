"""Episodes in memory and on disk."""

import dataclasses

import numpy as np
import pytest

from dbp_ros.data.episode import (
    Episode,
    episode_path,
    episode_paths,
    read_episode,
    read_episodes,
    write_episode,
)
from dbp_ros.errors import EpisodeError


def test_an_episode_round_trips(tmp_path, episode):
    path = episode_path(tmp_path, 0)
    write_episode(path, episode)
    back = read_episode(path)
    for item in dataclasses.fields(Episode):
        if item.name not in ("images", "points"):
            np.testing.assert_array_equal(getattr(back, item.name), getattr(episode, item.name))
    np.testing.assert_array_equal(back.images["head_camera"], episode.images["head_camera"])
    np.testing.assert_array_equal(back.points["head_depth"], episode.points["head_depth"])


def test_interventions_round_trip(tmp_path, episode):
    path = episode_path(tmp_path, 0)
    flags = np.arange(len(episode)) % 3 == 0
    write_episode(path, dataclasses.replace(episode, interventions=flags))
    np.testing.assert_array_equal(read_episode(path).interventions, flags)
    write_episode(path, episode)
    with np.load(path) as archive:
        assert "interventions" not in archive.files
    assert read_episode(path).interventions is None


def test_the_length_is_the_number_of_steps(episode):
    assert len(episode) == 5


def test_writing_leaves_no_temporary_file(tmp_path, episode):
    write_episode(episode_path(tmp_path, 0), episode)
    assert [path.name for path in tmp_path.iterdir()] == ["episode_000000.npz"]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_file_is_not_an_episode(tmp_path, episode, share):
    path = episode_path(tmp_path, 0)
    write_episode(path, episode)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(EpisodeError, match="record it again"):
        read_episode(path)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(EpisodeError, match="episode_000007"):
        read_episode(episode_path(tmp_path, 7))


def test_episodes_are_read_in_order(tmp_path, episode):
    for index in (2, 0, 1):
        write_episode(episode_path(tmp_path, index), dataclasses.replace(episode, seed=index))
    assert [one.seed for one in read_episodes(tmp_path)] == [0, 1, 2]


def test_an_empty_folder_is_an_error_with_the_fix(tmp_path):
    with pytest.raises(EpisodeError, match="dbp collect"):
        episode_paths(tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("actions", np.zeros((4, 2), np.float32)),
        ("rewards", np.zeros(4, np.float32)),
        ("stamps_ns", np.arange(6)),
        ("state_names", ("a", "b")),
        ("action_names", ("a", "b", "c")),
        ("images", {"head_camera": np.zeros((4, 4, 6, 3), np.uint8)}),
        ("images", {"head_camera": np.zeros((5, 4, 6), np.uint8)}),
        ("points", {"head_depth": np.zeros((4, 7, 3), np.float32)}),
        ("points", {"head_depth": np.zeros((5, 7, 4), np.float32)}),
    ],
)
def test_inconsistent_shapes_are_rejected(episode, field, value):
    with pytest.raises(EpisodeError, match="expected"):
        dataclasses.replace(episode, **{field: value})


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_non_finite_number_is_rejected_with_its_step(episode, bad):
    actions = episode.actions.copy()
    actions[3, 1] = bad
    with pytest.raises(EpisodeError, match="step 3"):
        dataclasses.replace(episode, actions=actions)


def test_a_non_finite_cloud_is_rejected_with_its_step(episode):
    cloud = episode.points["head_depth"].copy()
    cloud[2, 1, 0] = np.nan
    with pytest.raises(EpisodeError, match="head_depth is not finite at step 2"):
        dataclasses.replace(episode, points={"head_depth": cloud})
