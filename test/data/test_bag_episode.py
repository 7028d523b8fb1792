"""Executed chunks, images and rewards of a bag."""

import io
import math
from dataclasses import replace
from functools import partial
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image as PilImage
from recorded_bag import START_NS, TICK_NS, joint_state, record_bag
from toy_bundle import write_toy_bundle

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.data.bags.bag import EpisodeEnd
from dbp_ros.data.bags.bag_episode import BagEpisode
from dbp_ros.data.bags.stamped_series import StampedSeries
from dbp_ros.errors import EpisodeError
from dbp_ros.policy.model import Model

STEP_NS = 20_000_000


@pytest.fixture
def record(tmp_path):
    model = Model(read_bundle(write_toy_bundle(tmp_path / "toy", log_std=math.log(0.05))))
    return partial(record_bag, model, size=(8, 12), n_action_steps=3)


def value(data):
    return SimpleNamespace(data=data)


def test_values_are_looked_up_by_their_stamps():
    stream = StampedSeries([(30, "c"), (10_000_000, "d"), (10, "a"), (20, "b")])
    assert [stream.latest(ns) for ns in (9, 10, 25, 10**9)] == [None, "a", "b", "d"]
    assert stream.at(10_000_500) == "d"
    assert stream.at(5_000_000) is None
    assert stream.between(15, 30) == ["a", "b", "c"]


def test_each_chunk_is_executed_until_the_next_policy_step(record):
    recorded = BagEpisode(record(40))
    chunks = recorded.executed_chunks()
    assert len(chunks) == len(recorded.policy_steps) > 4
    for chunk, following in pairwise(chunks):
        assert chunk.executed == 3
        assert chunk.next_step is following.policy_step
        assert not chunk.is_last
        assert not recorded.interrupted(chunk)
    assert chunks[-1].is_last


def test_the_last_chunk_is_executed_until_the_end_of_the_episode(record):
    bag = record(40)
    last = BagEpisode(bag).policy_steps[-1]
    for steps, executed in ((0.1, 1), (1.5, 2), (2.9, 3), (9.0, 3)):
        bag.end = EpisodeEnd("failure", "time_limit", last.stamp_ns + int(steps * STEP_NS))
        assert BagEpisode(bag).executed_chunks()[-1].executed == executed


def test_observed_images_are_those_of_the_policy_step_or_none(record):
    bag = record(40)
    recorded = BagEpisode(bag)
    step = recorded.policy_steps[2]
    images = recorded.observed_images(step)
    assert set(images) == set(recorded.images)
    for camera, image in images.items():
        stamps = [ns for ns, _ in bag.messages[f"image.{camera}"]]
        sent = bag.messages[f"image.{camera}"][stamps.index(step.image_stamps_ns[camera])]
        assert image.tobytes() == sent[1].data
        bag.messages[f"image.{camera}"].remove(sent)
    assert BagEpisode(bag).observed_images(step) is None


def test_compressed_images_are_decoded_as_the_policy_decodes_them(record):
    bag = record(40)
    recorded = BagEpisode(bag)
    step = recorded.policy_steps[2]
    plain = recorded.observed_images(step)
    for camera in recorded.images:
        for index, (ns, message) in enumerate(bag.messages[f"image.{camera}"]):
            file = io.BytesIO()
            size = (message.height, message.width, 3)
            PilImage.fromarray(np.frombuffer(message.data, np.uint8).reshape(size)).save(
                file, "PNG"
            )
            sent = SimpleNamespace(header=message.header, format="png", data=file.getvalue())
            bag.messages[f"image.{camera}"][index] = (ns, sent)
    compressed = BagEpisode(bag)
    for camera, image in compressed.observed_images(step).items():
        np.testing.assert_array_equal(image, plain[camera])
    for _, message in bag.messages["image.head_camera"]:
        message.data = message.data[:40]
    assert BagEpisode(bag).observed_images(step) is None


@pytest.mark.parametrize("drivers", [1, 2, 3])
def test_joint_states_of_several_drivers_are_merged_as_in_the_policy(record, drivers):
    bag = record(60, drivers=drivers)
    states = bag.messages["joint_states"]
    spoilt = [
        joint_state(["base_joint"], [9.0], START_NS),
        joint_state([states[0][1].name[0]] * 2, [9.0, 9.0], START_NS),
        joint_state(states[0][1].name[:1], [math.nan], START_NS),
        joint_state(states[0][1].name[:1], [], START_NS),
    ]
    bag.messages["joint_states"] = [
        message for state in states for message in (state, *((state[0], one) for one in spoilt))
    ]
    recorded = BagEpisode(bag)
    assert len(recorded.policy_steps) > 4
    for step in recorded.policy_steps:
        positions = recorded.positions.latest(step.stamp_ns)
        np.testing.assert_array_equal(np.float32(positions), step.positions[-1])


def test_a_gap_between_policy_steps_is_an_interruption(record):
    recorded = BagEpisode(record(80, without_joint_states=range(20, 45)))
    interrupted = [recorded.interrupted(chunk) for chunk in recorded.executed_chunks()]
    assert sum(interrupted) == 1
    assert not interrupted[0]


def test_a_chunk_before_a_lost_policy_step_has_no_next_step(record):
    bag = record(40)
    del bag.messages["decision"][2]
    chunks = BagEpisode(bag).executed_chunks()
    assert [chunk.next_step is None for chunk in chunks[:-1]] == [
        index == 1 for index in range(len(chunks) - 1)
    ]


def test_the_last_chunk_of_an_incomplete_bag_has_no_next_step(record):
    recorded = BagEpisode(record(40, end=EpisodeEnd("failure", "cut_off", START_NS)))
    last = recorded.executed_chunks()[-1]
    assert not last.is_last
    assert last.next_step is None


def test_policy_steps_of_an_earlier_episode_or_run_are_dropped(record):
    bag = record(60)
    numbers = [d.number for d in BagEpisode(bag).policy_steps]
    for index, (_, message) in enumerate(bag.messages["decision"][:4]):
        old = f'"episode": {9 if index < 2 else 0}'
        message.data = message.data.replace('"episode": 1', old)
    assert [d.number for d in BagEpisode(bag).policy_steps] == numbers[4:]


def test_a_reward_belongs_to_the_point_before_its_state(record):
    bag = record(40)
    bag.messages["reward"] = [
        (START_NS + tick * TICK_NS, value(float(tick))) for tick in range(0, 40, 2)
    ]
    recorded = BagEpisode(bag)
    for chunk in recorded.executed_chunks():
        due = [chunk.policy_step.stamp_ns + k * STEP_NS for k in range(1, chunk.executed + 1)]
        ticks = [(min(ns, chunk.end_ns) - START_NS) // TICK_NS // 2 * 2 for ns in due]
        assert recorded.rewards(chunk) == ticks


def test_non_finite_numbers_are_dropped(record):
    bag = record(40)
    start_ns, joint_state = bag.messages["joint_states"][0]
    bag.messages["reward"] = [(start_ns, value(2.0)), (start_ns + 1, value(math.nan))]
    broken = SimpleNamespace(
        header=bag.messages["joint_states"][-1][1].header,
        name=joint_state.name,
        position=[math.inf] * len(joint_state.name),
    )
    bag.messages["joint_states"].append((start_ns, broken))
    recorded = BagEpisode(bag)
    assert {
        reward for chunk in recorded.executed_chunks() for reward in recorded.rewards(chunk)
    } == {2.0}
    assert all(np.isfinite(positions).all() for positions in recorded.positions.values)


def test_without_published_rewards_a_success_has_reward_one(record):
    bag = record(40)
    won, lost = (
        BagEpisode(bag),
        BagEpisode(replace(bag, end=EpisodeEnd("failure", "failure", bag.end.stamp_ns))),
    )
    assert sum(sum(won.rewards(chunk)) for chunk in won.executed_chunks()) == 1.0
    assert won.rewards(won.executed_chunks()[-1])[-1] == 1.0
    assert sum(sum(lost.rewards(chunk)) for chunk in lost.executed_chunks()) == 0.0


def test_an_intervention_marks_every_chunk_that_it_overlaps(record):
    bag = record(60)
    bag.messages["intervention"] = [
        (START_NS, value(False)),
        (START_NS + 12 * TICK_NS, value(True)),
        (START_NS + 20 * TICK_NS, value(False)),
    ]
    recorded = BagEpisode(bag)
    for chunk in recorded.executed_chunks():
        start, end = (
            (ns - START_NS) / TICK_NS for ns in (chunk.policy_step.stamp_ns, chunk.end_ns)
        )
        assert recorded.has_intervention(chunk) == (start < 20 and end >= 12)


def test_a_chunk_during_which_control_is_enabled_counts_as_stopped(record):
    bag = record(60)
    middle = BagEpisode(bag).policy_steps[2].stamp_ns + TICK_NS
    bag.messages["guard_state"] = [
        (START_NS, value("disabled: control is not enabled")),
        (middle, value("tracking")),
    ]
    recorded = BagEpisode(bag)
    stopped = [recorded.guard_stopped(chunk) for chunk in recorded.executed_chunks()]
    assert stopped == [index <= 2 for index in range(len(stopped))]


def test_an_incomplete_bag_is_rejected(record):
    bag = record(40)
    bag.end = None
    with pytest.raises(EpisodeError, match="recover it first"):
        BagEpisode(bag)
