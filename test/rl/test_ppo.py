"""One update: where it starts, where it stops, and that it goes on where it was stopped."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from decisions import CONFIG, decided, policy, questions
from safetensors.torch import load_file, save_file

from dbp_ros.errors import ConfigError, TrainingError
from dbp_ros.rl.config import FinetuneConfig
from dbp_ros.rl.learner import Learner
from dbp_ros.rl.ppo import PPOLearner
from dbp_ros.rl.registry import build_learner

ALL = ["dbpo", "dbpo_no_anchor", "dbpo_authors", "gaussian_ppo"]


def learner(algorithm: str = "dbpo", **changes: object) -> Learner:
    config = replace(CONFIG, algorithm=algorithm, **changes)
    return build_learner(policy("bc_mse" if algorithm == "gaussian_ppo" else "dbp"), config)


@pytest.mark.parametrize("algorithm", ["dbpo", "dbpo_no_anchor", "gaussian_ppo"])
def test_what_is_rewarded_is_done_more(algorithm: str) -> None:
    made = learner(algorithm, actor_learning_rate=1e-3)
    asked = [value.flatten(0, 1) for value in questions(16, 8)]
    before = made.decide(*asked)
    for seed in range(6):
        made.update(decided(made, seed=seed))
    after = made.decide(*asked)
    assert after[:, 0, 0].mean() > before[:, 0, 0].mean() + 0.01


@pytest.mark.parametrize("algorithm", ALL)
def test_a_resumed_learner_makes_the_same_update_to_the_bit(algorithm: str, tmp_path: Path) -> None:
    whole = learner(algorithm)
    for seed in range(2):
        whole.update(decided(whole, seed=seed))
    save_file(whole.state_dict(), tmp_path / "state.safetensors")
    resumed = learner(algorithm)
    resumed.load_state_dict(load_file(tmp_path / "state.safetensors"))
    torch.randn(7)
    transitions = decided(whole, seed=2)
    assert resumed.version == whole.version
    assert resumed.update(transitions) == whole.update(transitions)
    one, two = whole.state_dict(), resumed.state_dict()
    assert set(one) == set(two)
    for name, value in one.items():
        assert torch.equal(value, two[name]), name


def test_the_first_ratios_are_one_in_training_mode() -> None:
    made = PPOLearner(policy(), CONFIG)
    transitions = decided(made, times=64)
    law = made.actor.train()(
        transitions.observation.flatten(0, 1), transitions.latent.flatten(0, 1)
    )
    log_prob = law.log_prob(transitions.action.flatten(0, 1), transitions.executed.flatten())
    ratio = (log_prob - transitions.log_prob.flatten()).exp()
    assert (ratio - 1.0).abs().max() <= 1e-6
    assert made.update(transitions)["log_prob_gap"] <= 1e-6


def test_latents_fade_to_one_policy_and_stay_part_of_the_likelihood() -> None:
    made = PPOLearner(policy(), replace(CONFIG, latent_anneal_versions=2))
    observation, _ = (value.flatten(0, 1) for value in questions(1, 8))
    one, two = torch.randn(2, 8, *made.policy.chunk_shape).unbind()
    apart = []
    for seed in range(4):
        apart.append(float((made.decide(observation, one) - made.decide(observation, two)).std()))
        assert made.update(decided(made, seed=seed))["log_prob_gap"] <= 1e-6
    assert apart[0] > 1.5 * apart[1] > 0
    assert apart[2:] == [0, 0]


@pytest.mark.parametrize("share", [0.0, 0.6])
def test_the_anchor_of_faded_latents_is_the_mean_over_what_is_gone(share: float) -> None:
    made = PPOLearner(policy(), CONFIG)
    made.policy.method.latent_scale.fill_(share)
    observation, latent = (value.flatten(0, 1)[:1] for value in questions(1, 1))
    chance = torch.Generator().manual_seed(0)
    asked = [value.expand(4000, *value.shape[1:]) for value in (observation, latent)]
    said = made.actor.imitated(*asked, chance)
    fresh = torch.randn(1, 32_000, *latent.shape[1:], generator=chance)
    whole = made.actor.anchor(observation, share * latent[:, None] + (1 - share**2) ** 0.5 * fresh)
    error = whole.std(1) / 32_000**0.5
    assert ((said.mean(0) - whole.mean(1)).abs() < 6 * error).all()
    # Eight are averaged.
    torch.testing.assert_close(said.std(0) * 8**0.5, whole.std(1)[0], rtol=0.1, atol=0)


def test_a_policy_that_came_faded_is_its_own_anchor() -> None:
    faded = policy()
    faded.method.latent_scale.zero_()
    made = PPOLearner(faded, CONFIG)
    observation, latent = (value.flatten(0, 1) for value in questions(1, 8))
    imitated = made.actor.imitated(observation, latent, torch.Generator())
    assert torch.equal(imitated, made.decide(observation, latent))


def test_that_latents_have_faded_is_kept_with_the_weights() -> None:
    made = PPOLearner(policy(), replace(CONFIG, latent_anneal_versions=1))
    made.update(decided(made))
    kept = made.policy.state_dict()
    assert kept["method.latent_scale"] == 0
    again = policy()
    again.load_state_dict(kept)
    observation, latent = (value.flatten(0, 1) for value in questions(1, 8))
    torch.testing.assert_close(
        again.method(observation, latent[:, None])[:, 0], made.decide(observation, latent)
    )


def test_only_latents_that_can_fade_are_asked_to() -> None:
    with pytest.raises(
        ConfigError, match="latent_anneal_versions = 3: expected 0 for algorithm = dfp"
    ):
        replace(CONFIG, algorithm="dfp", latent_anneal_versions=3)
    with pytest.raises(
        TrainingError, match="latent_anneal_versions = 3: expected 0, the latents of a Regr"
    ):
        PPOLearner(policy("bc_mse"), replace(CONFIG, latent_anneal_versions=3))


def test_an_update_stops_before_the_step_that_would_go_too_far() -> None:
    wild = PPOLearner(policy(), replace(CONFIG, actor_learning_rate=1e-2))
    minibatches = 128 // CONFIG.minibatch
    statistics = wild.update(decided(wild))
    assert 1 <= statistics["actor_steps"] < minibatches
    calm = PPOLearner(policy(), replace(CONFIG, actor_learning_rate=1e-6))
    assert calm.update(decided(calm))["actor_steps"] == CONFIG.epochs * minibatches


def test_the_critic_learns_alone_at_first() -> None:
    made = PPOLearner(policy(), replace(CONFIG, critic_warm_up=2))
    versions, steps, losses = [], [], []
    for seed in range(4):
        statistics = made.update(decided(made, seed=seed))
        versions.append(made.version)
        steps.append(statistics["actor_steps"])
        losses.append(statistics["value_loss"])
    assert versions == [0, 0, 1, 2]
    assert steps[:2] == [0, 0]
    assert losses[1] < losses[0]


def test_the_anchor_pulls_harder_where_the_policy_has_gone_far() -> None:
    near = PPOLearner(policy(), replace(CONFIG, anchor_distance=10.0))
    far = PPOLearner(policy(), replace(CONFIG, anchor_distance=1e-4))
    for made in (near, far):
        made.update(decided(made))
    assert near.anchor_weight < CONFIG.anchor_weight < far.anchor_weight


def test_a_strong_anchor_keeps_the_policy_near() -> None:
    gone = []
    for weight in (0.0, 100.0):
        config = replace(CONFIG, anchor_weight=weight, anchor_distance=0.01)
        made = PPOLearner(policy(), config)
        for seed in range(8):
            gone.append(made.update(decided(made, seed=seed))["anchor_distance"])
    assert gone[-1] < 0.5 * gone[7]


def test_old_decisions_are_not_learned_from() -> None:
    made = PPOLearner(policy(), CONFIG)
    transitions = decided(made)
    made.update(transitions)
    with pytest.raises(TrainingError, match="128 are not of version 1 or up to 0 older"):
        made.update(transitions)
    patient = PPOLearner(policy(), replace(CONFIG, version_lag=1))
    patient.update(transitions)
    assert patient.update(transitions)["used"] == 1.0


def test_an_older_decision_counts_by_how_likely_it_still_is() -> None:
    made = learner()
    transitions = decided(made)
    used = transitions.valid
    estimate = made._estimate(transitions, used)
    fresh = made._lessons(transitions, estimate, used)
    count = len(fresh)
    told = fresh.log_prob + torch.linspace(-1.0, 1.0, count)
    lessons = replace(fresh, log_prob=told, own=torch.arange(count) < 3)
    reference = made._reference(lessons, made._batches(count))
    expected = (reference.log_prob - told).exp().clamp(max=1.0)
    assert torch.equal(reference.weight[:3], torch.ones(3))
    assert torch.equal(reference.weight[3:], expected[3:])
    assert 0.3 < float(reference.weight.min()) < 0.4
    torch.testing.assert_close(reference.log_prob, fresh.log_prob, atol=1e-5, rtol=0)


def test_the_standard_deviation_learns_at_a_rate_of_its_own() -> None:
    moved = []
    for gain in (1.0, 5.0):
        made = learner(log_std_lr_scale=gain)
        before = [value.detach().clone() for value in made.actor.spread.parameters()]
        made.update(decided(made))
        after = made.actor.spread.parameters()
        moved.append(
            max(float((a - b).detach().abs().max()) for a, b in zip(after, before, strict=True))
        )
    assert moved[1] > 2 * moved[0]


def test_what_a_human_did_is_not_learned_from() -> None:
    """The rows of a human change nothing, whatever was done in them."""
    transitions = decided(PPOLearner(policy(), CONFIG))
    valid = torch.arange(16)[:, None].expand(16, 8) < 12
    human = torch.where(valid[..., None, None], transitions.action, 5.0)
    states = []
    for action in (transitions.action, human):
        made = PPOLearner(policy(), CONFIG)
        made.update(replace(transitions, valid=valid, action=action))
        states.append(made.actor.state_dict())
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name])


def test_nothing_to_learn_from_is_refused() -> None:
    made = PPOLearner(policy(), CONFIG)
    transitions = decided(made)
    nobody = torch.zeros_like(transitions.valid)
    with pytest.raises(TrainingError, match="128 are not the policy's own"):
        made.update(replace(transitions, valid=nobody))


def test_more_points_than_a_chunk_has_are_refused() -> None:
    with pytest.raises(TrainingError, match="n_action_steps = 5, but a chunk has 4 points"):
        PPOLearner(policy(), FinetuneConfig(n_action_steps=5))
