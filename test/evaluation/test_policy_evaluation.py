"""Evaluation of a policy in lockstep with the simulated cell."""

import pytest

from dbp_ros.bundle.bundle import bundle_directory, read_bundle
from dbp_ros.evaluation.policy_evaluation import PolicyEvaluator
from dbp_ros.policy.model import Model
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.settings.policy import PolicyConfig

SLOW = PolicyConfig(decision_rate_hz=5.0, earliest_decision=1.0)


def test_the_guard_receives_the_remaining_points_between_the_decisions_of_a_slow_model() -> None:
    model = Model(read_bundle(bundle_directory("lift")))
    outcome, without_timeout = (
        PolicyEvaluator(model, "lift", SLOW, guard, "raycast").run_episode(100_000)
        for guard in (GuardConfig(), GuardConfig(chunk_timeout_s=5.0))
    )
    assert outcome == without_timeout
    assert outcome.decisions / outcome.duration_s == pytest.approx(5.0, rel=0.1)
