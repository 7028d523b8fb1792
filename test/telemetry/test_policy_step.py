"""An invalid policy step is refused."""

import json

import pytest

from dbp_ros.errors import EpisodeError
from dbp_ros.telemetry.policy_step import parse_policy_step

DECISION = {
    "sha256": "ab",
    "version": 1,
    "number": 2,
    "episode": 3,
    "stamp_ns": 4,
    "image_stamps_ns": {"head": 5},
    "positions": [[0.0]],
    "latent": [[0.5], [0.5]],
    "normalised": [[0.5], [0.5]],
    "log_std": [[0.5], [0.5]],
    "action": [[0.5]],
    "log_prob": -1,
    "executed": 1,
}


def test_a_policy_step_is_read():
    decision = parse_policy_step(json.dumps(DECISION))
    assert (decision.number, decision.normalised.shape) == (2, (2, 1))


def test_a_network_may_have_other_columns_than_the_joints():
    wide = {name: [[0.5, 0.1], [0.5, 0.1]] for name in ("latent", "normalised", "log_std")}
    decision = parse_policy_step(json.dumps(DECISION | wide))
    assert (decision.normalised.shape, decision.action.shape) == ((2, 2), (1, 1))
    with pytest.raises(EpisodeError, match="a step has shapes"):
        parse_policy_step(json.dumps(DECISION | wide | {"action": [[0.5, 0.1]]}))


def test_the_noise_of_an_earlier_version_is_unknown():
    assert parse_policy_step(json.dumps(DECISION)).noise is None
    noise = parse_policy_step(json.dumps(DECISION | {"noise": [[0.5], [-0.5]]})).noise
    assert noise.tolist() == [[0.5], [-0.5]]


@pytest.mark.parametrize(
    "change",
    [
        {"number": "2"},
        {"number": 10**30},
        {"executed": 0},
        {"executed": 3},
        {"image_stamps_ns": []},
        {"image_stamps_ns": {"head": "5"}},
        {"log_prob": float("nan")},
        {"positions": [0.0]},
        {"latent": [[None], [0.5]]},
        {"latent": [["0.5"], ["0.5"]]},
        {"latent": [[0.5], [0.5, 0.5]]},
        {"log_std": [[1e300], [0.5]]},
        {"action": [[float("inf")]]},
        {"action": [[10**400]]},
        {"action": [[0.5], [0.5]]},
        {"noise": [[0.5]]},
        {"extra": 1},
    ],
)
def test_an_invalid_step_is_refused(change):
    with pytest.raises(EpisodeError, match="step"):
        parse_policy_step(json.dumps(DECISION | change))
