"""A sampled chunk is executed before the next, with its exact log-probability."""

import math
from functools import partial

import numpy as np
import pytest
from motion.guard_cell import measure_rest

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.errors import ConfigError, EpisodeError, ObservationError
from dbp_ros.guard_state import GuardMode
from dbp_ros.hotswap.model_slot import ModelSlot
from dbp_ros.motion.guard import MotionGuard
from dbp_ros.policy.exploring_runner import ExploringRunner
from dbp_ros.policy.model import Model
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.telemetry.policy_step import log_density, parse_policy_step
from dbp_ros.types import NS_PER_S, Frame, seconds_to_ns

NOW_NS = 1000 * NS_PER_S
MS = 1_000_000
TICK_NS = 8 * MS
STEP_NS = 20 * MS
LOG_STD = math.log(0.05)
CONFIG = PolicyConfig(latent_seed=3, explore=True, n_action_steps=2)


@pytest.fixture
def stochastic(make_bundle):
    return Model(read_bundle(make_bundle(log_std=LOG_STD)))


@pytest.fixture
def runner(stochastic):
    return ExploringRunner(stochastic, CONFIG)


def observe(runner, now_ns=NOW_NS):
    runner.add_joint_state(np.array((0.1, 0.2, 0.3), np.float32), now_ns - MS, now_ns)
    for camera in runner.model.manifest.camera_names:
        image = np.full((8, 12, 3), now_ns // MS % 256, np.uint8)
        runner.add_image(camera, Frame(image, now_ns - 20 * MS), now_ns)


def run(runner, ticks, start_ns=NOW_NS):
    """Step with fresh observations; yield each chunk with its sampled step."""
    for tick in range(ticks):
        now_ns = start_ns + tick * TICK_NS
        observe(runner, now_ns)
        yield now_ns, runner.step(now_ns), runner.execution.take_last_decision()


def test_a_sample_without_noise_is_the_deterministic_action(stochastic):
    features = {camera: np.ones((1, 3), np.float32) for camera in stochastic.manifest.camera_names}
    inputs = (np.zeros((1, 3), np.float32), features, np.ones((4, 3), np.float32))
    still = stochastic.sample(*inputs, np.zeros((4, 3), np.float32))
    np.testing.assert_array_equal(still.action, stochastic.predict(*inputs))
    assert stochastic.self_test() < 1e-5


def test_a_deterministic_head_declared_stochastic_is_refused(make_bundle):
    bundle = read_bundle(make_bundle(stochastic=True))
    with pytest.raises(Exception, match=r"head.onnx takes .*noise"):
        Model(bundle)


def test_a_shadow_test_samples_no_decision(runner, stochastic):
    *_, (now_ns, _, _) = run(runner, 1)
    candidate = runner.create_candidate(stochastic)
    before = runner.execution.num_decisions
    assert isinstance(candidate, ExploringRunner)
    _, chunk = candidate.run_once(now_ns)
    assert runner.execution.num_decisions == before
    assert runner.execution.take_last_decision() is None
    _, again = candidate.run_once(now_ns)
    np.testing.assert_array_equal(chunk.positions, again.positions)


def test_a_sampled_chunk_is_executed_before_the_next_is_sampled(runner):
    chunks = list(run(runner, 16))
    sampled_ns = [now_ns for now_ns, _, decision in chunks if decision]
    # Two points of 20 ms, sampled again at the last tick before the second is due.
    assert np.diff(sampled_ns).tolist() == [4 * TICK_NS] * 3
    points = {due: position for _, chunk, _ in chunks for due, position in points_of(chunk)}
    for _, chunk, decision in chunks:
        assert len(chunk.positions) == 2 if decision else len(chunk.positions) in (1, 2)
        for due, position in points_of(chunk):
            np.testing.assert_array_equal(points[due], position)


def points_of(chunk):
    return zip(chunk.due_ns.tolist(), chunk.positions, strict=True)


def test_the_guard_follows_an_exploring_runner_without_holding(runner):
    guard = MotionGuard(GuardConfig(
        **{name: getattr(GuardConfig(), name)[:3] for name in (
            "joints", "position_lower", "position_upper", "velocity_limit",
            "acceleration_limit", "tracking_error_limit",
        )}
    ))  # fmt: skip
    measure_rest(guard, (0.1, 0.2, 0.3), NOW_NS)
    guard.enable(NOW_NS)
    for now_ns, chunk, _ in run(runner, 100):
        guard.add_measurement(np.array((0.1, 0.2, 0.3)), now_ns)
        guard.accept(chunk, now_ns)
        guard.tick(now_ns)
        assert guard.mode is GuardMode.TRACKING
    assert guard.counters.holds == 0


def test_the_log_probability_is_that_of_the_executed_points(runner):
    (_, chunk, decision), *_ = run(runner, 1)
    mean = 0.01 * decision.latent
    deviation = (decision.normalised[:2] - mean[:2]) / 0.05
    expected = (-(deviation**2) / 2 - LOG_STD - 0.5 * math.log(2 * math.pi)).sum()
    assert decision.log_prob == pytest.approx(expected, abs=1e-4)
    image_offset = 0.001 * (NOW_NS // MS % 256)
    expected = np.array((0.1, 0.2, 0.3)) + decision.normalised[:2] + image_offset
    np.testing.assert_allclose(chunk.positions, expected, atol=1e-6)
    np.testing.assert_array_equal(chunk.positions.astype(np.float32), decision.action)
    assert (decision.executed, decision.version, decision.number) == (2, 1, 1)
    assert decision.sha256 == runner.model.bundle.sha256


def test_a_step_contains_the_stamps_of_its_observation(runner):
    decisions = [decision for _, _, decision in run(runner, 10) if decision]
    for decision, now_ns in zip(decisions, (NOW_NS, NOW_NS + 4 * TICK_NS), strict=False):
        assert decision.stamp_ns == now_ns - MS
        assert set(decision.image_stamps_ns.values()) == {now_ns - 20 * MS}
        np.testing.assert_array_equal(decision.positions, np.float32([[0.1, 0.2, 0.3]]))


def test_every_number_is_unchanged_in_json(runner):
    (_, _, decision), *_ = run(runner, 1)
    again = parse_policy_step(decision.to_json())
    for name in ("positions", "latent", "normalised", "log_std", "action"):
        assert getattr(again, name).dtype == np.float32
        np.testing.assert_array_equal(getattr(again, name), getattr(decision, name))
    assert again.log_prob == decision.log_prob
    moved = again.with_stamps(lambda ns: ns + 5)
    assert moved.stamp_ns == decision.stamp_ns + 5
    assert moved.with_stamps(lambda ns: ns - 5).to_json() == decision.to_json()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sha256": 1}'])
def test_an_invalid_text_is_refused(text):
    with pytest.raises(EpisodeError, match="a policy step cannot be read"):
        parse_policy_step(text)


def test_a_refused_observation_ends_the_chunk(runner):
    first, *_ = run(runner, 1)
    with pytest.raises(ObservationError, match="stale"):
        runner.step(NOW_NS + NS_PER_S)
    ((_, _, again),) = run(runner, 1, NOW_NS + NS_PER_S + TICK_NS)
    assert (first[2].number, again.number) == (1, 2)


def test_a_new_episode_has_its_own_number_and_starts_with_a_sample(runner):
    (_, _, first), *_ = run(runner, 1)
    runner.execution.begin_episode()
    (_, _, second), *_ = run(runner, 1, NOW_NS + TICK_NS)
    assert second.episode == first.episode + 1
    assert np.abs(second.latent - first.latent).max() > 1e-3


def test_the_latent_is_correlated_over_time_between_samples(runner):
    decisions = [decision for _, _, decision in run(runner, 2000) if decision]
    latents = np.stack([decision.latent.ravel() for decision in decisions])
    correlation = (latents[1:] * latents[:-1]).mean()
    assert correlation == pytest.approx(
        math.exp(-2 * 0.02 / CONFIG.latent_time_constant_s), abs=0.05
    )


def test_exploration_has_the_recorded_standard_deviation(runner):
    decisions = [decision for _, _, decision in run(runner, 2000) if decision]
    deviation = np.stack([d.normalised - 0.01 * d.latent for d in decisions])
    assert deviation.std() == pytest.approx(0.05, rel=0.05)


def test_a_deterministic_model_cannot_explore(model):
    runner = ExploringRunner(model, CONFIG)
    observe(runner)
    with pytest.raises(ObservationError, match="model toy version 1 cannot explore"):
        runner.step(NOW_NS)
    assert runner.execution.take_last_decision() is None


def test_more_points_than_a_chunk_has_are_refused(stochastic):
    with pytest.raises(ConfigError, match="n_action_steps = 5, expected at most 4"):
        ExploringRunner(stochastic, PolicyConfig(n_action_steps=5))


def test_a_model_with_a_longer_history_is_refused(make_bundle):
    model = Model(read_bundle(make_bundle(log_std=LOG_STD, history=2)))
    with pytest.raises(ConfigError, match="takes 2 observations"):
        ExploringRunner(model, CONFIG)


def test_the_density_is_that_of_independent_normal_variables():
    noise, log_std = np.float32([[1.0, -2.0], [9.0, 9.0]]), np.float32([[0.5, -1.0], [9.0, 9.0]])
    expected = -0.5 * (1 + 4) - (0.5 - 1.0) - math.log(2 * math.pi)
    assert log_density(noise, log_std, 1) == pytest.approx(expected)


def test_the_chunk_is_sampled_again_only_before_its_last_point_is_due(runner):
    *_, (now_ns, chunk, decision) = run(runner, 4)
    assert decision is None
    assert chunk.due_ns[-1] - now_ns > 0
    assert chunk.due_ns[-1] == NOW_NS - MS + 2 * seconds_to_ns(0.02)


def test_a_promoted_model_executes_the_current_chunk_to_its_end(runner, make_bundle):
    first, *_ = run(runner, 1)
    runner.execution.begin_episode()
    (_, chunk, second), *_ = run(runner, 1)
    other = runner.create_candidate(Model(read_bundle(make_bundle(log_std=-2.0, version=2))))
    other.activate()
    chunks = list(run(other, 6, NOW_NS + TICK_NS))
    np.testing.assert_array_equal(chunks[0][1].positions[-1], chunk.positions[-1])
    decisions = [decision for _, _, decision in chunks if decision]
    assert [d.number for d in decisions] == [second.number + 1]
    assert [d.episode for d in decisions] == [second.episode] == [first[2].episode + 1]
    assert [d.version for d in decisions] == [2]


class Interrupted(ExploringRunner):
    """Runner with a callback during its first inference."""

    happens = staticmethod(lambda: None)

    def _predict(self, observation, latent):
        action = super()._predict(observation, latent)
        self.happens()
        self.happens = Interrupted.happens
        return action


@pytest.mark.parametrize("back", [False, True], ids=["swapped", "rolled back"])
def test_a_swap_during_an_inference_leaves_the_chunk_of_one_version(stochastic, make_bundle, back):
    first = Interrupted(stochastic, CONFIG)
    slot = ModelSlot(first)
    trial = slot.load_candidate(Model(read_bundle(make_bundle(log_std=-2.0, version=2))))
    happens = partial(slot.promote, trial)
    if back:
        happens()
        trial.runner.happens, happens = partial(slot.roll_back, "asked for", trial), None
    first.happens = happens or first.happens
    points, drawn = {}, []
    for tick in range(12):
        now_ns = NOW_NS + tick * TICK_NS
        observe(first, now_ns)
        chunk = slot.step(now_ns)
        drawn += [(now_ns, step)] if (step := slot.execution.take_last_decision()) else []
        for due, position in points_of(chunk):
            np.testing.assert_array_equal(points.setdefault(due, position), position)
    slot.close()
    times, decisions = zip(*drawn, strict=True)
    assert np.diff(times).tolist() == [4 * TICK_NS] * 2
    assert [step.number for step in decisions] == [1, 2, 3]
    assert [step.version for step in decisions] == ([2, 1, 1] if back else [1, 2, 2])
    for step in decisions:
        mean, std = 0.01 * step.latent[:2], math.exp(-2.0 if step.version == 2 else LOG_STD)
        deviation = (step.normalised[:2] - mean) / std
        density = (-(deviation**2) / 2 - math.log(std) - 0.5 * math.log(2 * math.pi)).sum()
        assert step.log_prob == pytest.approx(density, abs=1e-3)
