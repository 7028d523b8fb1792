"""Labels of episodes: the file, and the set with the labels applied."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy_episodes import episode

from dbp_ros.data.episode import episode_path, write_episode
from dbp_ros.data.formats import open_episodes, open_recordings
from dbp_ros.data.labelled_episodes import apply_label, trimmed_rows
from dbp_ros.data.labels import EpisodeLabel, labels_path, read_labels, unused_labels, write_labels
from dbp_ros.data.selection import Selection
from dbp_ros.errors import ConfigError, EpisodeError
from dbp_ros.learning.dataset import load_demonstrations

NAMES = tuple(f"episode_{index:06d}.npz" for index in range(3))


def timed(seed: int, steps: int = 30):
    """Return an episode with ten rows per second."""
    stamps_ns = 5_000_000_000 + 100_000_000 * np.arange(steps)
    return episode(seed, steps, step_s=0.1, stamps_ns=stamps_ns)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for index in range(3):
        write_episode(episode_path(tmp_path / "set", index), timed(index))
    return tmp_path / "set"


def test_a_label_is_read_as_it_was_written(data: Path) -> None:
    labels = {
        NAMES[1]: EpisodeLabel("failure", "stack", True),
        NAMES[0]: EpisodeLabel(start_s=0.5, end_s=1.5),
    }
    write_labels(data, labels)
    assert read_labels(data) == labels


def test_without_labels_there_is_no_file(data: Path) -> None:
    write_labels(data, {NAMES[0]: EpisodeLabel("success")})
    write_labels(data, {NAMES[0]: EpisodeLabel()})
    assert read_labels(data) == {}
    assert not labels_path(data).exists()


def test_the_labels_of_a_single_file_are_next_to_it(robomimic_file: Path) -> None:
    write_labels(robomimic_file, {"demo_9": EpisodeLabel(discarded=True)})
    assert labels_path(robomimic_file).name == "demo.hdf5.labels.yaml"
    assert open_episodes(robomimic_file).names == ("demo_2", "demo_10")


def test_an_outcome_and_a_task_replace_those_of_the_recording(data: Path) -> None:
    write_labels(data, {NAMES[1]: EpisodeLabel("failure", "stack")})
    read = [open_episodes(data).read(index) for index in range(3)]
    assert [one.outcome for one in read] == ["success", "failure", "success"]
    assert [one.task for one in read] == ["toy", "stack", "toy"]
    assert read[1].termination_reason == "failure"


def test_a_discarded_episode_is_left_out_of_training(data: Path) -> None:
    write_labels(data, {NAMES[1]: EpisodeLabel(discarded=True)})
    assert open_episodes(data).names == (NAMES[0], NAMES[2])
    assert open_episodes(data).read(1).seed == 2
    assert load_demonstrations(data).episodes == 2
    assert len(open_recordings(data)) == 3


def test_trimming_keeps_the_rows_between_both_times(data: Path) -> None:
    write_labels(data, {NAMES[0]: EpisodeLabel(start_s=0.5, end_s=1.2)})
    one, whole = open_episodes(data).read(0), timed(0)
    assert len(one) == 8
    np.testing.assert_array_equal(one.states, whole.states[5:13])
    np.testing.assert_array_equal(one.actions, whole.actions[5:13])
    np.testing.assert_array_equal(one.stamps_ns, whole.stamps_ns[5:13])
    np.testing.assert_array_equal(one.images["head"], whole.images["head"][5:13])


def test_limits_without_a_step_are_an_error_with_the_episode(data: Path) -> None:
    write_labels(data, {NAMES[2]: EpisodeLabel(start_s=3.5)})
    with pytest.raises(EpisodeError, match=r"episode_000002\.npz: no step from 3\.5 s"):
        open_episodes(data).read(2)


def test_one_limit_is_enough() -> None:
    assert trimmed_rows(timed(0), 2.0, None) == slice(20, 30)
    assert trimmed_rows(timed(0), None, 0.25) == slice(0, 3)
    assert len(apply_label(timed(0), EpisodeLabel(end_s=0.25))) == 3


def test_the_hash_depends_on_the_labels(data: Path) -> None:
    before = open_episodes(data).sha256()
    write_labels(data, {NAMES[0]: EpisodeLabel("failure")})
    labelled = open_episodes(data).sha256()
    write_labels(data, {NAMES[0]: EpisodeLabel("success")})
    assert len({before, labelled, open_episodes(data).sha256()}) == 3
    write_labels(data, {})
    assert open_episodes(data).sha256() == before


def test_discarding_every_episode_is_an_error(data: Path) -> None:
    write_labels(data, dict.fromkeys(NAMES, EpisodeLabel(discarded=True)))
    with pytest.raises(EpisodeError, match="all 3 episodes are discarded: restore some"):
        open_episodes(data)


def test_a_label_without_its_episode_has_no_effect_and_is_found(data: Path) -> None:
    labels = {"episode_000009.npz": EpisodeLabel("failure")}
    write_labels(data, labels)
    assert len(open_episodes(data)) == 3
    assert unused_labels(labels, NAMES) == ("episode_000009.npz",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "labels.yaml"),
        ("3", "expected a mapping"),
        ("format: 2", "format: 1"),
        ("{format: 1, episodes: [a]}", "episodes is not a mapping"),
        ("{format: 1, episodes: {a: {outcome: good}}}", "a.outcome is 'good', expected one of"),
        ("{format: 1, episodes: {a: {result: good}}}", "has no a.result"),
        ("{format: 1, episodes: {a: {start_s: 3, end_s: 2}}}", "end_s is 2, expected a time after"),
    ],
)
def test_an_invalid_file_is_an_error_with_its_path(data: Path, text: str, message: str) -> None:
    labels_path(data).write_text(text)
    with pytest.raises(EpisodeError, match=message) as caught:
        open_episodes(data)
    assert str(labels_path(data)) in str(caught.value)


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_limits_are_finite_and_not_negative(seconds: float) -> None:
    with pytest.raises(ConfigError, match="expected seconds of at least 0"):
        EpisodeLabel(start_s=seconds)


def test_limits_units_and_image_sizes_keep_the_interventions_of_the_rows(tmp_path: Path) -> None:
    flags = np.arange(30) % 7 == 3
    write_episode(episode_path(tmp_path, 0), replace(timed(0), interventions=flags))
    write_labels(tmp_path, {NAMES[0]: EpisodeLabel(start_s=0.5, end_s=2.0)})
    converted = open_episodes(tmp_path, Selection(units="deg")).read(0)
    np.testing.assert_array_equal(converted.interventions, flags[5:21])
    data = load_demonstrations(tmp_path, Selection(image_size=(12, 16)))
    np.testing.assert_array_equal(data.by_policy, ~flags[5:21])
