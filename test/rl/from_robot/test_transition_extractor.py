"""Extraction of transitions from bags: exact, complete, and with counts of dropped ones."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from recorded_bag import START_NS, record_bag

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.data.bags.bag import EpisodeEnd
from dbp_ros.data.bags.bag_episode import BagEpisode
from dbp_ros.policy.model import Model
from dbp_ros.rl.from_robot.policy_versions import PolicyVersions
from dbp_ros.rl.from_robot.transition_extractor import TransitionExtractor
from dbp_ros.rl.registry import build_learner
from dbp_ros.settings.finetune import FinetuneConfig
from dbp_ros.telemetry.policy_step import parse_policy_step

GAMMA = 0.9
FIRST_VERSION = 1
SIZE = (24, 32)


@pytest.fixture(scope="module")
def model(folder):
    return Model(read_bundle(folder / "1"))


@pytest.fixture
def extract(folder, pretrained):
    """Return a function that extracts the transitions of a bag."""
    policy, versions = pretrained[0].policy(), PolicyVersions(folder)
    extractor = TransitionExtractor(policy, versions, GAMMA, FIRST_VERSION)
    return lambda bag: extractor.extract(BagEpisode(bag))


def explored_bag(model, ticks=120, **changes):
    return record_bag(model, ticks, SIZE, n_action_steps=3, **changes)


def test_every_policy_step_becomes_a_transition_with_its_likelihood(model, extract):
    bag = explored_bag(model)
    extracted, decisions = extract(bag), BagEpisode(bag).policy_steps
    part = extracted.transitions
    assert len(part) == len(decisions) == extracted.counts["decisions"] == extracted.counts["kept"]
    print(f"largest gap {extracted.largest_gap:.2g}")
    assert 0 < extracted.largest_gap <= 1e-4
    assert bool(part.valid.all())
    np.testing.assert_array_equal(part.action[:, 0], [d.normalised for d in decisions])
    np.testing.assert_array_equal(part.latent[:, 0], [d.latent for d in decisions])
    np.testing.assert_allclose(part.log_prob[:-1, 0], [d.log_prob for d in decisions[:-1]])
    torch.testing.assert_close(part.successor[:-1], part.observation[1:])
    assert part.terminated.sum() == 1
    assert bool(part.terminated[-1])
    assert not bool(part.truncated.any())
    assert part.version.unique().tolist() == [0]


def test_the_learner_recomputes_the_recorded_likelihood(model, extract, pretrained):
    """The observation, latent and action are those of the decision, so the densities agree."""
    part = extract(explored_bag(model)).transitions
    learner = build_learner(
        pretrained[0].policy(), FinetuneConfig(init_noise_std=0.05, critic_warmup_updates=0)
    )
    # The fixture's actor explores differently everywhere; the learner's does not yet.
    assert learner.update(part)["log_prob_gap"] > 1e-2


def test_rewards_are_discounted_by_points(model, extract):
    bag = explored_bag(model)
    bag.messages["reward"] = [(START_NS, SimpleNamespace(data=2.0))]
    part = extract(bag).transitions
    full = 2.0 * (1 + GAMMA + GAMMA**2)
    np.testing.assert_allclose(part.reward[:-1, 0], full, rtol=1e-6)
    assert float(part.reward[-1]) == pytest.approx(
        2.0 * sum(GAMMA**k for k in range(int(part.executed[-1])))
    )


def test_a_time_limit_truncates_with_the_observation_at_the_end(model, extract, pretrained):
    bag = explored_bag(model)
    last = BagEpisode(bag).policy_steps[-1]
    bag.end = EpisodeEnd("failure", "time_limit", last.stamp_ns + 40_000_000)
    part = extract(bag).transitions
    assert bool(part.truncated[-1])
    assert not bool(part.terminated.any())
    assert int(part.executed[-1]) == 2
    measured = BagEpisode(bag).positions.latest(bag.end.stamp_ns)
    expected = pretrained[0].policy().normaliser.normalise_states(torch.tensor(measured)).float()
    torch.testing.assert_close(part.successor[-1, 0, : len(measured)], expected)


def test_a_partly_executed_chunk_has_the_density_of_its_executed_points(model, extract):
    bag = explored_bag(model)
    last = BagEpisode(bag).policy_steps[-1]
    bag.end = EpisodeEnd("success", "success", last.stamp_ns + 1)
    part = extract(bag).transitions
    whole = extract(
        explored_bag(model, end=EpisodeEnd("success", "success", last.stamp_ns + 10**9))
    ).transitions
    assert int(part.executed[-1]) == 1
    assert float(part.log_prob[-1]) != pytest.approx(float(whole.log_prob[-1]), abs=1e-3)


def test_a_policy_step_without_its_image_is_dropped_and_counted(model, extract):
    bag = explored_bag(model)
    decision = BagEpisode(bag).policy_steps[4]
    stamp_ns = decision.image_stamps_ns["head"]
    bag.messages["image.head"] = [m for m in bag.messages["image.head"] if m[0] != stamp_ns]
    extracted = extract(bag)
    part = extracted.transitions
    assert extracted.counts["unseen"] >= 1
    assert extracted.counts["kept"] == len(part) < extracted.counts["decisions"]
    ends = torch.nonzero(part.truncated[:, 0]).flatten().tolist()
    assert ends
    assert not bool(part.truncated[-1])


def test_an_intervention_is_masked(model, extract):
    bag = explored_bag(model)
    middle = BagEpisode(bag).policy_steps[3].stamp_ns
    bag.messages["intervention"] = [
        (middle, SimpleNamespace(data=True)),
        (middle + 1, SimpleNamespace(data=False)),
    ]
    extracted = extract(bag)
    assert extracted.counts["human"] == 2
    assert (~extracted.transitions.valid[:, 0]).nonzero().flatten().tolist() == [2, 3]


@pytest.mark.parametrize(
    "state",
    ["stopped: left_elbow_joint is away from its command", "disabled: control is not enabled"],
)
def test_policy_steps_while_the_guard_stopped_the_arms_are_masked(model, extract, state):
    bag = explored_bag(model)
    ends = [chunk.end_ns for chunk in BagEpisode(bag).executed_chunks()]
    bag.messages["guard_state"] = [
        (START_NS, SimpleNamespace(data="tracking")),
        (ends[3] - 1, SimpleNamespace(data=state)),
    ]
    extracted = extract(bag)
    masked = (~extracted.transitions.valid[:, 0]).nonzero().flatten().tolist()
    assert masked == list(range(3, len(ends)))
    assert extracted.counts["stopped"] == len(masked)


def trained_state(model, extract, pretrained, intervention, reward):
    """Return the state of a learner after rewards for two decisions, in an intervention or not."""
    bag = explored_bag(model)
    begin, end = (BagEpisode(bag).policy_steps[number].stamp_ns + 1 for number in (2, 4))
    for role, value in (("intervention", intervention), ("reward", reward)):
        bag.messages[role] = [
            (START_NS, SimpleNamespace(data=type(value)())),
            (begin, SimpleNamespace(data=value)),
            (end, SimpleNamespace(data=type(value)())),
        ]
    part = extract(bag).transitions
    assert (part.reward != 0).flatten().tolist() == [
        reward != 0 and number in (2, 3) for number in range(len(part))
    ]
    learner = build_learner(
        pretrained[0].policy(), FinetuneConfig(init_noise_std=0.05, critic_warmup_updates=0)
    )
    learner.update(part)
    return learner.state_dict()


def same(one, other):
    return all(torch.equal(value, other[name]) for name, value in one.items())


def test_rewards_during_an_intervention_do_not_change_the_learner(model, extract, pretrained):
    """Neither the policy, nor the critic, nor the scale of the rewards."""
    own, human = (
        [trained_state(model, extract, pretrained, intervention, reward) for reward in (0.0, 5.0)]
        for intervention in (False, True)
    )
    assert same(*human)
    assert not same(*own)


def test_a_wrong_likelihood_is_counted_and_masked(model, extract):
    bag = explored_bag(model)
    message = bag.messages["decision"][2][1]
    recorded = parse_policy_step(message.data).log_prob
    message.data = message.data.replace(
        f'"log_prob": {recorded!r}', f'"log_prob": {recorded + 1.0!r}'
    )
    extracted = extract(bag)
    assert extracted.counts["unlikely"] == 1
    assert extracted.largest_gap == pytest.approx(1.0, abs=1e-3)
    assert not bool(extracted.transitions.valid[2])


def test_a_replaced_image_is_detected(model, extract):
    bag = explored_bag(model)
    for _, message in bag.messages["image.head"]:
        message.data = bytes(len(message.data))
    extracted = extract(bag)
    assert extracted.counts["unlikely"] == extracted.counts["kept"] > 0


def test_an_unknown_bundle_gives_no_transitions(model, extract):
    bag = explored_bag(model)
    for _, message in bag.messages["decision"]:
        message.data = message.data.replace(model.bundle.sha256, "0" * 64)
    extracted = extract(bag)
    assert extracted.transitions is None
    assert extracted.counts["unknown_version"] == extracted.counts["decisions"]
