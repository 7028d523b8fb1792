"""Checks of a whole set: lag, motion, likeness, outcomes and unreadable episodes."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from clean_episodes import STEPS, changed, clean

from dbp_ros.data.checks.check_set import check_set
from dbp_ros.data.checks.finding import EpisodeFinding
from dbp_ros.data.checks.following import measure_following
from dbp_ros.data.episode import Episode, episode_path, write_episode
from dbp_ros.data.formats import open_episodes


def write_set(folder: Path, *episodes: Episode) -> Path:
    for index, one in enumerate(episodes):
        write_episode(episode_path(folder, index), one)
    return folder


def faults(folder: Path) -> list[EpisodeFinding]:
    return [one for one in check_set(open_episodes(folder)) if one.level != "note"]


def test_a_clean_set_has_only_the_note_of_its_lag(tmp_path: Path) -> None:
    (note,) = check_set(open_episodes(write_set(tmp_path, *map(clean, range(4)))))
    assert (note.level, note.field, note.value) == ("note", "lag", "2.0 steps")
    assert "100 ms" in note.sentence


@pytest.mark.parametrize("lag", [-3, 0, 1, 4])
def test_the_lag_from_action_to_state_is_measured(lag: int) -> None:
    assert measure_following(clean(lag=lag)).lag == pytest.approx(lag, abs=0.1)


@pytest.mark.parametrize(
    ("lag", "sentence"), [(0, "in the same step or before"), (-2, "or before it"), (8, "late, by")]
)
def test_an_implausible_lag_is_a_fault_of_the_set(tmp_path: Path, lag: int, sentence: str) -> None:
    (found,) = faults(write_set(tmp_path, *(clean(seed, lag=lag) for seed in range(3))))
    assert (found.episode, found.field) == ("", "lag")
    assert sentence in found.sentence


def test_an_episode_with_another_lag_is_named(tmp_path: Path) -> None:
    (found,) = faults(write_set(tmp_path, clean(0), clean(1), clean(2, lag=5)))
    assert (found.episode, found.field, found.value) == ("episode_000002.npz", "lag", "5.0 steps")


def test_a_joint_that_does_not_follow_is_found(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)

    def block(states: np.ndarray) -> None:
        states[:, 0] = 0.2 + 1e-3 * rng.standard_normal(STEPS)

    (found,) = faults(write_set(tmp_path, changed("states", block), clean(1), clean(2)))
    assert (found.episode, found.field) == ("episode_000000.npz", "shoulder_joint")
    assert found.sentence == "the state does not follow the action"


def test_relative_actions_are_not_compared_and_this_is_reported(tmp_path: Path) -> None:
    one = replace(clean(), action_names=("x", "y", "z"))
    (note,) = check_set(open_episodes(write_set(tmp_path, one)))
    assert "they share no column" in note.sentence


def test_a_column_that_never_moves_is_found(tmp_path: Path) -> None:
    def still(values: np.ndarray) -> None:
        values[:, 2] = 0.02

    episodes = [replace(clean(seed), states=clean(seed).states.copy()) for seed in range(3)]
    for one in episodes:
        still(one.states)
        still(one.actions)
    found = faults(write_set(tmp_path, *episodes))
    assert [(one.field, one.value) for one in found] == [("gripper_joint", "0.02")] * 2
    assert ["state" in one.sentence for one in found] == [True, False]


def test_a_column_that_moves_in_one_episode_is_no_fault(tmp_path: Path) -> None:
    still = replace(clean(0), states=clean(0).states.copy(), actions=clean(0).actions.copy())
    still.states[:, 2] = still.actions[:, 2] = 0.02
    assert not faults(write_set(tmp_path, still, clean(1)))


@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        ({"state_names": ("a", "b", "c")}, "state", "without shoulder_joint"),
        ({"step_s": 0.0502}, "step_s", "a step of 0.0502 s, not 0.05 s"),
        ({"images": {}}, "cameras", "without wrist"),
        (
            {"images": {"wrist": clean().images["wrist"][:, :4]}},
            "cameras",
            "wrist of 4 x 8 x 3, not 8 x 8 x 3",
        ),
    ],
)
def test_an_episode_unlike_the_first_is_found(
    tmp_path: Path, changes: dict, field: str, sentence: str
) -> None:
    found = faults(write_set(tmp_path, clean(0), replace(clean(1), **changes)))
    assert [one.field for one in found] == [field]
    assert sentence in found[0].sentence


@pytest.mark.parametrize(("steps", "kind"), [(20, "short"), (300, "long")])
def test_an_unusual_length_is_found(tmp_path: Path, steps: int, kind: str) -> None:
    found = faults(write_set(tmp_path, clean(0), clean(1), clean(2), clean(3, steps)))
    (length,) = [one for one in found if one.field == "length"]
    assert (length.episode, length.value) == ("episode_000003.npz", f"{steps} steps")
    assert f"unusually {kind}" in length.sentence


@pytest.mark.parametrize(
    ("outcome", "reason", "sentence"),
    [
        ("success", "operator", "no outcome is recorded"),
        ("failure", "cut_off", "the recording was cut off"),
    ],
)
def test_an_episode_without_an_outcome_is_found(
    tmp_path: Path, outcome: str, reason: str, sentence: str
) -> None:
    one = replace(clean(), outcome=outcome, termination_reason=reason)
    (found,) = faults(write_set(tmp_path, one, clean(1)))
    assert (found.episode, found.field) == ("episode_000000.npz", "outcome")
    assert found.sentence == sentence


def test_numbers_that_are_not_finite_are_found(robomimic_file: Path) -> None:
    with h5py.File(robomimic_file, "r+") as file:
        file["data/demo_9/actions"][2, 1] = np.nan
    found = [one for one in faults(robomimic_file) if one.field == "data"]
    assert [one.episode for one in found] == ["demo_9"]
    assert "actions is not finite at step 2" in found[0].sentence
    assert "discard" in found[0].fix


def test_arrays_of_unlike_lengths_are_found(robomimic_file: Path) -> None:
    with h5py.File(robomimic_file, "r+") as file:
        del file["data/demo_10/obs/robot0_eef_pos"]
        file["data/demo_10/obs/robot0_eef_pos"] = np.zeros((3, 2))
    found = [one for one in faults(robomimic_file) if one.field == "data"]
    assert "robot0_eef_pos has 3 rows, expected 5" in found[0].sentence
