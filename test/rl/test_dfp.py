"""DFP on a toy of two modes: updates of the policy, masks and the replay buffer."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from dbp_ros.drift.fields import WIDE_TEMPERATURES, conditional_drifting
from dbp_ros.drift.losses import scaled_loss
from dbp_ros.errors import ConfigError, TrainingError
from dbp_ros.learning.config import TrainConfig
from dbp_ros.learning.policy_network import PolicyNetwork, PolicyShape
from dbp_ros.rl.critic_ensemble import CriticEnsemble, lower_confidence_bound, select, top_indices
from dbp_ros.rl.dfp import DFPLearner
from dbp_ros.rl.replay_buffer import ReplayBatch, ReplayBuffer
from dbp_ros.rl.transitions import Transitions
from dbp_ros.settings.finetune import FinetuneConfig

SIDE = 0.6
# Ten steps per update.
SETTINGS = FinetuneConfig(
    algorithm="dfp",
    n_action_steps=1,
    minibatch_size=64,
    replay_ratio=10.0,
    critic_warmup_updates=5,
    critic_hidden_dims=(64,),
    replay_weight=0.0,
    best_of_n=1,
    old_policy_tau=0.0,
    actor_learning_rate=1e-3,
)


@pytest.fixture(scope="module")
def two_sided() -> PolicyNetwork:
    """Return a policy of two numbers whose chunks are left or right with equal probability."""
    torch.manual_seed(0)
    config = TrainConfig(horizon=1, latent_dct_modes=0, width=32, branch_width=64, depth=1)
    policy = PolicyNetwork(PolicyShape(("s",), ("x", "y"), {}, {}, 0.1), config)
    optimizer = torch.optim.Adam(policy.method.parameters(), 2e-3)
    for _ in range(400):
        sides = torch.randint(2, (32, 8, 1)) * 2.0 - 1.0
        demonstrated = torch.cat([SIDE * sides, torch.zeros_like(sides)], -1)
        demonstrated = demonstrated + 0.05 * torch.randn_like(demonstrated)
        samples = policy.method(torch.zeros(32, 1), torch.randn(32, 8, 1, 2)).flatten(2)
        loss = scaled_loss(samples, conditional_drifting(samples, demonstrated)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return policy


def share_right(policy: PolicyNetwork) -> float:
    latents = torch.randn(1, 4000, 1, 2, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        return float((policy.method(torch.zeros(1, 1), latents)[..., 0] > 0).float().mean())


def rewarded_on_the_right(learner: DFPLearner, seed: int) -> Transitions:
    """Return 64 decisions, each an episode: reward 1 for a chunk on the right, else 0."""
    generator = torch.Generator().manual_seed(seed)
    latent = torch.randn(64, 1, 2, generator=generator)
    action = learner.explore(torch.zeros(64, 1), latent, generator).action
    return decisions(action, (action[:, 0, 0] > 0).float())


def decisions(action: Tensor, reward: Tensor) -> Transitions:
    count = len(action)
    return Transitions(
        observation=torch.zeros(1, count, 1),
        latent=torch.zeros_like(action)[None],
        action=action[None],
        log_prob=torch.zeros(1, count),
        executed=torch.ones(1, count, dtype=torch.int64),
        reward=reward[None],
        terminated=torch.ones(1, count, dtype=torch.bool),
        truncated=torch.zeros(1, count, dtype=torch.bool),
        successor=torch.zeros(1, count, 1),
        version=torch.zeros(1, count, dtype=torch.int64),
        valid=torch.ones(1, count, dtype=torch.bool),
    )


def trained(policy: PolicyNetwork, settings: FinetuneConfig, updates: int = 45) -> DFPLearner:
    """Return a learner after 50 steps of the critics and 400 of both."""
    learner = DFPLearner(policy, settings)
    for update in range(updates):
        learner.update(rewarded_on_the_right(learner, update))
    return learner


def test_the_policy_converges_to_the_better_mode(two_sided: PolicyNetwork) -> None:
    assert 0.3 < share_right(two_sided) < 0.7
    assert share_right(trained(two_sided, SETTINGS).policy) >= 0.95


def test_all_chunks_of_the_old_policy_as_positives_do_not_change_the_policy(
    two_sided: PolicyNetwork,
) -> None:
    everything = replace(SETTINGS, num_positives=16, num_candidates=16, min_advantage=0.0)
    before = share_right(two_sided)
    assert abs(share_right(trained(two_sided, everything).policy) - before) <= 0.03


def test_without_a_significant_advantage_the_policy_does_not_change(
    two_sided: PolicyNetwork,
) -> None:
    learner = DFPLearner(two_sided, replace(SETTINGS, min_advantage=1e9))
    found = [learner.update(rewarded_on_the_right(learner, update)) for update in range(8)]
    assert found[-1]["significant"] == 0.0
    for one, two in zip(two_sided.parameters(), learner.policy.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=0)


def test_replayed_chunks_attract_regardless_of_their_reward(two_sided: PolicyNetwork) -> None:
    learner = DFPLearner(
        two_sided, replace(SETTINGS, best_weight=0.0, replay_weight=1.0, critic_warmup_updates=0)
    )
    left = torch.tensor([-SIDE, 0.0]).expand(64, 1, 2)
    for _ in range(30):
        learner.update(decisions(left + 0.05 * torch.randn(64, 1, 2), torch.zeros(64)))
    assert share_right(learner.policy) < 0.05


def test_best_of_n_is_on_the_better_side_more_often_than_one_sample(
    two_sided: PolicyNetwork,
) -> None:
    learner = trained(two_sided, SETTINGS, updates=5)
    assert share_right(learner.policy) == share_right(two_sided)
    observations, latents = torch.zeros(200, 1), torch.randn(200, 1, 2)
    single = learner.act(observations, latents)
    learner.best_of = 16
    assert (learner.act(observations, latents)[:, 0, 0] > 0).float().mean() > 0.97
    assert (single[:, 0, 0] > 0).float().mean() < 0.7


def four_ends() -> Transitions:
    """Return four decisions: complete, truncated, terminated, and an intervention."""
    each = decisions(torch.randn(4, 2, 1), torch.arange(4.0))
    flags = torch.tensor([[False, True, False, False]])
    return replace(
        each,
        executed=torch.tensor([[2, 1, 1, 2]]),
        terminated=torch.tensor([[False, False, True, False]]),
        truncated=flags,
        valid=torch.tensor([[True, True, True, False]]),
    )


def test_truncated_chunks_are_dropped_and_terminated_ones_are_not_positives() -> None:
    batch = ReplayBatch.of(four_ends(), four_ends().valid, 0.5, 2)
    assert batch.reward.tolist() == [0.0, 2.0]
    assert batch.discount.tolist() == [0.25, 0.0]
    assert batch.complete.tolist() == [True, False]


def test_incomplete_chunks_do_not_change_the_policy() -> None:
    config = TrainConfig(horizon=2, width=16, branch_width=16, depth=1)
    policy = PolicyNetwork(PolicyShape(("s",), ("x",), {}, {}, 0.1), config)
    settings = replace(SETTINGS, n_action_steps=2, critic_warmup_updates=0, replay_weight=1.0)
    learner = DFPLearner(policy, settings)
    ended = decisions(torch.randn(64, 2, 1), torch.randn(64))
    found = learner.update(ended)
    assert found["used"] == 1.0
    assert found["value_loss"] > 0
    for one, two in zip(policy.parameters(), learner.policy.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=0)


def test_points_that_are_not_executed_have_no_target() -> None:
    config = TrainConfig(horizon=2, width=16, branch_width=16, depth=1)
    policy = PolicyNetwork(PolicyShape(("s",), ("x",), {}, {}, 0.1), config)
    learner = DFPLearner(policy, SETTINGS)
    chunks = torch.randn(5, 4, 2, 1, requires_grad=True)
    loss = learner._drift_loss(chunks, torch.randn(5, 1, 2, 1), torch.ones(5, dtype=torch.bool))
    (gradient,) = torch.autograd.grad(loss, chunks)
    assert bool(gradient[:, :, 0].any())
    assert not bool(gradient[:, :, 1].any())


def test_a_full_replay_buffer_drops_the_oldest_and_never_mixes_two_decisions() -> None:
    replay = ReplayBuffer(10)
    for start in (0, 7, 14):
        reward = torch.arange(start, start + 7.0)
        demonstrated = decisions(reward[:, None, None].expand(-1, 1, 1), reward)
        whole = torch.ones(1, 7, dtype=torch.bool)
        replay.add(
            ReplayBatch.of(
                replace(demonstrated, successor=demonstrated.reward[..., None]), whole, 1.0, 1
            )
        )
    sample = replay.sample(500, torch.Generator().manual_seed(0))
    assert sorted(set(sample.reward.tolist())) == list(range(11, 21))
    torch.testing.assert_close(sample.action[:, 0, 0], sample.reward)
    torch.testing.assert_close(sample.successor[:, 0], sample.reward)


def test_the_lower_bound_subtracts_disagreement_and_the_best_are_selected() -> None:
    values = torch.tensor([[[1.0, 2.0, 4.0]], [[1.0, 4.0, 0.0]]])
    assert lower_confidence_bound(values, 1.0).tolist() == [[1.0, 2.0, 0.0]]
    assert lower_confidence_bound(values, 0.0).tolist() == [[1.0, 3.0, 2.0]]
    chunks = torch.arange(3.0).reshape(1, 3, 1, 1)
    indices = top_indices(lower_confidence_bound(values, 1.0), 2)
    assert select(chunks, indices).flatten().tolist() == [1.0, 0.0]


def test_points_that_are_not_executed_do_not_change_the_value() -> None:
    critics = CriticEnsemble(1, 2, 1, (8,), 2)
    chunks = torch.zeros(1, 2, 3, 1)
    chunks[0, 1, 2] = 5.0
    samples = critics(torch.zeros(1, 1), chunks)
    torch.testing.assert_close(samples[..., 0], samples[..., 1])


def test_a_restored_learner_is_bit_identical(two_sided: PolicyNetwork) -> None:
    settings = replace(SETTINGS, replay_weight=1.0, best_of_n=4, critic_warmup_updates=1)
    first = DFPLearner(two_sided, settings)
    for update in range(3):
        first.update(rewarded_on_the_right(first, update))
    second = DFPLearner(two_sided, settings)
    second.load_state_dict(first.state_dict())
    for learner in (first, second):
        learner.update(rewarded_on_the_right(learner, 9))
    for name, value in first.state_dict().items():
        torch.testing.assert_close(second.state_dict()[name], value, rtol=0, atol=0)


def test_unusable_settings_and_transitions_are_refused(two_sided: PolicyNetwork) -> None:
    with pytest.raises(ConfigError, match="num_positives = 9 is more than num_candidates = 8"):
        FinetuneConfig(num_positives=9, num_candidates=8)
    with pytest.raises(TrainingError, match="a chunk has 1 points"):
        DFPLearner(two_sided, FinetuneConfig(n_action_steps=4))
    learner = DFPLearner(two_sided, SETTINGS)
    transitions = rewarded_on_the_right(learner, 0)
    with pytest.raises(TrainingError, match="none of 64 decisions"):
        learner.update(replace(transitions, valid=torch.zeros_like(transitions.valid)))


def test_the_default_temperatures_are_those_of_the_drift():
    assert FinetuneConfig().temperatures == WIDE_TEMPERATURES
