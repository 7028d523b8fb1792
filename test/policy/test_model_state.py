"""What tells a learner that its newest version failed."""

import pytest

from dbp_ros.policy.model_state import ModelState, Phase


@pytest.mark.parametrize(
    ("phase", "candidate", "reason", "expected"),
    [
        (Phase.ROLLED_BACK, "ab", "0 % of 10 episodes were solved, before 100 %", True),
        (Phase.REFUSED, "ab", "an answer is not finite", True),
        # It will be tried again, or is nobody's.
        (Phase.REFUSED, "ab", "put off: joint_states is missing: nothing was received yet", False),
        (Phase.REFUSED, "", "manifest.yaml cannot be read", False),
        (Phase.SHADOWING, "ab", "", False),
        (Phase.ACTIVE, "ab", "", False),
    ],
)
def test_only_a_version_that_failed_is_fallen_back_from(
    phase: Phase, candidate: str, reason: str, expected: bool
) -> None:
    state = ModelState(3, "lift", 2, "cd", phase.value, candidate, reason)
    assert state.fell_back is expected
