"""Subsampling of episodes."""

import numpy as np
import pytest
from toy_episodes import episode

from dbp_ros.data.episode import episode_path, write_episode
from dbp_ros.data.formats import open_episodes
from dbp_ros.data.subsample import SubsampledEpisodes, subsample
from dbp_ros.errors import EpisodeError


def test_an_action_is_that_of_the_last_row_of_a_step():
    whole = episode(0)
    subsampled = subsample(whole, 3, 1)
    assert subsampled.step_s == pytest.approx(3 * whole.step_s)
    assert len(subsampled) == (len(whole) - 1) // 3
    np.testing.assert_array_equal(subsampled.states[1], whole.states[4])
    np.testing.assert_array_equal(subsampled.actions[1], whole.actions[6])
    np.testing.assert_array_equal(subsampled.rewards[1], whole.rewards[6])
    for camera, images in whole.images.items():
        np.testing.assert_array_equal(subsampled.images[camera][1], images[4])


def test_every_row_starts_a_step_of_one_phase(tmp_path):
    whole = episode(1)
    write_episode(episode_path(tmp_path, 0), whole)
    phases = SubsampledEpisodes(open_episodes(tmp_path), 2)
    assert len(phases) == len(phases.names) == 2
    starts = np.concatenate([phases.read(k).stamps_ns for k in range(2)])
    assert set(starts.tolist()) <= set(whole.stamps_ns.tolist())
    assert len(set(starts.tolist())) == len(starts) >= len(whole) - 2


def test_a_stride_longer_than_the_episode_is_rejected():
    with pytest.raises(EpisodeError, match="less than a step of 1000"):
        subsample(episode(0), 1000)


def test_an_episode_is_read_once_for_all_of_its_phases():
    indices = []

    class CountingEpisodes:
        origin, names = "memory", ("first", "second")

        def read(self, index):
            indices.append(index)
            return episode(index)

    phases = SubsampledEpisodes(CountingEpisodes(), 3)
    for index in range(len(phases)):
        phases.read(index)
    assert indices == [0, 1]


def test_a_step_is_an_intervention_if_any_of_its_rows_is():
    whole = episode(0, interventions=np.arange(9) == 4)
    assert subsample(whole, 3).interventions.tolist() == [False, True, False]
    assert subsample(whole, 2, 1).interventions.tolist() == [False, True, False, False]
    assert subsample(episode(0), 3).interventions is None
