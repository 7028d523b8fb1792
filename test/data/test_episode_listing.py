"""Properties of episodes for a table, names on a command line, and limits of motion."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy_episodes import episode

from dbp_ros.cli.episodes_list import totals
from dbp_ros.data.editing.episode_names import find_episodes
from dbp_ros.data.editing.motion_limits import MARGIN_S, motion_limits
from dbp_ros.data.episode import episode_path, write_episode
from dbp_ros.data.labels import EpisodeLabel, write_labels
from dbp_ros.data.selection import Selection
from dbp_ros.data.survey.column_groups import group_columns
from dbp_ros.data.survey.episode_listing import list_episodes
from dbp_ros.data.survey.survey import survey
from dbp_ros.data.units import BY_NAME, ColumnUnits
from dbp_ros.errors import EpisodeError
from dbp_ros.settings.robot_files import read_robot

TOY = ("episode_000000.npz", "episode_000001.npz", "episode_000012.npz")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for index in range(3):
        one = episode(index, 10, step_s=0.1, stamps_ns=100_000_000 * np.arange(10))
        write_episode(episode_path(tmp_path / "set", index), one)
    return tmp_path / "set"


def test_an_entry_has_the_label_applied(data: Path) -> None:
    labels = {
        TOY[0]: EpisodeLabel("failure", "stack", end_s=0.45),
        TOY[1]: EpisodeLabel(discarded=True),
        "removed": EpisodeLabel("success"),
    }
    write_labels(data, labels)
    listing = list_episodes(data)
    first, second, _ = listing.episodes
    assert (first.outcome, first.task, first.steps) == ("failure", "stack", 5)
    assert (first.trimmed, first.discarded) == (True, False)
    assert first.duration_s == pytest.approx(0.5)
    assert (second.discarded, second.steps, second.rate_hz) == (True, 10, 10.0)
    assert first.size_bytes == episode_path(data, 0).stat().st_size
    assert listing.unused_labels == ("removed",)
    assert listing.cameras == {"head": (24, 32), "wrist": (24, 32)}


def test_the_cameras_of_each_episode_are_read_on_request(data: Path) -> None:
    write_episode(episode_path(data, 2), replace(episode(2), images={}))
    assert [one.cameras for one in list_episodes(data).episodes] == [None] * 3
    assert [len(one.cameras or {}) for one in list_episodes(data, images=True).episodes] == [
        2,
        2,
        0,
    ]


def test_an_unreadable_episode_has_its_error(data: Path) -> None:
    episode_path(data, 0).write_bytes(b"damaged")
    counted: list[int] = []
    first, second, _ = list_episodes(data, on_listed=counted.append).episodes
    assert "is not a complete episode" in first.error
    assert not second.error
    assert counted == [3, 3, 3]


@pytest.mark.parametrize("fixture", ["robomimic_file", "lerobot_folder", "replay_buffer"])
def test_other_formats_are_listed(fixture: str, request: pytest.FixtureRequest) -> None:
    listing = list_episodes(request.getfixturevalue(fixture))
    assert sorted(one.steps for one in listing.episodes) == [3, 4, 5]
    assert all(one.size_bytes is None for one in listing.episodes)
    assert len(listing.cameras) == 1
    assert listing.size_bytes > 1000


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (["episode_000001.npz"], [1]),
        (["episode_000001"], [1]),
        (["12", "0"], [2, 0]),
        (["0-11", "1"], [0, 1]),
    ],
)
def test_an_episode_is_found_by_name_number_or_range(given: list[str], found: list[int]) -> None:
    assert find_episodes(given, TOY, "data") == [TOY[index] for index in found]


def test_numbers_find_the_episodes_of_other_formats() -> None:
    assert find_episodes(["9"], ("demo_2", "demo_9"), "data") == ["demo_9"]
    assert find_episodes(["1"], ("episode 0", "episode 1"), "data") == ["episode 1"]


def test_a_range_leaves_out_discarded_episodes_also_at_its_end() -> None:
    assert find_episodes(["0-12"], TOY[:2], "data", discarded=TOY[2:]) == [*TOY[:2]]
    with pytest.raises(EpisodeError, match="data: the label of 12 discards it: restore it"):
        find_episodes(["12"], TOY[:2], "data", discarded=TOY[2:])


def test_an_empty_name_is_no_episode() -> None:
    with pytest.raises(EpisodeError, match="data has no episode ''"):
        find_episodes(["0", ""], ("episode 0", "episode 1"), "data")


@pytest.mark.parametrize("given", ["3", "7-9", "0-13", "2-1", "-1", "demo_0", ""])
def test_an_unknown_episode_is_refused_with_those_that_exist(given: str) -> None:
    with pytest.raises(EpisodeError, match=r"it has episode_000000\.npz, episode_000001"):
        find_episodes([given], TOY, "data")


def moving_between(start: int, end: int, steps: int = 100):
    rng = np.random.default_rng(0)
    one = episode(0, steps, step_s=0.1, stamps_ns=100_000_000 * np.arange(steps), images={})
    states = 1e-3 * rng.standard_normal((steps, 3))
    states[:, 0] += np.clip((np.arange(steps) - start) / (end - start), 0, 1)
    return replace(one, states=states.astype(np.float32))


def test_the_limits_of_motion_ignore_noise_and_have_a_margin() -> None:
    start_s, end_s = motion_limits(moving_between(20, 70))
    assert start_s == pytest.approx(2.0 - MARGIN_S, abs=0.21)
    assert end_s == pytest.approx(7.0 + MARGIN_S, abs=0.21)


def test_motion_from_the_first_to_the_last_step_is_not_cut() -> None:
    assert motion_limits(moving_between(0, 99)) == pytest.approx((0.0, 9.9), abs=0.25)


def test_an_episode_without_motion_has_no_limits() -> None:
    with pytest.raises(EpisodeError, match="no joint moves"):
        motion_limits(replace(moving_between(0, 99), states=np.ones((100, 3), np.float32)))


def test_columns_are_grouped_by_side_gripper_and_key() -> None:
    names = (
        "left_elbow_joint",
        "right_elbow_joint",
        "left_gripper_joint",
        "eef_pos.0",
        "eef_pos.1",
    )
    groups = [(g.title, g.unit, len(g.columns)) for g in group_columns(names, BY_NAME)]
    assert groups == [
        ("left joints", "rad", 1),
        ("right joints", "rad", 1),
        ("eef_pos", "", 2),
        ("grippers", "m", 1),
    ]


def test_columns_are_grouped_by_the_arms_of_a_robot() -> None:
    robot, units = read_robot("ur5e_dual"), ColumnUnits.of_robot("ur5e_dual")
    groups = group_columns(robot.joints, units, robot)
    assert [(g.title, len(g.columns)) for g in groups] == [
        ("arm left", 6),
        ("arm right", 6),
        ("grippers", 2),
    ]


def test_a_large_group_is_divided() -> None:
    groups = group_columns([f"object.{index}" for index in range(20)], BY_NAME)
    assert [g.title for g in groups] == [f"object ({k} of 3)" for k in (1, 2, 3)]
    assert sum(len(g.columns) for g in groups) == 20


def test_interventions_are_counted_in_episodes_of_a_policy(tmp_path: Path) -> None:
    flags = (None, np.arange(9) < 3, np.zeros(9, bool))
    for index, one in enumerate(flags):
        write_episode(episode_path(tmp_path, index), episode(index, interventions=one))
    listing = list_episodes(tmp_path)
    assert [entry.intervention_steps for entry in listing.episodes] == [None, 3, 0]
    assert "interventions: 3 of 18 steps (16.7%) in 2 episodes of a policy" in totals(listing)
    assert survey(tmp_path, Selection(), 3).intervention_share == pytest.approx(3 / 18)
