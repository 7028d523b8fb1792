"""What became of each decision, and the episode that a bag makes."""

import io
import math
from dataclasses import replace
from functools import partial
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from lived import START_NS, TICK_NS, live, measured
from PIL import Image as Picture
from toy_bundle import write_toy_bundle

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.data.bag import EpisodeEnd
from dbp_ros.data.bag_episode import BagEpisode, StampedSeries, to_episode
from dbp_ros.errors import EpisodeError
from dbp_ros.policy.model import Model

STEP_NS = 20_000_000


@pytest.fixture
def lived(tmp_path):
    model = Model(read_bundle(write_toy_bundle(tmp_path / "toy", log_std=math.log(0.05))))
    return partial(live, model, size=(8, 12), n_action_steps=3)


def value(data):
    return SimpleNamespace(data=data)


def test_values_are_found_by_their_stamps():
    stream = StampedSeries([(30, "c"), (10_000_000, "d"), (10, "a"), (20, "b")])
    assert [stream.before(ns) for ns in (9, 10, 25, 10**9)] == [None, "a", "b", "d"]
    assert stream.at(10_000_500) == "d"
    assert stream.at(5_000_000) is None
    assert stream.between(15, 30) == ["a", "b", "c"]


def test_each_decision_is_played_until_the_next_one_comes(lived):
    recorded = BagEpisode(lived(40))
    plays = recorded.plays()
    assert len(plays) == len(recorded.decisions) > 4
    for play, following in pairwise(plays):
        assert play.executed == 3
        assert play.successor is following.decision
        assert not play.last
        assert not recorded.interrupted(play)
    assert plays[-1].last


def test_the_last_decision_is_played_as_far_as_the_episode_went(lived):
    bag = lived(40)
    last = BagEpisode(bag).decisions[-1]
    for steps, executed in ((0.1, 1), (1.5, 2), (2.9, 3), (9.0, 3)):
        bag.end = EpisodeEnd("failure", "time_limit", last.stamp_ns + int(steps * STEP_NS))
        assert BagEpisode(bag).plays()[-1].executed == executed


def test_the_pictures_are_those_that_were_decided_from_or_none(lived):
    bag = lived(40)
    recorded = BagEpisode(bag)
    decision = recorded.decisions[2]
    images = recorded.seen_by(decision)
    assert set(images) == set(recorded.pictures)
    for camera, image in images.items():
        stamps = [ns for ns, _ in bag.messages[f"image.{camera}"]]
        sent = bag.messages[f"image.{camera}"][stamps.index(decision.image_stamps_ns[camera])]
        assert image.tobytes() == sent[1].data
        bag.messages[f"image.{camera}"].remove(sent)
    assert BagEpisode(bag).seen_by(decision) is None


def test_compressed_pictures_are_seen_as_the_policy_saw_them(lived):
    bag = lived(40)
    recorded = BagEpisode(bag)
    decision = recorded.decisions[2]
    plain = recorded.seen_by(decision)
    for camera in recorded.pictures:
        for index, (ns, message) in enumerate(bag.messages[f"image.{camera}"]):
            file = io.BytesIO()
            size = (message.height, message.width, 3)
            Picture.fromarray(np.frombuffer(message.data, np.uint8).reshape(size)).save(file, "PNG")
            sent = SimpleNamespace(header=message.header, format="png", data=file.getvalue())
            bag.messages[f"image.{camera}"][index] = (ns, sent)
    compressed = BagEpisode(bag)
    for camera, image in compressed.seen_by(decision).items():
        np.testing.assert_array_equal(image, plain[camera])
    for _, message in bag.messages["image.head_camera"]:
        message.data = message.data[:40]
    assert BagEpisode(bag).seen_by(decision) is None


@pytest.mark.parametrize("drivers", [1, 2, 3])
def test_joints_of_several_drivers_are_where_the_policy_had_them(lived, drivers):
    bag = lived(60, drivers=drivers)
    states = bag.messages["joint_states"]
    spoilt = [
        measured(["base_joint"], [9.0], START_NS),
        measured([states[0][1].name[0]] * 2, [9.0, 9.0], START_NS),
        measured(states[0][1].name[:1], [math.nan], START_NS),
        measured(states[0][1].name[:1], [], START_NS),
    ]
    bag.messages["joint_states"] = [
        message for state in states for message in (state, *((state[0], one) for one in spoilt))
    ]
    recorded = BagEpisode(bag)
    assert len(recorded.decisions) > 4
    for decision in recorded.decisions:
        positions = recorded.positions.before(decision.stamp_ns)
        np.testing.assert_array_equal(np.float32(positions), decision.positions[-1])
    assert len(to_episode(recorded)) == sum(play.executed for play in recorded.plays())


def test_a_gap_in_which_the_arms_were_held_is_an_interruption(lived):
    recorded = BagEpisode(lived(80, blind=range(20, 45)))
    held = [recorded.interrupted(play) for play in recorded.plays()]
    assert sum(held) == 1
    assert not held[0]


def test_a_lost_decision_leaves_the_one_before_without_a_successor(lived):
    bag = lived(40)
    del bag.messages["decision"][2]
    plays = BagEpisode(bag).plays()
    assert [play.successor is None for play in plays[:-1]] == [
        index == 1 for index in range(len(plays) - 1)
    ]


def test_what_was_cut_off_ends_with_a_decision_of_which_nobody_knows(lived):
    recorded = BagEpisode(lived(40, end=EpisodeEnd("failure", "cut_off", START_NS)))
    last = recorded.plays()[-1]
    assert not last.last
    assert last.successor is None


def test_decisions_of_an_earlier_episode_or_run_are_left_out(lived):
    bag = lived(60)
    numbers = [d.number for d in BagEpisode(bag).decisions]
    for index, (_, message) in enumerate(bag.messages["decision"][:4]):
        old = f'"episode": {9 if index < 2 else 0}'
        message.data = message.data.replace('"episode": 1', old)
    assert [d.number for d in BagEpisode(bag).decisions] == numbers[4:]


def test_a_reward_belongs_to_the_point_that_led_to_its_state(lived):
    bag = lived(40)
    bag.messages["reward"] = [
        (START_NS + tick * TICK_NS, value(float(tick))) for tick in range(0, 40, 2)
    ]
    recorded = BagEpisode(bag)
    for play in recorded.plays():
        due = [play.decision.stamp_ns + k * STEP_NS for k in range(1, play.executed + 1)]
        ticks = [(min(ns, play.until_ns) - START_NS) // TICK_NS // 2 * 2 for ns in due]
        assert recorded.rewards(play) == ticks


def test_numbers_that_are_not_finite_are_left_out(lived):
    bag = lived(40)
    start_ns, measured = bag.messages["joint_states"][0]
    bag.messages["reward"] = [(start_ns, value(2.0)), (start_ns + 1, value(math.nan))]
    broken = SimpleNamespace(
        header=bag.messages["joint_states"][-1][1].header,
        name=measured.name,
        position=[math.inf] * len(measured.name),
    )
    bag.messages["joint_states"].append((start_ns, broken))
    recorded = BagEpisode(bag)
    assert {reward for play in recorded.plays() for reward in recorded.rewards(play)} == {2.0}
    assert all(np.isfinite(positions).all() for positions in recorded.positions.values)


def test_where_nobody_rewards_a_success_is_worth_one(lived):
    bag = lived(40)
    won, lost = (
        BagEpisode(bag),
        BagEpisode(replace(bag, end=EpisodeEnd("failure", "failure", bag.end.stamp_ns))),
    )
    assert sum(sum(won.rewards(play)) for play in won.plays()) == 1.0
    assert won.rewards(won.plays()[-1])[-1] == 1.0
    assert sum(sum(lost.rewards(play)) for play in lost.plays()) == 0.0


def test_a_human_is_seen_in_every_decision_that_it_overlaps(lived):
    bag = lived(60)
    bag.messages["intervention"] = [
        (START_NS, value(False)),
        (START_NS + 12 * TICK_NS, value(True)),
        (START_NS + 20 * TICK_NS, value(False)),
    ]
    recorded = BagEpisode(bag)
    for play in recorded.plays():
        start, end = ((ns - START_NS) / TICK_NS for ns in (play.decision.stamp_ns, play.until_ns))
        assert recorded.driven_by_human(play) == (start < 20 and end >= 12)


def test_an_episode_has_a_row_for_each_point_that_was_played(lived):
    recorded = BagEpisode(lived(40))
    episode, plays = to_episode(recorded), recorded.plays()
    assert len(episode) == sum(play.executed for play in plays)
    first = plays[0].decision
    np.testing.assert_array_equal(episode.states[0], first.positions[-1])
    np.testing.assert_array_equal(episode.actions[:3], first.action)
    assert (np.diff(episode.stamps_ns) > 0).all()
    assert episode.images["head_camera"].shape == (len(episode), 8, 12, 3)
    assert (episode.outcome, episode.termination_reason) == ("success", "success")
    assert episode.rewards.sum() == 1.0


def test_where_a_human_drove_the_action_is_where_the_arms_went(lived):
    bag = lived(40)
    bag.messages["intervention"] = [(START_NS, value(True))]
    recorded = BagEpisode(bag)
    episode = to_episode(recorded)
    there = [recorded.positions.before(int(ns) + STEP_NS) for ns in episode.stamps_ns]
    np.testing.assert_array_equal(episode.actions, np.float32(there))


def test_a_bag_that_was_not_mended_or_without_decisions_is_refused(lived):
    bag = lived(40)
    bag.messages["decision"] = []
    with pytest.raises(EpisodeError, match="no decision of it came to its end"):
        to_episode(BagEpisode(bag))
    bag.end = None
    with pytest.raises(EpisodeError, match="mend it first"):
        BagEpisode(bag)
