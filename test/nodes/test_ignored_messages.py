"""Ignored messages: each cause is logged once, at any message rate."""

import pytest

from dbp_ros.nodes.ignored_messages import (
    MAX_CAUSES,
    REPORTED_NS,
    WARNING_INTERVAL_NS,
    IgnoredMessages,
)
from dbp_ros.types import NS_PER_S


class Clock:
    """A clock that the test sets."""

    now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def warned() -> list[str]:
    return []


@pytest.fixture
def ignored(clock: Clock, warned: list[str]) -> IgnoredMessages:
    return IgnoredMessages(warned.append, clock)


def test_a_cause_is_logged_once_and_every_message_is_counted(clock, warned, ignored):
    for _ in range(1000):
        clock.now_ns += NS_PER_S // 20
        ignored.add("model", "no JSON")
    assert warned == ["model: ignored a message: no JSON"]
    assert ignored.counts == {"model": 1000}


def test_another_cause_is_logged_later_and_another_topic_at_once(clock, warned, ignored):
    ignored.add("model", "no JSON")
    ignored.add("decision", "no JSON")
    ignored.add("model", "a list")
    assert len(warned) == 2
    clock.now_ns += WARNING_INTERVAL_NS
    ignored.add("model", "a list")
    assert warned[2] == "model: ignored a message: a list"


def test_ever_new_causes_are_logged_at_a_low_rate(clock, warned, ignored):
    for number in range(100 * MAX_CAUSES):
        clock.now_ns += WARNING_INTERVAL_NS // 100
        ignored.add("model", f"number {number}")
    assert MAX_CAUSES / 2 <= len(warned) <= MAX_CAUSES + 1


def test_the_state_has_one_stable_cause_per_topic(clock, ignored):
    assert ignored.problem == ""
    for number in range(100):
        clock.now_ns += REPORTED_NS // 10
        ignored.add("model", f"number {number}")
        assert ignored.problem == "model: ignoring messages: number 0"
    clock.now_ns += REPORTED_NS
    assert ignored.problem == ""
    ignored.add("model", "no JSON")
    assert ignored.problem == "model: ignoring messages: no JSON"
