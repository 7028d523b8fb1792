from pathlib import Path

import numpy as np
import pytest
from demonstrations import CAMERAS, write_demonstration

from dbp_ros.data.formats import open_episodes
from dbp_ros.data.labels import LABELS_FILE, EpisodeLabel, read_labels, write_labels
from dbp_ros.errors import EpisodeError
from dbp_ros.teach.opened_episode import reduced
from dbp_ros.teach.review import EpisodeReview


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, outcome in ((1, "success"), (2, "failure"), (3, "success")):
        write_demonstration(tmp_path, number, outcome)
    return tmp_path


def name(number: int) -> str:
    return f"episode_{number:06d}.mcap"


def test_the_list_has_number_length_and_outcome_of_each_episode(folder: Path) -> None:
    entries = EpisodeReview(folder).episodes()
    assert [(one.number, one.outcome, one.task) for one in entries] == [
        (1, "success", "toy"),
        (2, "failure", "toy"),
        (3, "success", "toy"),
    ]
    assert entries[0].duration_s == pytest.approx(44 / 30, abs=0.01)
    assert [one.usable for one in entries] == [True, False, True]


def test_a_folder_without_recordings_has_an_empty_list(tmp_path: Path) -> None:
    assert EpisodeReview(tmp_path).episodes() == ()


def test_the_image_and_the_positions_are_those_of_the_time(folder: Path) -> None:
    episode = EpisodeReview(folder).open(name(1))
    assert episode.cameras == CAMERAS
    for step in (0, 10, 40):
        time_s = step / 30 + 0.001
        assert (episode.image("wrist", time_s) == step).all()
        expected = 0.3 * np.sin(3 * step / 44 + 0.1) * np.array([1.0, 0.5, 0.05])
        np.testing.assert_allclose(episode.positions(time_s), expected, atol=1e-6)


def test_a_large_image_is_reduced_to_the_width_of_the_page() -> None:
    assert reduced(np.zeros((480, 640, 3), np.uint8)).shape == (160, 214, 3)
    assert reduced(np.zeros((84, 84, 3), np.uint8)).shape == (84, 84, 3)


def test_a_label_changes_the_outcome_and_what_training_reads(folder: Path) -> None:
    review = EpisodeReview(folder)
    review.label(name(2), "success")
    review.discard(name(3))
    review.trim(name(1), 0.5, 1.0)
    entries = review.episodes()
    assert [one.usable for one in entries] == [True, True, False]
    assert entries[0].trimmed
    assert entries[0].duration_s == pytest.approx(0.5)
    data = open_episodes(folder)
    assert data.names == (name(1), name(2))
    assert len(data.read(0)) == 15


def test_a_discarded_episode_stays_on_the_disk_and_can_be_restored(folder: Path) -> None:
    review = EpisodeReview(folder)
    review.discard(name(1))
    assert (folder / name(1)).is_file()
    review.discard(name(1), discarded=False)
    assert review.episodes()[0].usable


def test_undo_takes_back_the_changes_in_reverse_order(folder: Path) -> None:
    review = EpisodeReview(folder)
    review.label(name(1), "failure")
    review.discard(name(1))
    review.undo()
    assert read_labels(folder)[name(1)].discarded is False
    assert read_labels(folder)[name(1)].outcome == "failure"
    review.undo()
    assert not (folder / LABELS_FILE).exists()
    with pytest.raises(EpisodeError, match="no change to take back"):
        review.undo()


def test_undo_leaves_the_labels_of_other_commands_in_place(folder: Path) -> None:
    review = EpisodeReview(folder)
    review.label(name(1), "failure")
    write_labels(folder, {**read_labels(folder), name(2): EpisodeLabel(task="other")})
    review.undo()
    assert read_labels(folder) == {name(2): EpisodeLabel(task="other")}


def test_a_failed_undo_can_be_repeated(folder: Path) -> None:
    review = EpisodeReview(folder)
    review.label(name(1), "failure")
    (folder / LABELS_FILE).write_text("damaged")
    with pytest.raises(EpisodeError, match="correct the file"):
        review.undo()
    (folder / LABELS_FILE).unlink()
    review.label(name(1), "failure")
    review.undo()
    review.undo()
    assert read_labels(folder) == {}


def test_limits_that_leave_no_step_are_refused(folder: Path) -> None:
    review = EpisodeReview(folder)
    with pytest.raises(EpisodeError, match="no step"):
        review.trim(name(1), 5.0, 6.0)
    assert read_labels(folder) == {}


def test_a_damaged_recording_is_listed_with_its_error(folder: Path) -> None:
    path = folder / name(2)
    path.write_bytes(path.read_bytes()[:2000])
    entry = EpisodeReview(folder).episodes()[1]
    assert not entry.usable
    assert "damaged" in entry.error


def test_a_label_of_a_missing_episode_is_refused(folder: Path) -> None:
    with pytest.raises(EpisodeError, match="does not exist"):
        EpisodeReview(folder).discard("episode_000009.mcap")
