"""A step computes one chunk from the newest observation."""

import numpy as np
import pytest

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.errors import ObservationError
from dbp_ros.policy.model import Model
from dbp_ros.policy.policy_runner import PolicyRunner
from dbp_ros.random_streams import RandomStream
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.telemetry.latency import Gap
from dbp_ros.types import NS_PER_S, Frame

NOW_NS = 1000 * NS_PER_S
MS = 1_000_000
SEEDED = PolicyConfig(latent_seed=3)


def observe(runner, now_ns=NOW_NS, values=(0.1, 0.2, 0.3), pixel=50):
    """Add a joint state of now and images of 20 and 30 ms ago."""
    runner.add_joint_state(np.array(values, np.float32), now_ns, now_ns)
    for camera, age_ms in (("head_camera", 20), ("left_wrist_camera", 30)):
        image = np.full((8, 12, 3), pixel, np.uint8)
        runner.add_image(camera, Frame(image, now_ns - age_ms * MS), now_ns)
    return runner


def test_a_chunk_is_the_output_of_the_model(model):
    runner = observe(PolicyRunner(model, SEEDED))
    latent = RandomStream.LATENT.generator(3).standard_normal((4, 3), dtype=np.float32)
    expected = np.array([0.1, 0.2, 0.3]) + 0.01 * latent + 0.001 * 50
    np.testing.assert_allclose(runner.step(NOW_NS).positions, expected, atol=1e-5)


def test_a_chunk_has_due_times_and_the_stamps_of_its_observation(model):
    chunk = observe(PolicyRunner(model, SEEDED)).step(NOW_NS + 5 * MS)
    assert chunk.stamp_ns == NOW_NS
    assert chunk.image_stamp_ns == NOW_NS - 20 * MS
    np.testing.assert_array_equal(chunk.due_ns, NOW_NS + 20 * MS * np.arange(1, 5))
    assert chunk.due_ns.dtype == np.int64
    assert chunk.positions.dtype == np.float64


def test_an_image_encoded_on_arrival_leads_to_the_action_of_the_whole_model(model):
    runner = observe(PolicyRunner(model, SEEDED), pixel=200)
    features = {camera: np.full((1, 3), 200, np.float32) for camera in model.manifest.camera_names}
    latent = RandomStream.LATENT.generator(3).standard_normal((4, 3), dtype=np.float32)
    whole = model.predict(np.array([[0.1, 0.2, 0.3]], np.float32), features, latent)
    np.testing.assert_array_equal(runner.step(NOW_NS).positions, whole)


def test_a_latent_without_a_time_constant_is_constant_in_an_episode(model):
    runner = observe(PolicyRunner(model, PolicyConfig(latent_time_constant_s=0.0)))
    first = runner.step(NOW_NS).positions
    np.testing.assert_array_equal(runner.step(NOW_NS + 8 * MS).positions, first)


def test_another_episode_has_another_latent(model):
    runner = observe(PolicyRunner(model, PolicyConfig()))
    first = runner.step(NOW_NS).positions
    runner.execution.begin_episode()
    assert np.abs(runner.step(NOW_NS).positions - first).max() > 1e-4


def test_seeded_latents_are_reproducible_and_differ_between_episodes(model):
    def episodes(runner):
        for _ in range(3):
            yield runner.step(NOW_NS).positions
            runner.execution.begin_episode()

    once = list(episodes(observe(PolicyRunner(model, SEEDED))))
    again = list(episodes(observe(PolicyRunner(model, SEEDED))))
    np.testing.assert_array_equal(once, again)
    assert len(np.unique(np.array(once).reshape(3, -1), axis=0)) == 3


def test_without_a_seed_two_runs_differ(model):
    one, other = (observe(PolicyRunner(model, PolicyConfig())).step(NOW_NS) for _ in range(2))
    assert np.abs(one.positions - other.positions).max() > 1e-4


def test_a_non_finite_output_is_refused(make_bundle):
    runner = observe(PolicyRunner(Model(read_bundle(make_bundle(gain=np.nan))), SEEDED))
    with pytest.raises(ObservationError, match="output is not finite"):
        runner.step(NOW_NS)


def test_a_gap_ends_with_a_refused_decision(model):
    """The time without decisions after it is no gap."""
    runner = PolicyRunner(model, SEEDED)
    period_ns = runner.execution.statistics.period.period_ns
    observe(runner)
    for k in range(3):
        runner.step(NOW_NS + k * period_ns)
    with pytest.raises(ObservationError, match="stale"):
        runner.step(NOW_NS + NS_PER_S)
    observe(runner, NOW_NS + 2 * NS_PER_S)
    runner.step(NOW_NS + 2 * NS_PER_S)
    gap = Gap(NOW_NS + 2 * period_ns, NOW_NS + NS_PER_S)
    assert runner.execution.statistics.period.gaps == [gap]
    assert runner.execution.statistics.inference.count == 4


def test_the_age_of_the_newest_image_is_recorded(model):
    runner = observe(PolicyRunner(model, SEEDED))
    runner.step(NOW_NS + 5 * MS)
    assert runner.execution.statistics.image_age.max_ns == 25 * MS
    assert runner.execution.statistics.encoding.count == 2


def test_the_age_of_an_image_is_recorded_at_every_stage(model):
    runner = PolicyRunner(model, SEEDED)
    latency = runner.execution.statistics.frame_latency
    for k in (0, 1):
        now_ns = NOW_NS + k * 40 * MS
        observe(runner, now_ns)
        latency.record_arrival("head_camera", now_ns - 20 * MS, now_ns - 15 * MS, now_ns)
        chunk = runner.step(now_ns + MS)
        latency.record_step(chunk.image_stamps_ns, now_ns + MS, now_ns + 2 * MS)
    ages = latency.summary_ms()
    assert ages["arrived"]["max"] == 5.0
    assert ages["decided"]["max"] == 32.0
    assert ages["encoded"]["max"] is not None
    runner.clear_statistics()
    assert latency.summary_ms()["arrived"]["max"] is None


def test_a_candidate_shares_the_execution_state_and_records_encodings_once_promoted(model):
    runner = observe(PolicyRunner(model, SEEDED))
    candidate = runner.create_candidate(model)
    assert candidate.execution is runner.execution
    observe(candidate)
    assert runner.execution.statistics.encoding.count == 2
    candidate.activate()
    observe(candidate)
    assert runner.execution.statistics.encoding.count == 4


def test_the_latent_depends_on_time_and_not_on_the_number_of_steps(model):
    def last_of(times_ms):
        runner = observe(
            PolicyRunner(model, PolicyConfig(latent_seed=3, latent_time_constant_s=1e6))
        )
        return [runner.step(NOW_NS + ms * MS).positions for ms in times_ms][-1]

    np.testing.assert_allclose(last_of([0]), last_of(range(0, 60, 2)), atol=1e-3)
