"""Joint states of several publishers: merging, missing joints, conflicts."""

import numpy as np
import pytest

from dbp_ros.sensing.joint_states import (
    CONFLICT_NS,
    JointReadings,
    JointStateMerger,
    PublisherConflictDetector,
)

JOINTS = ("left_elbow", "left_gripper", "right_elbow", "right_gripper")
LEFT, RIGHT = np.array([0, 1]), np.array([2, 3])
MS = 1_000_000


def readings(indices, positions, stamp_ns):
    return JointReadings(np.asarray(indices), np.asarray(positions, float), stamp_ns)


@pytest.fixture
def merger():
    return JointStateMerger(JOINTS)


def test_two_drivers_give_one_state_with_the_age_of_the_older(merger):
    assert merger.add(readings(LEFT, [1.0, 2.0], 10), 100) is None
    states = merger.add(readings(RIGHT, [3.0, 4.0], 15), 105)
    assert states.positions.tolist() == [1.0, 2.0, 3.0, 4.0]
    assert (states.stamp_ns, states.arrival_ns) == (10, 100)


def test_joints_that_were_not_received_are_reported(merger):
    assert merger.missing == JOINTS
    merger.add(readings(LEFT, [1.0, 2.0], 10), 100)
    assert merger.missing == ("right_elbow", "right_gripper")
    assert merger.latest() is None
    assert not merger.complete


def test_joints_of_a_driver_that_stops_become_stale(merger):
    merger.add(readings(LEFT, [1.0, 2.0], 10), 100)
    merger.add(readings(RIGHT, [3.0, 4.0], 10), 100)
    for k in range(1, 100):
        assert merger.add(readings(LEFT, [1.0 + k, 2.0], 10 + k), 100 + k) is None
    assert merger.stale(200, 50) == ("right_elbow", "right_gripper")
    assert merger.latest().arrival_ns == 100
    assert merger.latest().positions[0] == 100.0


def test_missing_and_stale_joints_are_reported_in_a_sentence(merger):
    merger.add(readings(LEFT, [1.0, 2.0], 10), 100)
    assert merger.problem(100, 50) == "joint_states lacks right_elbow, right_gripper"
    merger.add(readings(RIGHT, [3.0, 4.0], 10), 100)
    assert merger.problem(100, 50) == ""
    merger.add(readings(LEFT, [1.0, 2.0], 20), 200)
    assert merger.problem(200, 50).startswith("joint_states lacks right_elbow, right_gripper: not")


def test_results_of_alternating_drivers_have_unique_stamps(merger):
    stamps = []
    for k in range(50):
        side = LEFT if k % 2 else RIGHT
        states = merger.add(readings(side, [k, k], 10 + k), 100 + k)
        stamps += [states.stamp_ns] if states else []
    assert stamps == sorted(set(stamps))
    assert len(stamps) == 49


def test_a_result_does_not_change_when_later_messages_arrive(merger):
    merger.add(readings(LEFT, [1.0, 2.0], 10), 100)
    states = merger.add(readings(RIGHT, [3.0, 4.0], 10), 100)
    merger.add(readings(LEFT, [7.0, 8.0], 20), 110)
    assert states.positions.tolist() == [1.0, 2.0, 3.0, 4.0]


ALL = frozenset(range(4))


def add_messages(conflict, *publishers, until_ms=100, parts=(ALL, ALL)):
    """Add the messages of publishers, given as (period, phase, first number), in order of time."""
    events = sorted(
        (phase + k * period, number + k, index)
        for index, (period, phase, number) in enumerate(publishers)
        for k in range(until_ms)
        if phase + k * period < until_ms
    )
    for at_ms, number, index in events:
        conflict.add(parts[index], number, at_ms * MS)
    return conflict.detected(until_ms * MS)


def test_one_publisher_with_lost_messages_is_not_a_conflict():
    conflict = PublisherConflictDetector()
    for number in (1, 2, 3, 90, 91, 500, 501):
        conflict.add(ALL, number, number * MS)
    assert not conflict.detected(501 * MS)


def test_a_restarted_publisher_is_not_a_conflict():
    conflict = PublisherConflictDetector()
    for k, number in enumerate([800, 801, 802, 1, 2, 3, 4]):
        conflict.add(ALL, number, k * MS)
    assert not conflict.detected(7 * MS)


def test_joints_of_a_restarted_publisher_are_returned():
    detector = PublisherConflictDetector()
    left, right = frozenset({0, 1}), frozenset({2, 3})
    for number in range(1, 50):
        assert not detector.add(left, number, number * MS)
        assert not detector.add(right, 100 + number, number * MS)
    # The other publisher continues after its gap.
    assert detector.add(left, 1, 300 * MS) == left
    assert not detector.add(right, 150, 300 * MS)
    assert not detector.add(left, 2, 301 * MS)


def test_a_restart_after_a_long_silence_is_detected_within_the_memory():
    for memory_s, expected in ((5.0, ALL), (1.0, frozenset())):
        detector = PublisherConflictDetector(round(memory_s * 1e9))
        for number in range(1000, 1050):
            detector.add(ALL, number, number * MS)
        assert detector.add(ALL, 1, 3500 * MS) == expected


def test_both_of_two_restarted_publishers_are_detected():
    detector = PublisherConflictDetector()
    left, right = frozenset({0, 1}), frozenset({2, 3})
    for k in range(100):
        detector.add(left, 50_000 + k, k * MS)
        detector.add(right, 40_000 + k, k * MS)
    restarted = [
        detector.add(parts, number, (400 + k) * MS)
        for k, (parts, number) in enumerate([(right, 4), (left, 5), (right, 5), (left, 6)])
    ]
    assert restarted == [right, left, frozenset(), frozenset()]


def test_a_long_gap_of_one_publisher_is_not_a_restart():
    detector = PublisherConflictDetector()
    detector.add(ALL, 1, 0)
    assert not detector.add(ALL, 5000, 900 * MS)


def test_a_second_publisher_is_not_a_restart():
    detector = PublisherConflictDetector()
    for number in range(100, 150):
        assert not detector.add(ALL, number, number * MS)
        assert not detector.add(ALL, number - 99, number * MS)


@pytest.mark.parametrize("lost", [None, 29, 30, 31])
def test_a_restarted_publisher_may_reach_its_old_numbers(lost):
    conflict = PublisherConflictDetector()
    numbers = [*range(1, 31), *(number for number in range(1, 61) if number != lost)]
    for k, number in enumerate(numbers):
        conflict.add(ALL, number, k * MS)
    assert not conflict.detected(len(numbers) * MS)


@pytest.mark.parametrize("first", [1, 2, 3, 50, 5000])
@pytest.mark.parametrize("phase", [0, 1, 3, 50])
def test_two_publishers_of_the_same_joints_conflict_at_any_numbers(first, phase):
    assert add_messages(PublisherConflictDetector(), (4, 0, 1), (4, phase, first))


@pytest.mark.parametrize("first", [1, 2, 3, 50, 5000])
@pytest.mark.parametrize("phase", [0, 1, 3, 50])
def test_two_publishers_of_different_joints_are_not_a_conflict(first, phase):
    parts = (frozenset({0, 1}), frozenset({2, 3}))
    assert not add_messages(PublisherConflictDetector(), (4, 0, 1), (4, phase, first), parts=parts)


def test_a_publisher_of_all_joints_conflicts_with_a_publisher_of_some_joints():
    conflict = PublisherConflictDetector()
    assert add_messages(conflict, (4, 0, 1), (4, 1, 9), parts=(ALL, frozenset({2, 3})))
    assert conflict.conflicting == {2, 3}


def test_a_publisher_with_varying_joints_is_not_a_conflict():
    conflict = PublisherConflictDetector()
    for number, parts in enumerate([ALL, ALL, frozenset({2}), ALL, frozenset({1, 2}), ALL, ALL]):
        conflict.add(parts, number, number * MS)
    assert not conflict.detected(7 * MS)


def test_a_conflict_ends_a_second_after_the_second_publisher():
    conflict = PublisherConflictDetector()
    add_messages(conflict, (4, 0, 1), (4, 1, 70))
    assert conflict.detected(100 * MS + CONFLICT_NS - 10 * MS)
    assert not conflict.detected(100 * MS + CONFLICT_NS)


def test_messages_without_sequence_numbers_are_not_a_conflict():
    conflict = PublisherConflictDetector()
    for k in range(20):
        conflict.add(ALL, None, k * MS)
    assert not conflict.detected(20 * MS)


def test_every_message_of_a_driver_without_stamps_gives_a_result(merger):
    merger.add(readings(LEFT, [1.0, 2.0], 0), 100)
    for k in range(1, 5):
        states = merger.add(readings(RIGHT, [3.0, 4.0], 10 + k), 100 + k)
        assert (states.stamp_ns, states.arrival_ns) == (0, 100)
        states = merger.add(readings(LEFT, [1.0, 2.0], 0), 100)
        assert states.stamp_ns == 0
