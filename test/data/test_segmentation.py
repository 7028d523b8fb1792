"""Episodes begin and end when they should, and are recorded in between."""

import json
import struct
from types import SimpleNamespace

import pytest

from dbp_ros.data.bag import BagTopic, read_bag
from dbp_ros.data.recorder import BagRecorder, bag_numbers, bag_path
from dbp_ros.data.segmentation import EpisodeSegmenter
from dbp_ros.errors import EpisodeError

SECOND_NS = 1_000_000_000
SOURCES = {"words": BagTopic("/words", "std_msgs/msg/String", "string data")}


class Cell:
    """A recorder with an attendance, and the time."""

    def __init__(self, folder):
        self.folder, self.now_ns = folder, 100 * SECOND_NS
        self.recorder = BagRecorder(folder, SOURCES, lambda _: None)
        self.attendance = EpisodeSegmenter(self.recorder, {"task": "toy"}, 10.0)
        self.number = 0

    def decide(self, episode, number=None):
        """Let the policy decide something a tenth of a second later."""
        self.now_ns += SECOND_NS // 10
        self.number = self.number + 1 if number is None else number
        decision = SimpleNamespace(episode=episode, number=self.number)
        self.attendance.hear(decision, self.now_ns)
        word = json.dumps([episode, self.number])
        data = b"\0\1\0\0" + struct.pack("<I", len(word) + 1) + word.encode() + b"\0"
        self.recorder.put("words", data, self.now_ns)
        self.attendance.tick(self.now_ns)

    def bags(self):
        """Return how each episode ended, and what was decided in it."""
        self.recorder.close()
        for number in bag_numbers(self.folder):
            bag = read_bag(bag_path(self.folder, number))
            words = [tuple(json.loads(m.data)) for _, m in bag.messages.get("words", [])]
            yield (bag.end.outcome, bag.end.termination_reason), words


@pytest.fixture
def cell(tmp_path):
    made = Cell(tmp_path)
    yield made
    made.recorder.close()


def test_a_new_episode_of_the_policy_is_a_new_bag(cell):
    for episode in (1, 1, 2, 2, 2):
        cell.decide(episode)
    cell.attendance.end("failure", cell.now_ns)
    (first, words), (second, more) = cell.bags()
    assert (first, second) == (("failure", "policy"), ("failure", "failure"))
    assert words == [(1, 1), (1, 2)]
    assert more[-3:] == [(2, 3), (2, 4), (2, 5)]


def test_becoming_solved_ends_an_episode_and_staying_so_ends_none(cell):
    cell.attendance.see_success(True, cell.now_ns)
    cell.decide(1)
    cell.attendance.see_success(True, cell.now_ns)
    assert cell.recorder.recording
    cell.attendance.see_success(False, cell.now_ns)
    cell.decide(1)
    cell.attendance.see_success(True, cell.now_ns)
    cell.decide(1)
    assert not cell.recorder.recording
    ((end, words),) = cell.bags()
    assert end == ("success", "success")
    assert words == [(1, 1), (1, 2)]


def test_time_is_up_after_the_limit(cell):
    for _ in range(200):
        cell.decide(1)
    ((end, words),) = cell.bags()
    assert end == ("failure", "time_limit")
    assert len(words) == 102


def test_a_policy_that_counts_anew_has_begun_anew(cell):
    for number in (5, 6, 1, 2):
        cell.decide(1, number)
    cell.attendance.end("success", cell.now_ns)
    assert [end for end, _ in cell.bags()] == [("failure", "policy"), ("success", "success")]


def test_an_operator_begins_and_ends(cell):
    cell.attendance.begin(cell.now_ns)
    with pytest.raises(EpisodeError, match="an episode goes on"):
        cell.attendance.begin(cell.now_ns)
    cell.decide(1)
    cell.attendance.end("success", cell.now_ns)
    with pytest.raises(EpisodeError, match="no episode goes on"):
        cell.attendance.end("failure", cell.now_ns)
    ((end, words),) = cell.bags()
    assert end == ("success", "success")
    assert words == [(1, 1)]
    assert cell.attendance.ended == {"success": 1}


def test_an_episode_that_is_cut_short_ends_in_no_final_state(cell):
    cell.decide(1)
    cell.attendance.cut_short(cell.now_ns)
    with pytest.raises(EpisodeError, match="no episode goes on"):
        cell.attendance.cut_short(cell.now_ns)
    cell.decide(1)
    ((end, words),) = cell.bags()
    assert end == ("failure", "operator")
    assert words == [(1, 1)]


def test_an_episode_that_an_operator_begins_is_the_next_one_of_the_policy(cell):
    cell.decide(1)
    cell.attendance.cut_short(cell.now_ns)
    cell.attendance.begin(cell.now_ns)
    cell.decide(2)
    cell.attendance.end("success", cell.now_ns)
    assert [end for end, _ in cell.bags()] == [("failure", "operator"), ("success", "success")]


def test_what_an_operator_has_ended_is_on_the_disk_whatever_dies_next(cell):
    cell.decide(1)
    cell.attendance.end("success", cell.now_ns)
    assert read_bag(bag_path(cell.folder, 1)).end.outcome == "success"


def test_an_operator_is_told_where_the_end_cannot_be_written(cell):
    cell.recorder.close()
    cell.attendance.begin(cell.now_ns)
    with pytest.raises(EpisodeError, match="was not written in 2 s"):
        cell.attendance.end("success", cell.now_ns)
