"""Chunks with invalid stamps are refused with the cause, in simulation time."""

from dataclasses import replace

import numpy as np
import pytest

from dbp_ros.motion.chunk_check import ChunkCheck
from dbp_ros.motion.limits import Limits
from dbp_ros.runtime.stamps import NO_CLOCK_NS
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.types import NS_PER_S, ActionChunk

MS = 1_000_000
NOW_NS = 400_000 * NS_PER_S


@pytest.fixture
def check() -> ChunkCheck:
    config = GuardConfig()
    return ChunkCheck("action_chunk", config.joints, Limits.from_config(config), config)


def chunk(stamp_ns: int) -> ActionChunk:
    due_ns = stamp_ns + 33 * MS * np.arange(1, 5)
    return ActionChunk(np.zeros((4, len(GuardConfig.joints))), due_ns, stamp_ns)


@pytest.mark.parametrize(
    ("stamp_ns", "words"),
    [
        (NOW_NS - 1_790_000_000 * NS_PER_S, "action_chunk's stamps are of another clock"),
        (NOW_NS + 1_790_000_000 * NS_PER_S, "action_chunk's stamps are of another clock"),
        (NOW_NS - 10 * NS_PER_S, "action_chunk is stamped in the past, 10 s"),
        (NOW_NS + 10 * NS_PER_S, "action_chunk is stamped in the future, 10 s"),
        (NO_CLOCK_NS, "action_chunk has no time: use_sim_time is true, but nothing arrives"),
        (NOW_NS - 150 * MS, "a chunk is 150 ms old, expected at most 100 ms"),
    ],
)
def test_each_cause_of_an_invalid_stamp_has_its_own_sentence(check, stamp_ns, words):
    assert check.problem(chunk(stamp_ns), NOW_NS).startswith(words)


@pytest.mark.parametrize("late_ms", [10_000, 10_030, 10_004, 10_017])
def test_the_same_cause_has_the_same_sentence(check, late_ms):
    first = check.problem(chunk(NOW_NS - 10_010 * MS), NOW_NS)
    assert check.problem(chunk(NOW_NS - late_ms * MS), NOW_NS) == first


def test_in_a_slow_simulation_the_age_of_a_chunk_is_in_simulation_time(check):
    late = chunk(NOW_NS - 1900 * MS)
    assert check.problem(late, NOW_NS)
    assert check.problem(replace(late, slowdown=20.0), NOW_NS) == ""
    assert check.problem(replace(late, slowdown=10.0), NOW_NS)
