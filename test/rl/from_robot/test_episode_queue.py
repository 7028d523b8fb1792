"""Deliveries of the episodes of several robots."""

import os
from pathlib import Path

import pytest

from dbp_ros.data.recording.recorder import LOCK, bag_path
from dbp_ros.errors import TrainingError
from dbp_ros.files import locked
from dbp_ros.rl.from_robot.episode_queue import OWN, EpisodeQueue


def record(folder: Path, robot: str, number: int, at_s: int) -> None:
    path = bag_path(folder / robot, number)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (at_s, at_s))


def queue(folder: Path, acknowledged: dict[str, int] | None = None, capacity: int = 9):
    return EpisodeQueue(folder, folder.parent / "taken.json", acknowledged or {}, capacity)


@pytest.fixture
def episodes(tmp_path: Path) -> Path:
    return tmp_path / "episodes"


def test_the_episodes_of_all_robots_arrive_in_the_order_of_their_ends(episodes: Path) -> None:
    record(episodes, OWN, 1, at_s=10)
    record(episodes, "cell_2", 1, at_s=5)
    record(episodes, OWN, 2, at_s=20)
    record(episodes, "cell_3", 7, at_s=15)
    found = queue(episodes)
    assert list(found.new_episodes()) == [("cell_2", 1), (OWN, 1), ("cell_3", 7), (OWN, 2)]
    assert found.last == {OWN: 2, "cell_2": 1, "cell_3": 7}
    record(episodes, "cell_4", 1, at_s=30)
    assert list(found.new_episodes()) == [("cell_4", 1)]


def test_deliveries_are_repeated_after_a_restart_until_they_are_acknowledged(
    episodes: Path,
) -> None:
    record(episodes, OWN, 1, at_s=1)
    record(episodes, "cell_2", 1, at_s=2)
    record(episodes, "cell_2", 2, at_s=3)
    first = queue(episodes)
    delivered = list(first.new_episodes())
    again = queue(episodes, {"cell_2": 1})
    assert list(again.new_episodes()) == [one for one in delivered if one != ("cell_2", 1)]
    again.acknowledge()
    assert list(queue(episodes, again.last).new_episodes()) == []


def test_an_acknowledgement_during_the_repeats_does_not_lose_the_remaining_ones(
    episodes: Path,
) -> None:
    for number in (1, 2):
        record(episodes, OWN, number, at_s=number)
    list(queue(episodes).new_episodes())
    again = queue(episodes)
    deliveries = again.new_episodes()
    assert next(deliveries) == (OWN, 1)
    again.acknowledge()
    record(episodes, OWN, 3, at_s=3)
    assert list(deliveries) == [(OWN, 2), (OWN, 3)]
    assert list(queue(episodes, {OWN: 1}).new_episodes()) == [(OWN, 2), (OWN, 3)]


def test_a_robot_is_active_while_it_runs_or_after_a_new_episode(episodes: Path) -> None:
    for robot in (OWN, "cell_2", "cell_3"):
        record(episodes, robot, 1, at_s=1)
    found = queue(episodes)
    assert found.active_robots({}) == []
    list(found.new_episodes())
    assert found.active_robots({OWN: 1, "cell_2": 1}) == ["cell_3"]
    with locked(episodes / "cell_2" / LOCK, 0.0):
        assert found.active_robots(found.last) == ["cell_2"]
    assert found.active_robots(found.last) == []


def test_the_oldest_episodes_of_each_robot_are_skipped_beyond_the_capacity(episodes: Path) -> None:
    for number in range(1, 5):
        record(episodes, OWN, number, at_s=number)
    record(episodes, "cell_2", 1, at_s=9)
    found = queue(episodes, capacity=2)
    assert list(found.new_episodes()) == [(OWN, 3), (OWN, 4), ("cell_2", 1)]
    assert found.skipped == 2


def test_a_damaged_journal_is_an_error(tmp_path: Path, episodes: Path) -> None:
    (tmp_path / "taken.json").write_text("[3]")
    with pytest.raises(TrainingError, match=r"taken\.json cannot be read .*: delete it"):
        queue(episodes)


def test_after_all_bags_were_deleted_the_new_numbering_is_followed(episodes: Path) -> None:
    for number in (1, 2):
        record(episodes, OWN, number, at_s=number)
    found = queue(episodes, {OWN: 300})
    assert list(found.new_episodes()) == [(OWN, 1), (OWN, 2)]
    assert found.last == {OWN: 2}


def test_files_in_the_folder_are_no_robots(episodes: Path) -> None:
    assert queue(episodes).robots == [OWN]
    record(episodes, OWN, 1, at_s=1)
    record(episodes, "cell_2", 1, at_s=1)
    assert queue(episodes).robots == [OWN, "cell_2"]
