"""Chunks: followed within the limits, refused if bad, timed out if old."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from motion.guard_cell import (
    AHEAD,
    CONFIG,
    DT,
    START,
    STEP_NS,
    Cell,
    assert_smooth,
    measure_rest,
    sent,
    towards,
)

from dbp_ros.errors import CommandError
from dbp_ros.guard_state import GuardMode
from dbp_ros.motion.guard import MotionGuard
from dbp_ros.types import NS_PER_S, ActionChunk


def test_chunks_lead_to_their_target_within_the_limits(cell):
    commands = cell.run(500, towards(AHEAD))
    assert_smooth([START, START, *commands])
    np.testing.assert_allclose(commands[-1], AHEAD, atol=1e-6)
    assert cell.guard.mode is GuardMode.TRACKING


def test_a_target_beyond_a_limit_leads_to_the_limit(cell):
    np.testing.assert_allclose(cell.run(500, towards([7.0, -7.0]))[-1], [1.0, -1.0], atol=1e-9)


@pytest.mark.parametrize("periods_a_chunk", [1, 2, 3])
def test_a_smooth_motion_is_followed_without_lag_at_any_rate_of_chunks(cell, periods_a_chunk):
    def motion(time_ns):
        phase = 2.0 * np.atleast_1d(time_ns - NS_PER_S)[:, None] / NS_PER_S
        return START + 0.25 * np.sin(phase)

    def sine(now_ns):
        due_ns = now_ns + STEP_NS * np.arange(1, 17)
        return ActionChunk(motion(due_ns), due_ns, now_ns)

    lag = []
    for _ in range(600 // periods_a_chunk):
        commands = [*cell.run(1, sine), *cell.run(periods_a_chunk - 1)]
        lag.append(np.abs(commands[-1] - motion(cell.now_ns)[0]).max())
    assert max(lag[len(lag) // 2 :]) < 1e-3


@given(
    st.lists(
        st.tuples(st.floats(-3, 3), st.floats(-3, 3), st.sampled_from(["chunk", "none", "blind"])),
        min_size=1,
        max_size=15,
    )
)
@settings(max_examples=40, deadline=None)
def test_the_limits_are_satisfied_for_any_sequence_of_inputs(sequence):
    cell = Cell(MotionGuard(CONFIG), START)
    measure_rest(cell.guard, START, cell.now_ns)
    cell.guard.enable(cell.now_ns)
    commands = [START, START]
    for *target, inputs in sequence:
        commands += cell.run(40, towards(target) if inputs == "chunk" else None, inputs != "blind")
    assert_smooth(commands)
    assert (np.abs(sent(commands)) <= 1.0 + 1e-9).all()


def test_without_a_fresh_chunk_the_arms_come_to_rest_within_the_limits(moving):
    before = [moving.positions]
    commands = moving.run(100)
    assert_smooth([*before, *commands])
    assert (moving.guard.mode, moving.guard.reason) == (GuardMode.HOLDING, "no fresh chunk")
    np.testing.assert_array_equal(commands[-1], commands[-30])
    assert moving.guard.counters.holds == 1


def test_the_last_chunk_is_followed_until_the_timeout(moving):
    moving.run(round(CONFIG.chunk_timeout_s / DT))
    assert moving.guard.mode is GuardMode.TRACKING
    moving.run(1)
    assert moving.guard.mode is GuardMode.HOLDING


def test_a_fresh_chunk_ends_the_hold(moving):
    moving.run(100)
    moving.run(1, towards(AHEAD))
    assert moving.guard.mode is GuardMode.TRACKING


def bad_chunks():
    good = towards(AHEAD)(0)
    nan = good.positions.copy()
    nan[3, 1] = np.nan
    return {
        "three joints": (replace(good, positions=np.zeros((10, 3))), r"\(10, 3\).*\(points, 2\)"),
        "one point as a row": (replace(good, positions=np.zeros(2)), "has shape"),
        "no points": (replace(good, positions=np.zeros((0, 2))), "has shape"),
        "not a number": (replace(good, positions=nan), "not finite for right_elbow_joint"),
        "infinite": (replace(good, positions=good.positions + np.inf), "not finite for left"),
        "two points at once": (
            replace(good, due_ns=good.due_ns // (2 * STEP_NS)),
            "increasing due time",
        ),
        "backwards": (replace(good, due_ns=good.due_ns[::-1]), "increasing due time"),
        "too few times": (replace(good, due_ns=good.due_ns[:-1]), "increasing due time"),
        "too old": (replace(good, stamp_ns=-100_000_001), "100 ms old.*clocks"),
        "from the future": (replace(good, stamp_ns=100_000_001), "-100 ms old.*clocks"),
    }


@pytest.mark.parametrize("kind", bad_chunks())
def test_an_invalid_chunk_is_refused_with_a_reason_and_the_previous_one_is_executed(moving, kind):
    bad, reason = bad_chunks()[kind]
    followed = moving.guard.chunks.chunk
    shifted = replace(bad, due_ns=bad.due_ns + moving.now_ns, stamp_ns=bad.stamp_ns + moving.now_ns)
    with pytest.raises(CommandError, match=reason):
        moving.guard.accept(shifted, moving.now_ns)
    moving.run(1)
    assert moving.guard.chunks.chunk is followed
    assert moving.guard.mode is GuardMode.TRACKING
    assert moving.guard.counters.refused_chunks == 1


def test_invalid_chunks_do_not_extend_the_timeout(moving):
    bad = replace(towards(AHEAD)(moving.now_ns), positions=np.full((10, 2), np.nan))
    for _ in range(30):
        moving.run(1)
        with pytest.raises(CommandError):
            moving.guard.accept(bad, moving.now_ns)
    assert moving.guard.reason == "no fresh chunk"


def test_an_overflow_does_not_become_a_command(cell):
    with np.errstate(over="ignore", invalid="ignore"):
        commands = cell.run(50, lambda now_ns: extreme(now_ns))
    assert np.isfinite(commands).all()
    assert_smooth(commands)


def extreme(now_ns):
    """Return a chunk that jumps between the largest floats."""
    signs = np.array([1.0, -1.0] * 5)[:, None]
    return replace(
        towards(AHEAD)(now_ns),
        positions=np.finfo(float).max * signs * np.ones((1, 2)),
        due_ns=now_ns + 1_500_000 * np.arange(1, 11),
    )


def test_commands_and_limited_commands_are_counted(cell):
    cell.run(100, towards([100.0, 100.0]))
    assert cell.guard.counters.commands == 100
    assert cell.guard.counters.limited_commands > 90


def test_a_fixed_target_is_not_counted_as_limited(cell):
    cell.run(50, towards(START))
    assert cell.guard.counters.limited_commands == 0


@pytest.mark.parametrize("target", [1e9, 57.3, -1.6])
def test_a_chunk_far_beyond_the_position_limits_is_refused(moving, target):
    guard = MotionGuard(replace(CONFIG, position_margin=0.25))
    measure_rest(guard, START, NS_PER_S)
    guard.enable(NS_PER_S)
    with pytest.raises(CommandError, match=r"a chunk moves right_elbow_joint to .*degrees"):
        guard.accept(towards([0.0, target])(NS_PER_S), NS_PER_S)
    assert guard.counters.refused_chunks == 1
    guard.accept(towards([0.0, -1.4])(NS_PER_S), NS_PER_S)


def test_a_warning_is_shown_while_most_commands_are_limited(cell):
    cell.run(50, towards(START))
    assert cell.guard.reason == ""
    cell.run(1000, towards([0.2, 7.0]))
    assert "most commands are limited, most of all for right_elbow_joint" in cell.guard.reason
    cell.run(2000, lambda now_ns: towards(cell.positions)(now_ns))
    assert cell.guard.reason == ""
