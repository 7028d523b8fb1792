"""What tells a learner that its newest version failed."""

import pytest

from dbp_ros.hotswap.swap_status import SwapPhase, SwapStatus


@pytest.mark.parametrize(
    ("phase", "candidate", "reason", "expected"),
    [
        (SwapPhase.ROLLED_BACK, "ab", "0 % of 10 episodes were solved, before 100 %", True),
        (SwapPhase.REFUSED, "ab", "an answer is not finite", True),
        # It will be tried again, or is nobody's.
        (
            SwapPhase.REFUSED,
            "ab",
            "deferred: joint_statuss is missing: nothing was received yet",
            False,
        ),
        (SwapPhase.REFUSED, "", "manifest.yaml cannot be read", False),
        (SwapPhase.SHADOWING, "ab", "", False),
        (SwapPhase.ACTIVE, "ab", "", False),
    ],
)
def test_only_a_version_that_failed_is_fallen_back_from(
    phase: SwapPhase, candidate: str, reason: str, expected: bool
) -> None:
    status = SwapStatus(3, "lift", 2, "cd", phase.value, candidate, reason)
    assert status.candidate_failed is expected
