"""Progress on the path of a motion through the guard."""

import pytest

from dbp_ros.guard_state import NO_FRESH_CHUNK, WAITING_FOR_CHUNK, GuardMode, GuardState
from dbp_ros.nodes.guarded_motion import MAX_STEP_S, step_on_path_s

TRACKING = GuardState(GuardMode.TRACKING)


@pytest.mark.parametrize("reason", [WAITING_FOR_CHUNK, NO_FRESH_CHUNK, "joint states are stale"])
def test_the_path_waits_while_the_guard_holds_the_arms(reason: str) -> None:
    assert step_on_path_s(GuardState(GuardMode.HOLDING, reason), 0.02) == 0.0


def test_the_path_advances_while_the_guard_tracks_it() -> None:
    assert step_on_path_s(TRACKING, 0.02) == 0.02


def test_a_delayed_process_continues_the_path_where_the_arms_are() -> None:
    assert step_on_path_s(TRACKING, 3.0) == MAX_STEP_S
