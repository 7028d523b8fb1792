"""The decision rate is that of the manifest unless the settings override it."""

import numpy as np
import pytest

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.errors import BundleError, ConfigError
from dbp_ros.policy.decision_rate import (
    MIN_LOOP_HZ,
    loop_rate_hz,
    override_note,
    with_decision_rate,
)
from dbp_ros.policy.model import Model
from dbp_ros.policy.policy_runner import PolicyRunner
from dbp_ros.settings.policy import DECISION_RATE_HZ, PolicyConfig
from dbp_ros.types import NS_PER_S, Frame

NOW_NS = 1000 * NS_PER_S
MS = 1_000_000


@pytest.fixture
def manifest(make_bundle):
    """Return the manifest of a bundle of a rate."""
    return lambda rate_hz: read_bundle(make_bundle(control_rate_hz=rate_hz)).manifest


def test_the_rate_is_that_of_the_manifest_by_default(manifest):
    found = with_decision_rate(PolicyConfig(), manifest(20.0))
    assert (found.decision_rate_hz, found.earliest_decision) == (20.0, 1.0)
    assert override_note(PolicyConfig(), manifest(20.0)) == ""


def test_the_rate_of_the_stack_is_a_minimum_that_images_may_exceed(manifest):
    found = with_decision_rate(PolicyConfig(), manifest(DECISION_RATE_HZ))
    assert found.decision_rate_hz == DECISION_RATE_HZ
    assert found.earliest_decision == PolicyConfig.earliest_decision < 1.0


def test_a_rate_in_the_settings_overrides_the_manifest_with_a_note(manifest):
    config = PolicyConfig(decision_rate_hz=125.0)
    assert with_decision_rate(config, manifest(20.0)) == config
    sentence = override_note(config, manifest(20.0))
    assert sentence == (
        "decision_rate_hz overrides the rate of model toy: 125 instead of 20 decisions per second"
    )
    assert override_note(config, manifest(125.0)) == ""


def test_a_rate_below_one_is_refused(manifest):
    with pytest.raises(ConfigError, match=r"decision_rate_hz = 0.5, expected 0 for the model's"):
        with_decision_rate(PolicyConfig(decision_rate_hz=0.5), manifest(20.0))


@pytest.mark.parametrize("rate_hz", [0.0, 0.5, -20.0, 1001.0, float("nan"), float("inf")])
def test_a_manifest_with_an_invalid_rate_is_refused(make_bundle, rate_hz):
    with pytest.raises(BundleError, match="control_rate_hz: expected from 1 to 1000"):
        read_bundle(make_bundle(control_rate_hz=rate_hz))


@pytest.mark.parametrize("rate_hz", [1.0, 7.0, 10.0, 20.0, 125.0])
def test_the_loop_rate_is_a_multiple_above_the_minimum(rate_hz):
    loop_hz = loop_rate_hz(rate_hz)
    assert loop_hz % rate_hz == 0
    assert loop_hz >= MIN_LOOP_HZ
    assert rate_hz < MIN_LOOP_HZ or loop_hz == rate_hz


def test_between_the_decisions_of_a_slow_model_the_remaining_points_are_returned(make_bundle):
    bundle = make_bundle(control_rate_hz=5.0, ramp=np.full((20, 1), 0.1))
    runner = PolicyRunner(Model(read_bundle(bundle)), PolicyConfig(latent_seed=3))
    chunks = []
    for tick in range(12):
        now_ns = NOW_NS + 50 * MS * tick
        runner.add_joint_state(np.zeros(3, np.float32), now_ns, now_ns)
        for camera in ("head_camera", "left_wrist_camera"):
            image = np.full((8, 12, 3), tick, np.uint8)
            runner.add_image(camera, Frame(image, now_ns), now_ns)
        chunks.append(runner.step(now_ns))
    assert runner.statistics()["decisions"] == 3
    first, *repeats, second = chunks[:5]
    for chunk, now_ns in zip(
        repeats, range(NOW_NS + 50 * MS, NOW_NS + 200 * MS, 50 * MS), strict=True
    ):
        assert chunk.stamp_ns == now_ns < chunk.due_ns[0]
        np.testing.assert_array_equal(chunk.positions, first.positions[-len(chunk.positions) :])
    assert second.due_ns[-1] - first.due_ns[-1] == 200 * MS
