"""A swap status states whether the candidate failed."""

import pytest

from dbp_ros.hotswap.swap_status import SwapPhase, SwapStatus


@pytest.mark.parametrize(
    ("phase", "candidate", "reason", "expected"),
    [
        (SwapPhase.ROLLED_BACK, "ab", "0 % of 10 episodes were solved, before 100 %", True),
        (SwapPhase.REFUSED, "ab", "an output is not finite", True),
        # The candidate is tested again, or unknown.
        (
            SwapPhase.REFUSED,
            "ab",
            "deferred: joint_states is missing: nothing was received yet",
            False,
        ),
        (SwapPhase.REFUSED, "", "manifest.yaml cannot be read", False),
        (SwapPhase.SHADOWING, "ab", "", False),
        (SwapPhase.ACTIVE, "ab", "", False),
    ],
)
def test_a_candidate_failed_if_it_was_refused_or_rolled_back(
    phase: SwapPhase, candidate: str, reason: str, expected: bool
) -> None:
    status = SwapStatus(3, "lift", 2, "cd", phase.value, candidate, reason)
    assert status.candidate_failed is expected
