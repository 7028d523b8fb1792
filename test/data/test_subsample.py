"""Fewer rows and longer steps: what was commanded for the end of a step is its action."""

import numpy as np
import pytest
from demonstrations import episode

from dbp_ros.data.formats import EpisodeList
from dbp_ros.data.subsample import Subsampled, subsample
from dbp_ros.errors import EpisodeError


def test_an_action_is_the_command_for_the_end_of_its_longer_step():
    whole = episode(0)
    thin = subsample(whole, 3, 1)
    assert thin.step_s == pytest.approx(3 * whole.step_s)
    assert len(thin) == (len(whole) - 1) // 3
    np.testing.assert_array_equal(thin.states[1], whole.states[4])
    np.testing.assert_array_equal(thin.actions[1], whole.actions[6])
    np.testing.assert_array_equal(thin.rewards[1], whole.rewards[6])
    for camera, pictures in whole.images.items():
        np.testing.assert_array_equal(thin.images[camera][1], pictures[4])


def test_every_row_is_the_beginning_of_one_of_the_thinned_steps():
    whole = episode(1)
    several = Subsampled(EpisodeList([whole]), 2)
    assert len(several) == len(several.names) == 2
    begins = np.concatenate([several.read(k).stamps_ns for k in range(2)])
    assert set(begins.tolist()) <= set(whole.stamps_ns.tolist())
    assert len(set(begins.tolist())) == len(begins) >= len(whole) - 2


def test_steps_that_are_longer_than_the_episode_are_refused():
    with pytest.raises(EpisodeError, match="make no step of 1000"):
        subsample(episode(0), 1000)
