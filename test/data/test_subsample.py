"""Subsampling of episodes."""

import numpy as np
import pytest
from toy_episodes import episode

from dbp_ros.data.episode import episode_path, write_episode
from dbp_ros.data.formats import open_episodes
from dbp_ros.data.subsample import SubsampledEpisodes, subsample


def test_an_action_is_that_of_the_last_row_of_a_step():
    whole = episode(0)
    subsampled = subsample(whole, 3, 1)
    assert subsampled.step_s == pytest.approx(3 * whole.step_s)
    assert len(subsampled) == (len(whole) - 1) // 3
    np.testing.assert_array_equal(subsampled.states[1], whole.states[4])
    np.testing.assert_array_equal(subsampled.actions[1], whole.actions[6])
    assert subsampled.rewards[1] == pytest.approx(whole.rewards[4:7].sum())
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


@pytest.mark.parametrize("first", [0, 5, 999])
def test_an_episode_shorter_than_a_step_has_one(first):
    whole = episode(0)
    subsampled = subsample(whole, 1000, first)
    assert len(subsampled) == 1
    assert subsampled.step_s == pytest.approx(1000 * whole.step_s)
    np.testing.assert_array_equal(subsampled.states[0], whole.states[min(first, len(whole) - 1)])
    np.testing.assert_array_equal(subsampled.actions[0], whole.actions[-1])
    assert subsampled.rewards[0] == pytest.approx(whole.rewards[first:].sum())


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
