"""The limiter: no target leads beyond a limit."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbp_ros.errors import ConfigError
from dbp_ros.motion.limits import Limiter, Limits
from dbp_ros.settings.guard import GuardConfig

DT = 0.004
LIMITS = Limits(
    lower=np.array([-1.0, 0.0]),
    upper=np.array([1.0, 0.085]),
    velocity=np.array([2.0, 0.2]),
    acceleration=np.array([12.0, 2.0]),
)
TOLERANCE = 1e-9
REST = np.zeros(2)

# At a limit, beyond a limit, and elsewhere.
starts = st.tuples(
    st.sampled_from([-1.0, 1.0, -1.3, 1.3]) | st.floats(-1.5, 1.5),
    st.sampled_from([0.0, 0.085, -0.01]) | st.floats(-0.02, 0.1),
)
any_position = st.floats(-3.0, 3.0) | st.floats(-1e6, 1e6)
# Each target is constant for some periods, so that the joints reach their velocity limits.
jumps = st.lists(
    st.tuples(any_position, any_position, any_position, any_position, st.integers(1, 60)),
    min_size=1,
    max_size=8,
)
random_walks = st.lists(
    st.tuples(*[st.floats(-0.02, 0.02)] * 4, st.just(1)), min_size=50, max_size=200
).map(lambda steps: [(*row[:4], 1) for row in np.cumsum(steps, axis=0)])


def follow_targets(limiter, targets):
    """Return every command, the first being the start."""
    commands = [limiter.command]
    for *target, hold in targets:
        for _ in range(int(hold)):
            limiter.follow(np.array(target[:2]), np.array(target[2:]))
            commands.append(limiter.command)
    return np.array(commands)


def assert_within_limits(commands):
    start = commands[0]
    steps = np.diff(commands, axis=0, prepend=commands[:1])
    assert (commands <= np.maximum(LIMITS.upper, start) + TOLERANCE).all()
    assert (commands >= np.minimum(LIMITS.lower, start) - TOLERANCE).all()
    assert (np.abs(steps) <= LIMITS.velocity * DT + TOLERANCE).all()
    assert (np.abs(np.diff(steps, axis=0)) <= LIMITS.acceleration * DT**2 + TOLERANCE).all()


@given(starts, jumps | random_walks)
@settings(max_examples=60, deadline=None)
def test_no_targets_lead_beyond_a_limit(start, targets):
    limiter = Limiter(LIMITS, np.array(start), DT)
    assert_within_limits(follow_targets(limiter, targets))


@given(starts, jumps | random_walks)
@settings(max_examples=60, deadline=None)
def test_braking_comes_to_rest_within_the_limits_from_any_motion(start, targets):
    limiter = Limiter(LIMITS, np.array(start), DT)
    commands = [*follow_targets(limiter, targets)]
    for _ in range(int((LIMITS.velocity / (LIMITS.acceleration * DT)).max()) + 2):
        limiter.brake()
        commands.append(limiter.command)
    assert limiter.at_rest
    assert_within_limits(np.array(commands))


@given(st.floats(-1.0, 1.0), st.floats(-1.0, 1.0))
@settings(max_examples=50, deadline=None)
def test_a_step_is_reached_without_overshoot(start, target):
    limiter = Limiter(LIMITS, np.array([start, 0.0]), DT)
    path = follow_targets(limiter, [(target, 0.05, 0.0, 0.0, 600)])[:, 0]
    assert path[-1] == pytest.approx(target, abs=1e-9)
    assert ((path - target) * np.sign(start - target)).min() >= -TOLERANCE


def test_a_step_is_close_to_time_optimal():
    limiter = Limiter(LIMITS, np.array([-0.9, 0.0]), DT)
    path = follow_targets(limiter, [(0.9, 0.0, 0.0, 0.0, 400)])[:, 0]
    ideal_s = 1.8 / 2.0 + 2.0 / 12.0
    assert np.argmax(path > 0.9 - 1e-3) * DT < ideal_s + 0.05


def test_a_smooth_target_within_the_limits_is_followed_without_lag():
    times = np.arange(1000) * DT
    target = np.stack([0.8 * np.sin(2.0 * times), 0.04 + 0.03 * np.sin(times)], axis=1)
    limiter = Limiter(LIMITS, REST, DT)
    limited = [limiter.follow(now, (now - before) / DT) for before, now in pairwise(target)]
    assert not any(limited[250:])
    np.testing.assert_allclose(limiter.command, target[-1], atol=1e-12)


def test_an_unreachable_target_counts_as_limited():
    limiter = Limiter(LIMITS, REST, DT)
    assert limiter.follow(np.array([0.5, 0.0]), REST)
    assert not limiter.follow(limiter.command, limiter.velocity * 0)


def test_a_joint_beyond_its_limit_holds_until_its_target_is_within():
    limiter = Limiter(LIMITS, np.array([1.3, 0.0]), DT)
    assert (follow_targets(limiter, [(2.0, 0.0, 1.0, 0.0, 50)])[:, 0] == 1.3).all()
    follow_targets(limiter, [(0.9, 0.0, 0.0, 0.0, 300)])
    assert limiter.command[0] == pytest.approx(0.9)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_target_that_is_not_finite_never_becomes_a_command(value):
    limiter = Limiter(LIMITS, REST, DT)
    commands = follow_targets(limiter, [(0.5, 0.05, 0.0, 0.0, 40), (value, value, 0.0, value, 200)])
    assert_within_limits(commands)
    assert np.isfinite(commands).all()


@pytest.mark.parametrize(
    "name", ["position_lower", "position_upper", "velocity_limit", "acceleration_limit"]
)
def test_a_list_of_limits_without_one_joint_is_refused(name):
    config = replace(GuardConfig(), **{name: (1.0,) * 13})
    with pytest.raises(ConfigError, match=f"{name} has 13 values, expected 14"):
        Limits.from_config(config)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(
    "name", ["position_lower", "position_upper", "velocity_limit", "acceleration_limit"]
)
def test_a_limit_that_is_not_finite_is_refused(name, value):
    reason = f"{name} (is .* expected finite numbers|= nan, expected at least)"
    with pytest.raises(ConfigError, match=reason):
        Limits.from_config(
            replace(GuardConfig(), **{name: (*getattr(GuardConfig(), name)[:-1], value)})
        )


def test_crossed_position_limits_are_refused_by_the_name_of_the_joint():
    config = replace(GuardConfig(), position_lower=(*GuardConfig().position_lower[:-1], 0.085))
    with pytest.raises(ConfigError, match="not below position_upper for right_gripper_joint"):
        Limits.from_config(config)
