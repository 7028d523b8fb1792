"""The text on the guard's topic has one format."""

import pytest

from dbp_ros.guard_state import GuardMode, GuardState


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("tracking", GuardState(GuardMode.TRACKING)),
        ("holding: no fresh chunk", GuardState(GuardMode.HOLDING, "no fresh chunk")),
        ("stopped: e-stop; joints: a", GuardState(GuardMode.STOPPED, "e-stop; joints: a")),
        ("the command loop failed: x", GuardState(None, "the command loop failed: x")),
        ("", GuardState()),
    ],
)
def test_a_state_round_trips_through_its_text(text: str, state: GuardState) -> None:
    assert GuardState.parse(text) == state
    assert str(state) == text


def test_the_first_reason_is_the_cause() -> None:
    assert GuardState.parse("stopped: e-stop; joint_states lacks a").emergency_stop
    assert not GuardState.parse("holding: e-stop").emergency_stop
    assert not GuardState.parse("stopped: left_elbow is away; e-stop").emergency_stop


def test_the_arms_are_commanded_only_while_enabled() -> None:
    states = {text: GuardState.parse(text) for text in ("tracking", "holding: x", "stopped: x", "")}
    assert [state.enabled for state in states.values()] == [True, True, False, False]
    assert [state.inactive for state in states.values()] == [False, False, True, False]
