"""Segmentation of a robot's topics into recorded episodes."""

import json
import struct
from types import SimpleNamespace

import pytest

from dbp_ros.data.bags.bag import BagTopic, read_bag
from dbp_ros.data.recording.recorder import BagRecorder, bag_numbers, bag_path
from dbp_ros.data.recording.segmentation import EpisodeSegmenter
from dbp_ros.errors import EpisodeError
from dbp_ros.guard_state import GuardMode, GuardState

TRACKING, DISABLED = GuardState(GuardMode.TRACKING), GuardState(GuardMode.DISABLED)
STOPPED = GuardState(GuardMode.STOPPED, "left_elbow_joint is 0.51 away from its command")
SECOND_NS = 1_000_000_000
TOPICS = {"words": BagTopic("/words", "std_msgs/msg/String", "string data")}


class Cell:
    """Recorder with a segmenter and a clock."""

    def __init__(self, folder):
        self.folder, self.now_ns = folder, 100 * SECOND_NS
        self.recorder = BagRecorder(folder, TOPICS, lambda _: None)
        self.segmenter = EpisodeSegmenter(self.recorder, {"task": "toy"}, 10.0)
        self.segmenter.on_guard_state(TRACKING, self.now_ns)
        self.number = 0

    def step(self, episode, number=None):
        """Record a policy step a tenth of a second later."""
        self.now_ns += SECOND_NS // 10
        self.number = self.number + 1 if number is None else number
        step = SimpleNamespace(episode=episode, number=self.number)
        self.segmenter.on_policy_step(step, self.now_ns)
        word = json.dumps([episode, self.number])
        data = b"\0\1\0\0" + struct.pack("<I", len(word) + 1) + word.encode() + b"\0"
        self.recorder.record("words", data, self.now_ns)
        self.segmenter.tick(self.now_ns)

    def bags(self):
        """Yield the end and the policy steps of each episode."""
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
        cell.step(episode)
    cell.segmenter.end("failure", cell.now_ns)
    (first, words), (second, more) = cell.bags()
    assert (first, second) == (("failure", "policy"), ("failure", "failure"))
    assert words == [(1, 1), (1, 2)]
    assert more[-3:] == [(2, 3), (2, 4), (2, 5)]


def test_only_a_change_to_success_ends_an_episode(cell):
    cell.segmenter.on_success(True, cell.now_ns)
    cell.step(1)
    cell.segmenter.on_success(True, cell.now_ns)
    assert cell.recorder.recording
    cell.segmenter.on_success(False, cell.now_ns)
    cell.step(1)
    cell.segmenter.on_success(True, cell.now_ns)
    cell.step(1)
    assert not cell.recorder.recording
    ((end, words),) = cell.bags()
    assert end == ("success", "success")
    assert words == [(1, 1), (1, 2)]


def test_an_episode_ends_at_its_time_limit(cell):
    for _ in range(200):
        cell.step(1)
    ((end, words),) = cell.bags()
    assert end == ("failure", "time_limit")
    assert len(words) == 102


def test_a_restarted_step_counter_starts_an_episode(cell):
    for number in (5, 6, 1, 2):
        cell.step(1, number)
    cell.segmenter.end("success", cell.now_ns)
    assert [end for end, _ in cell.bags()] == [("failure", "policy"), ("success", "success")]


def test_an_operator_starts_and_ends_an_episode(cell):
    cell.segmenter.begin(cell.now_ns)
    with pytest.raises(EpisodeError, match="an episode is already running"):
        cell.segmenter.begin(cell.now_ns)
    cell.step(1)
    cell.segmenter.end("success", cell.now_ns)
    with pytest.raises(EpisodeError, match="no episode is running"):
        cell.segmenter.end("failure", cell.now_ns)
    ((end, words),) = cell.bags()
    assert end == ("success", "success")
    assert words == [(1, 1)]
    assert cell.segmenter.ended == {"success": 1}


def test_a_truncated_episode_ends_without_a_terminal_state(cell):
    cell.step(1)
    cell.segmenter.truncate(cell.now_ns)
    with pytest.raises(EpisodeError, match="no episode is running"):
        cell.segmenter.truncate(cell.now_ns)
    cell.step(1)
    ((end, words),) = cell.bags()
    assert end == ("failure", "operator")
    assert words == [(1, 1)]


def test_an_episode_of_an_operator_contains_the_next_steps_of_the_policy(cell):
    cell.step(1)
    cell.segmenter.truncate(cell.now_ns)
    cell.segmenter.begin(cell.now_ns)
    cell.step(2)
    cell.segmenter.end("success", cell.now_ns)
    assert [end for end, _ in cell.bags()] == [("failure", "operator"), ("success", "success")]


def test_end_returns_when_the_bag_is_on_the_disk(cell):
    cell.step(1)
    cell.segmenter.end("success", cell.now_ns)
    assert read_bag(bag_path(cell.folder, 1)).end.outcome == "success"


def test_an_end_that_cannot_be_written_raises(cell):
    cell.recorder.close()
    cell.segmenter.begin(cell.now_ns)
    with pytest.raises(EpisodeError, match="was not written within 2 s"):
        cell.segmenter.end("success", cell.now_ns)


def test_without_control_nothing_is_recorded(cell):
    cell.segmenter.on_guard_state(DISABLED, cell.now_ns)
    for _ in range(3):
        cell.step(1)
    assert not cell.recorder.recording
    assert cell.segmenter.waiting_for == "control: call guard/enable_control (dbp enable)"
    cell.segmenter.on_guard_state(TRACKING, cell.now_ns)
    cell.step(1)
    assert cell.segmenter.waiting_for == ""
    cell.segmenter.end("success", cell.now_ns)
    ((_, words),) = cell.bags()
    assert words[-1] == (1, 4)


@pytest.mark.parametrize("state", [DISABLED, STOPPED, GuardState()])
def test_an_episode_ends_with_control_and_the_next_starts_with_it(cell, state):
    cell.step(1)
    cell.segmenter.on_guard_state(state, cell.now_ns)
    assert not cell.segmenter.over
    cell.step(1)
    cell.segmenter.on_guard_state(TRACKING, cell.now_ns)
    cell.step(1)
    cell.segmenter.end("success", cell.now_ns)
    assert [end for end, _ in cell.bags()] == [("failure", "control"), ("success", "success")]


def test_after_its_end_an_episode_is_over_until_the_next_one(cell):
    assert cell.segmenter.waiting_for.startswith("a decision of the policy")
    cell.step(1)
    cell.segmenter.end("success", cell.now_ns)
    assert cell.segmenter.episode_over == 1
    assert cell.segmenter.waiting_for.startswith("the next episode: dbp episode begin")
    cell.step(1)
    assert not cell.recorder.recording
    cell.step(2)
    assert cell.recorder.recording
    assert cell.segmenter.episode_over == 0


def test_an_episode_of_an_operator_waits_for_control(cell):
    cell.segmenter.on_guard_state(DISABLED, cell.now_ns)
    assert cell.segmenter.begin(cell.now_ns).startswith("waiting for control")
    cell.segmenter.on_guard_state(TRACKING, cell.now_ns)
    cell.step(1)
    assert cell.recorder.recording
