"""Rows of episodes of a policy: its observations at its steps, and the control steps in between."""

import math
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from own_bags import write_own_bag
from recorded_bag import START_NS, TICK_NS, record_bag
from toy_bundle import JOINTS, write_toy_bundle

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.data.bags.bag import EpisodeEnd
from dbp_ros.data.bags.bag_episode import BagEpisode
from dbp_ros.data.formats import open_episodes
from dbp_ros.data.recording.recorder import bag_path
from dbp_ros.data.selection import Selection
from dbp_ros.errors import EpisodeError
from dbp_ros.policy.model import Model

STEP_NS = 20_000_000


@pytest.fixture
def record(tmp_path):
    model = Model(read_bundle(write_toy_bundle(tmp_path / "toy", log_std=math.log(0.05))))
    return partial(record_bag, model, size=(8, 12), n_action_steps=3)


@pytest.fixture
def read(tmp_path):
    """Return a function that writes a bag and reads its episode."""

    def read(bag, **selected):
        write_own_bag(bag_path(tmp_path / "bags", 1), bag)
        return open_episodes(tmp_path / "bags", Selection(**selected)).read(0)

    return read


def value(data):
    return SimpleNamespace(data=data)


def rows_of(episode, bag):
    """Return the policy steps of a bag with their rows."""
    rows = {int(ns): row for row, ns in enumerate(episode.stamps_ns)}
    return [(step, rows[step.stamp_ns]) for step in BagEpisode(bag).policy_steps]


@pytest.mark.parametrize("drivers", [1, 3])
def test_rows_at_decisions_are_the_observations_bit_for_bit(record, read, drivers):
    bag = record(60, drivers=drivers)
    episode, recorded = read(bag), BagEpisode(bag)
    pairs = rows_of(episode, bag)
    assert len(pairs) > 6
    for step, row in pairs:
        np.testing.assert_array_equal(episode.states[row], step.positions[-1])
        for camera, image in recorded.observed_images(step).items():
            np.testing.assert_array_equal(episode.images[camera][row], image)


def test_a_camera_that_the_policy_does_not_see_is_read_by_its_arrivals(record, read):
    bag = record(60)
    seen = bag.metadata["cameras"][0]
    bag.metadata["cameras"] = [*bag.metadata["cameras"], "other_camera"]
    bag.messages["image.other_camera"] = bag.messages[f"image.{seen}"]
    episode = read(bag)
    assert episode.images["other_camera"].shape == episode.images[seen].shape
    for step in BagEpisode(bag).policy_steps:
        assert set(BagEpisode(bag).observed_images(step)) == set(step.image_stamps_ns)


def test_rows_are_control_steps_from_each_decision_to_the_next(record, read):
    bag = record(60)
    episode = read(bag)
    assert episode.step_s == 0.02
    assert episode.state_names == episode.action_names == JOINTS
    steps = [row for _, row in rows_of(episode, bag)]
    # A decision is due one tick before its last point.
    assert set(np.diff(steps)) == {3}
    gaps = np.diff(episode.stamps_ns)
    assert (np.abs(gaps - STEP_NS) <= TICK_NS).all()
    assert (gaps == STEP_NS).sum() > len(gaps) / 2


def test_the_actions_are_the_executed_points_of_the_chunks(record, read):
    bag = record(60)
    episode = read(bag)
    for step, row in rows_of(episode, bag)[:-1]:
        np.testing.assert_array_equal(episode.actions[row : row + 3], step.action)
    chunks = read(bag, action="chunks")
    np.testing.assert_array_equal(chunks.actions, episode.actions)


def test_recorded_commands_of_the_controllers_are_preferred(record, read):
    bag = record(60)
    bag.metadata["controllers"] = {"left": 2, "right": 1}
    ticks = [START_NS + tick * TICK_NS for tick in range(60)]
    for name, joints in (("left", (0, 1)), ("right", (2,))):
        bag.messages[f"command.{name}"] = [
            (ns, value([0.001 * tick + joint for joint in joints])) for tick, ns in enumerate(ticks)
        ]
    episode = read(bag)
    newest = np.minimum((episode.stamps_ns + STEP_NS - START_NS) // TICK_NS, 59)
    expected = 0.001 * newest[:, None] + np.arange(3)
    np.testing.assert_array_equal(episode.actions, expected.astype(np.float32))
    assert not np.array_equal(read(bag, action="chunks").actions, episode.actions)
    del bag.messages["command.right"]
    np.testing.assert_array_equal(read(bag).actions, read(bag, action="chunks").actions)
    with pytest.raises(
        EpisodeError, match="no key 'commands' for action: use one of chunks, measured"
    ):
        read(bag, action="commands")


def test_measured_positions_are_the_actions_while_a_human_drives(record, read):
    bag = record(60)
    bag.messages["intervention"] = [
        (START_NS, value(False)),
        (START_NS + 25 * TICK_NS, value(True)),
        (START_NS + 30 * TICK_NS, value(False)),
    ]
    episode, recorded = read(bag), BagEpisode(bag)
    measured = read(bag, action="measured").actions
    for chunk, (step, row) in zip(recorded.executed_chunks(), rows_of(episode, bag), strict=True):
        if recorded.has_intervention(chunk):
            np.testing.assert_array_equal(episode.actions[row : row + 3], measured[row : row + 3])
            assert not np.array_equal(episode.actions[row : row + 3], step.action)
    later = recorded.positions.latest(int(episode.stamps_ns[4]) + STEP_NS)
    np.testing.assert_array_equal(measured[4], later.astype(np.float32))


def test_rows_are_interventions_from_the_message_on_to_the_opposite(record, read):
    bag = record(60)
    begin_ns, end_ns = START_NS + 25 * TICK_NS, START_NS + 31 * TICK_NS
    bag.messages["intervention"] = [
        (START_NS, value(False)),
        (begin_ns, value(True)),
        (end_ns, value(False)),
    ]
    episode = read(bag)
    later_ns = episode.stamps_ns + STEP_NS
    expected = (episode.stamps_ns < end_ns) & (later_ns > begin_ns)
    assert 2 <= expected.sum() < len(episode)
    np.testing.assert_array_equal(episode.interventions, expected)


def test_without_messages_a_policy_drove_every_row(record, read):
    episode = read(record(60))
    assert episode.interventions.tolist() == [False] * len(episode)


def test_without_policy_steps_the_rows_of_a_policy_have_interventions_too(record, read):
    bag = record(60)
    del bag.messages["decision"]
    assert not read(bag, action="measured").interventions.any()
    begin_ns = START_NS + 25 * TICK_NS
    bag.messages["intervention"] = [(begin_ns, value(True))]
    for model in ("toy", None):
        bag.metadata["model"] = model
        episode = read(bag, action="measured")
        expected = episode.stamps_ns + round(1e9 * episode.step_s) > begin_ns
        assert 2 <= expected.sum() < len(episode)
        np.testing.assert_array_equal(episode.interventions, expected)


def test_a_latched_value_of_an_earlier_policy_is_no_policy_in_a_demonstration(record, read):
    bag = record(60)
    del bag.messages["decision"]
    bag.metadata["model"] = None
    bag.messages["intervention"] = [(START_NS, value(False))]
    assert read(bag, action="measured").interventions is None


def test_outcome_task_and_rewards_are_those_of_the_bag(record, read):
    won = read(record(40))
    assert (won.task, won.outcome, won.termination_reason) == ("toy", "success", "success")
    assert won.rewards.tolist() == [0.0] * (len(won) - 1) + [1.0]
    bag = record(40, end=EpisodeEnd("failure", "time_limit", START_NS + 39 * TICK_NS))
    bag.messages["reward"] = [(START_NS + t * TICK_NS, value(float(t))) for t in range(40)]
    lost = read(bag)
    assert (lost.outcome, lost.termination_reason) == ("failure", "time_limit")
    newest = np.minimum((lost.stamps_ns + STEP_NS - START_NS) // TICK_NS, 39)
    np.testing.assert_array_equal(lost.rewards, newest.astype(np.float32))


def test_a_lost_image_is_replaced_by_the_one_before_it(record, read):
    bag = record(60)
    step = BagEpisode(bag).policy_steps[3]
    camera, messages = "head_camera", bag.messages["image.head_camera"]
    stamps = [ns for ns, _ in messages]
    lost = stamps.index(step.image_stamps_ns[camera])
    before = np.frombuffer(messages[lost - 1][1].data, np.uint8)
    del messages[lost]
    episode = read(bag)
    numbered = [(one.number, row) for one, row in rows_of(episode, bag)]
    row = dict(numbered)[step.number]
    np.testing.assert_array_equal(episode.images[camera][row].ravel(), before)


def test_keys_are_selected(record, read):
    episode = read(record(40), state=(JOINTS[2],), images=("left_wrist_camera",))
    assert episode.state_names == (JOINTS[2],)
    assert episode.action_names == JOINTS
    assert list(episode.images) == ["left_wrist_camera"]
    with pytest.raises(EpisodeError, match=r"step_s is 0\.05, but the policy had steps of 0\.02 s"):
        read(record(40), step_s=0.05)
    with pytest.raises(EpisodeError, match="no key 'knee' for state: use one of left_elbow"):
        read(record(40), state=("knee",))


def test_a_control_step_that_contradicts_the_policy_steps_is_refused(record, read):
    bag = record(60)
    bag.metadata["step_s"] = 0.002
    with pytest.raises(EpisodeError, match=r"step_s in the metadata is 0\.002, but the points"):
        read(bag)


def test_an_episode_without_policy_steps_is_sampled(record, read):
    bag = record(60)
    del bag.messages["decision"]
    bag.metadata |= {"model": None, "step_s": 0.008, "controllers": {"left": 2, "right": 1}}
    for name, size in bag.metadata["controllers"].items():
        bag.messages[f"command.{name}"] = [
            (START_NS + tick * TICK_NS, value([0.001 * tick] * size)) for tick in range(60)
        ]
    episode = read(bag)
    assert episode.step_s == 1 / 30
    assert (episode.task, episode.outcome) == ("toy", "success")
    assert episode.state_names == JOINTS
    assert list(episode.images) == ["head_camera", "left_wrist_camera"]
    newest = (episode.stamps_ns + 33_333_333 - START_NS) // TICK_NS
    np.testing.assert_allclose(episode.actions, 0.001 * np.tile(newest[:, None], 3), atol=1e-6)
    assert read(bag, step_s=0.1).step_s == 0.1


@pytest.mark.parametrize("compression", ["none", "lz4", "zstd"])
def test_every_compression_and_one_file_give_the_same_episode(record, read, tmp_path, compression):
    bag = record(40)
    path = write_own_bag(tmp_path / "one.mcap", bag, compression)
    one, other = open_episodes(path).read(0), read(bag)
    np.testing.assert_array_equal(one.actions, other.actions)
    np.testing.assert_array_equal(one.images["head_camera"], other.images["head_camera"])


def test_an_incomplete_recording_is_not_an_episode(record, read, tmp_path):
    read(record(40))
    before = open_episodes(tmp_path / "bags").sha256()
    (tmp_path / "bags" / "recording_000002.mcap").write_bytes(b"partial")
    assert open_episodes(tmp_path / "bags").names == ("episode_000001.mcap",)
    assert open_episodes(tmp_path / "bags").sha256() == before


def test_topics_are_listed(record, read, tmp_path):
    bag = record(40)
    bag.messages["reward"] = [(START_NS, value(0.0))]
    bag.messages["guard_note"] = [(START_NS, value("tracking"))]
    read(bag)
    episodes = open_episodes(tmp_path / "bags", Selection(images=("head_camera",)))
    assert set(episodes.unused) == {"/cell/left_wrist_camera/image_raw", "/cell/guard_note"}
    assert episodes.notes == (
        "state: /cell/joint_states; action: chunks on /cell/decision; images: head_camera "
        "(/cell/head_camera/image_raw)",
    )
