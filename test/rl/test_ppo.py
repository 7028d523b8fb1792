"""PPO updates: first ratios, early stopping, and restored state."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from sampled_transitions import CONFIG, observations_and_latents, policy, sampled_transitions

from dbp_ros.errors import ConfigError, TrainingError
from dbp_ros.rl.learner import Learner
from dbp_ros.rl.ppo import PPOLearner
from dbp_ros.rl.ppo_batch import ppo_batch, usable_decisions
from dbp_ros.rl.recent_transitions import RecentTransitions
from dbp_ros.rl.registry import build_learner
from dbp_ros.rl.transitions import Transitions
from dbp_ros.settings.finetune import FinetuneConfig

ALL = ["dbpo", "dbpo_no_anchor", "dbpo_published", "gaussian_ppo"]


def learner(algorithm: str = "dbpo", **changes: object) -> Learner:
    config = replace(CONFIG, algorithm=algorithm, **changes)
    return build_learner(policy("bc_mse" if algorithm == "gaussian_ppo" else "dbp"), config)


@pytest.mark.parametrize("algorithm", ["dbpo", "dbpo_no_anchor", "gaussian_ppo"])
def test_rewarded_actions_become_more_likely(algorithm: str) -> None:
    trained = learner(algorithm, actor_learning_rate=1e-3)
    inputs = [value.flatten(0, 1) for value in observations_and_latents(16, 8)]
    before = trained.act(*inputs)
    for seed in range(6):
        trained.update(sampled_transitions(trained, seed=seed))
    after = trained.act(*inputs)
    assert after[:, 0, 0].mean() > before[:, 0, 0].mean() + 0.01


@pytest.mark.parametrize("algorithm", ALL)
@pytest.mark.parametrize("reuse_updates", [0, 1])
def test_a_resumed_learner_makes_a_bit_identical_update(
    algorithm: str, reuse_updates: int, tmp_path: Path
) -> None:
    reuse_updates *= algorithm != "dbpo_published"
    whole = learner(algorithm, reuse_updates=reuse_updates)
    for seed in range(2):
        whole.update(sampled_transitions(whole, seed=seed))
    save_file(whole.state_dict(), tmp_path / "state.safetensors")
    resumed = learner(algorithm, reuse_updates=reuse_updates)
    resumed.load_state_dict(load_file(tmp_path / "state.safetensors"))
    torch.randn(7)
    transitions = sampled_transitions(whole, seed=2)
    assert resumed.version == whole.version
    assert resumed.update(transitions) == whole.update(transitions)
    one, two = whole.state_dict(), resumed.state_dict()
    assert set(one) == set(two)
    for name, value in one.items():
        assert torch.equal(value, two[name]), name


def test_gaussian_ppo_requires_a_policy_without_latents() -> None:
    config = replace(CONFIG, algorithm="gaussian_ppo")
    with pytest.raises(TrainingError, match="expected a policy of method bc_mse, and this is a"):
        build_learner(policy("dbp"), config)


def test_the_first_ratios_are_one_in_training_mode() -> None:
    trained = PPOLearner(policy(), CONFIG)
    transitions = sampled_transitions(trained, times=64)
    distribution = trained.actor.train()(
        transitions.observation.flatten(0, 1), transitions.latent.flatten(0, 1)
    )
    log_prob = distribution.log_prob(
        transitions.action.flatten(0, 1), transitions.executed.flatten()
    )
    ratio = (log_prob - transitions.log_prob.flatten()).exp()
    assert (ratio - 1.0).abs().max() <= 1e-6
    assert trained.update(transitions)["log_prob_gap"] <= 1e-6


def test_annealed_latents_give_a_single_chunk_with_exact_likelihoods() -> None:
    trained = PPOLearner(policy(), replace(CONFIG, latent_anneal_versions=2))
    observation, _ = (value.flatten(0, 1) for value in observations_and_latents(1, 8))
    one, two = torch.randn(2, 8, *trained.policy.chunk_shape).unbind()
    differences = []
    for seed in range(4):
        differences.append(
            float((trained.act(observation, one) - trained.act(observation, two)).std())
        )
        assert trained.update(sampled_transitions(trained, seed=seed))["log_prob_gap"] <= 1e-6
    assert differences[0] > 1.5 * differences[1] > 0
    assert differences[2:] == [0, 0]


@pytest.mark.parametrize("scale", [0.0, 0.6])
def test_the_anchor_of_annealed_latents_is_a_mean_over_their_removed_part(scale: float) -> None:
    trained = PPOLearner(policy(), CONFIG)
    trained.policy.method.latent_scale.fill_(scale)
    observation, latent = (value.flatten(0, 1)[:1] for value in observations_and_latents(1, 1))
    generator = torch.Generator().manual_seed(0)
    inputs = [value.expand(4000, *value.shape[1:]) for value in (observation, latent)]
    chunks = trained.actor.anchor_chunk(*inputs, generator)
    noise = torch.randn(1, 32_000, *latent.shape[1:], generator=generator)
    whole = trained.actor.anchor(
        observation, scale * latent[:, None] + (1 - scale**2) ** 0.5 * noise
    )
    error = whole.std(1) / 32_000**0.5
    assert ((chunks.mean(0) - whole.mean(1)).abs() < 6 * error).all()
    # The mean of eight samples.
    torch.testing.assert_close(chunks.std(0) * 8**0.5, whole.std(1)[0], rtol=0.1, atol=0)


def test_a_policy_with_latent_scale_zero_equals_its_anchor() -> None:
    annealed = policy()
    annealed.method.latent_scale.zero_()
    trained = PPOLearner(annealed, CONFIG)
    observation, latent = (value.flatten(0, 1) for value in observations_and_latents(1, 8))
    anchor = trained.actor.anchor_chunk(observation, latent, torch.Generator())
    assert torch.equal(anchor, trained.act(observation, latent))


def test_the_latent_scale_is_saved_with_the_weights() -> None:
    trained = PPOLearner(policy(), replace(CONFIG, latent_anneal_versions=1))
    trained.update(sampled_transitions(trained))
    state = trained.policy.state_dict()
    assert state["method.latent_scale"] == 0
    again = policy()
    again.load_state_dict(state)
    observation, latent = (value.flatten(0, 1) for value in observations_and_latents(1, 8))
    torch.testing.assert_close(
        again.method(observation, latent[:, None])[:, 0], trained.act(observation, latent)
    )


def test_annealing_is_refused_for_methods_without_latents() -> None:
    with pytest.raises(
        ConfigError, match="latent_anneal_versions = 3: expected 0 for algorithm = dfp"
    ):
        replace(CONFIG, algorithm="dfp", latent_anneal_versions=3)
    with pytest.raises(
        TrainingError, match="latent_anneal_versions = 3: expected 0, the latents of a Regr"
    ):
        PPOLearner(policy("bc_mse"), replace(CONFIG, latent_anneal_versions=3))


def test_an_update_stops_at_the_kl_target() -> None:
    fast = PPOLearner(policy(), replace(CONFIG, actor_learning_rate=1e-2))
    minibatches = 128 // CONFIG.minibatch_size
    statistics = fast.update(sampled_transitions(fast))
    assert 1 <= statistics["actor_steps"] < minibatches
    slow = PPOLearner(policy(), replace(CONFIG, actor_learning_rate=1e-6))
    assert (
        slow.update(sampled_transitions(slow))["actor_steps"]
        == CONFIG.num_learning_epochs * minibatches
    )


def test_only_the_critic_is_trained_during_the_warm_up() -> None:
    trained = PPOLearner(policy(), replace(CONFIG, critic_warmup_updates=2))
    versions, steps, losses = [], [], []
    for seed in range(4):
        statistics = trained.update(sampled_transitions(trained, seed=seed))
        versions.append(trained.version)
        steps.append(statistics["actor_steps"])
        losses.append(statistics["value_loss"])
    assert versions == [0, 0, 1, 2]
    assert steps[:2] == [0, 0]
    assert losses[1] < losses[0]


def test_the_anchor_weight_grows_with_the_distance() -> None:
    near = PPOLearner(policy(), replace(CONFIG, anchor_distance=10.0))
    far = PPOLearner(policy(), replace(CONFIG, anchor_distance=1e-4))
    for trained in (near, far):
        trained.update(sampled_transitions(trained))
    assert near.anchor_weight < CONFIG.anchor_weight < far.anchor_weight


def test_a_strong_anchor_limits_the_distance() -> None:
    distances = []
    for weight in (0.0, 100.0):
        config = replace(CONFIG, anchor_weight=weight, anchor_distance=0.01)
        trained = PPOLearner(policy(), config)
        for seed in range(8):
            distances.append(
                trained.update(sampled_transitions(trained, seed=seed))["anchor_distance"]
            )
    assert distances[-1] < 0.5 * distances[7]


def test_transitions_of_older_versions_are_refused() -> None:
    trained = PPOLearner(policy(), CONFIG)
    transitions = sampled_transitions(trained)
    trained.update(transitions)
    with pytest.raises(TrainingError, match="128 are not of version 1 or up to 0 older"):
        trained.update(transitions)
    lenient = PPOLearner(policy(), replace(CONFIG, version_lag=1))
    lenient.update(transitions)
    assert lenient.update(transitions)["used"] == 1.0


def test_a_refused_decision_is_not_used_by_a_later_update() -> None:
    trained = learner(reuse_updates=2, actor_learning_rate=1e-3)
    first = sampled_transitions(trained, seed=0)
    trained.update(first)
    new = sampled_transitions(trained, seed=1)
    trained.update(Transitions.concatenate([first, new]))
    last = trained.update(sampled_transitions(trained, seed=2))
    # Of four equal parts, the late one was refused.
    assert last["used"] == 0.75


def test_older_decisions_are_weighted_by_their_importance_ratio() -> None:
    trained = learner()
    transitions = sampled_transitions(trained)
    used = transitions.valid
    estimate = trained._estimate(transitions, used)
    fresh = ppo_batch(transitions, estimate, used, trained.version)
    count = len(fresh)
    log_prob = fresh.log_prob + torch.linspace(-1.0, 1.0, count)
    batch = replace(fresh, log_prob=log_prob, on_policy=torch.arange(count) < 3)
    reference = trained._reference(batch, trained._minibatches(count))
    expected = (reference.log_prob - log_prob).exp().clamp(max=1.0)
    assert torch.equal(reference.importance[:3], torch.ones(3))
    assert torch.equal(reference.importance[3:], expected[3:])
    assert 0.3 < float(reference.importance.min()) < 0.4
    torch.testing.assert_close(reference.log_prob, fresh.log_prob, atol=1e-5, rtol=0)


def test_the_standard_deviation_has_its_own_learning_rate() -> None:
    changes = []
    for gain in (1.0, 5.0):
        trained = learner(log_std_lr_scale=gain)
        before = [value.detach().clone() for value in trained.actor.log_std_head.parameters()]
        trained.update(sampled_transitions(trained))
        after = trained.actor.log_std_head.parameters()
        changes.append(
            max(float((a - b).detach().abs().max()) for a, b in zip(after, before, strict=True))
        )
    assert changes[1] > 2 * changes[0]


def test_transitions_of_an_intervention_are_not_used() -> None:
    """Their actions do not change the update."""
    transitions = sampled_transitions(PPOLearner(policy(), CONFIG))
    valid = torch.arange(16)[:, None].expand(16, 8) < 12
    human = torch.where(valid[..., None, None], transitions.action, 5.0)
    states = []
    for action in (transitions.action, human):
        trained = PPOLearner(policy(), CONFIG)
        trained.update(replace(transitions, valid=valid, action=action))
        states.append(trained.actor.state_dict())
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name])


def test_a_batch_without_usable_transitions_is_refused() -> None:
    trained = PPOLearner(policy(), CONFIG)
    transitions = sampled_transitions(trained)
    invalid = torch.zeros_like(transitions.valid)
    with pytest.raises(TrainingError, match="128 are masked as invalid"):
        trained.update(replace(transitions, valid=invalid))


def test_n_action_steps_beyond_the_horizon_is_refused() -> None:
    with pytest.raises(TrainingError, match="n_action_steps = 5, but a chunk has 4 points"):
        PPOLearner(policy(), FinetuneConfig(n_action_steps=5))


@pytest.mark.parametrize("target_kl", [0.05, 1e-3])
def test_an_update_is_shortened_to_its_target_kl(target_kl: float) -> None:
    trained = learner(actor_learning_rate=1e-2, target_kl=target_kl)
    before = [value.clone() for value in trained.actor.parameters()]
    statistics = trained.update(sampled_transitions(trained))
    assert 0.5 * target_kl < statistics["kl"] <= target_kl
    assert 0.0 < statistics["update_fraction"] < 1.0
    after = trained.actor.parameters()
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_an_update_without_a_step_within_the_target_makes_no_version() -> None:
    trained = learner(actor_learning_rate=1e-2, target_kl=0.0)
    before = [value.clone() for value in trained.actor.parameters()]
    statistics = trained.update(sampled_transitions(trained))
    assert (statistics["kl"], statistics["update_fraction"], trained.version) == (0.0, 0.0, 0)
    for one, two in zip(before, trained.actor.parameters(), strict=True):
        assert torch.equal(one, two)


def test_reused_decisions_are_weighted_by_their_importance() -> None:
    trained = learner(reuse_updates=1, actor_learning_rate=1e-3)
    first = sampled_transitions(trained, seed=0)
    trained.update(first)
    joined = Transitions.concatenate([first, sampled_transitions(trained, seed=1)])
    used = usable_decisions(joined, trained.version, 1)
    estimate = trained._estimate(joined, used)
    batch = ppo_batch(joined, estimate, used, trained.version)
    importance = trained._reference(batch, trained._minibatches(len(batch))).importance
    assert (importance[batch.on_policy] == 1.0).all()
    old = importance[~batch.on_policy]
    assert len(old) == 128
    assert ((old > 0.0) & (old <= 1.0)).all()
    assert float(old.min()) < 1.0


@pytest.mark.parametrize(("reuse_updates", "expected"), [(0, [1, 1, 1, 1]), (2, [1, 2, 3, 3])])
def test_the_transitions_of_earlier_updates_are_used_again(
    reuse_updates: int, expected: list[int]
) -> None:
    recent, parts = RecentTransitions(reuse_updates), []
    for seed in range(4):
        joined = recent.extend(sampled_transitions(learner(), seed=seed))
        parts.append(len(joined) / 128)
        again = RecentTransitions(reuse_updates)
        again.load_state_dict(recent.state_dict())
        one, two = again.state_dict(), recent.state_dict()
        assert set(one) == set(two)
        assert all(torch.equal(value, two[name]) for name, value in one.items())
    assert parts == expected
