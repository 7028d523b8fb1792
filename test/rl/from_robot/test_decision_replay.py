"""Train = bag = robot = ONNX: decisions of a trained policy, computed again from their bag."""

import argparse
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from own_bags import write_own_bag
from recorded_bag import record_bag

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.cli import episodes_replay
from dbp_ros.data.bags.bag_episode import BagEpisode
from dbp_ros.data.formats import open_episodes
from dbp_ros.data.recording.recorder import bag_path
from dbp_ros.errors import BundleError, EpisodeError
from dbp_ros.evaluation.decision_replay import read_bundles, replay_decisions
from dbp_ros.learning.dataset import load_demonstrations
from dbp_ros.policy.model import Model
from dbp_ros.telemetry.policy_step import parse_policy_step

SIZE = (24, 32)


@pytest.fixture(scope="module")
def recorded(folder):
    """Return the bag of an episode of the trained policy with exploration."""
    return record_bag(Model(read_bundle(folder / "1")), 120, SIZE, n_action_steps=3)


@pytest.fixture
def bags(tmp_path):
    return tmp_path / "bags"


def changed(bag, **messages):
    return replace(bag, messages=bag.messages | messages)


def with_steps(bag, change):
    """Return a bag whose third policy step is changed."""
    steps = list(bag.messages["decision"])
    stamp_ns, message = steps[2]
    steps[2] = stamp_ns, SimpleNamespace(data=change(parse_policy_step(message.data)).to_json())
    return changed(bag, decision=steps)


def replay(bags, folder, *episodes):
    for number, episode in enumerate(episodes, 1):
        write_own_bag(bag_path(bags, number), episode)
    return list(replay_decisions(bags, read_bundles(folder)))


def run(bags, folder):
    parser = argparse.ArgumentParser()
    episodes_replay.register(parser)
    return episodes_replay.run(parser.parse_args([str(bags), "--model", str(folder)]))


def test_every_decision_is_reproduced_bit_for_bit(recorded, bags, folder):
    decisions = replay(bags, folder, recorded, recorded)
    assert len(decisions) == 2 * len(BagEpisode(recorded).policy_steps) >= 20
    assert all(decision.exact for decision in decisions)
    assert set(decisions[0].differences) == {
        *("normalised", "log_std", "action", "log_prob", "states", "images")
    }


def test_the_rows_of_training_are_the_observations_of_the_policy(recorded, bags, folder):
    write_own_bag(bag_path(bags, 1), recorded)
    data, episode = load_demonstrations(bags), open_episodes(bags).read(0)
    rows = {int(ns): row for row, ns in enumerate(episode.stamps_ns)}
    bag = BagEpisode(recorded)
    for step in bag.policy_steps:
        batch = data.batch(np.array([rows[step.stamp_ns]]), horizon=1)
        np.testing.assert_array_equal(batch.states[0].numpy(), step.positions)
        for camera, image in bag.observed_images(step).items():
            np.testing.assert_array_equal(batch.images[camera][0, 0].numpy(), image)


def test_the_verb_prints_the_number_of_reproduced_decisions(recorded, bags, folder, capsys):
    write_own_bag(bag_path(bags, 1), recorded)
    count = len(BagEpisode(recorded).policy_steps)
    for model in (folder, folder / "1"):
        assert run(bags, model) == 0
        assert capsys.readouterr().out == f"{count} of {count} decisions reproduced exactly\n"


def test_one_changed_pixel_is_found(recorded, bags, folder, capsys):
    step = BagEpisode(recorded).policy_steps[2]
    images = list(recorded.messages["image.head"])
    index = [ns for ns, _ in images].index(step.image_stamps_ns["head"])
    stamp_ns, message = images[index]
    data = bytearray(message.data)
    data[100] ^= 128
    images[index] = stamp_ns, SimpleNamespace(**{**vars(message), "data": bytes(data)})
    decisions = replay(bags, folder, changed(recorded, **{"image.head": images}))
    different = [decision for decision in decisions if not decision.exact]
    assert step.number in {decision.number for decision in different}
    assert 0 < different[0].differences["normalised"] < 0.1
    assert run(bags, folder) == 1
    printed = capsys.readouterr().out
    assert f"{len(decisions) - len(different)} of {len(decisions)} decisions" in printed
    assert f"first difference: decision {different[0].number} of " in printed
    assert f"at {different[0].stamp_ns / 1e9:.3f}: differs in normalised by" in printed


@pytest.mark.parametrize("name", ["normalised", "log_std", "action"])
def test_the_smallest_change_of_a_decision_is_found(recorded, bags, folder, name):
    def change(step):
        values = getattr(step, name).copy()
        values[0, 0] = np.nextafter(values[0, 0], np.float32(9), dtype=np.float32)
        return replace(step, **{name: values})

    decisions = replay(bags, folder, with_steps(recorded, change))
    assert [decision.exact for decision in decisions].index(False) == 2
    assert sum(not decision.exact for decision in decisions) == 1
    assert decisions[2].differences[name] > 0


@pytest.mark.parametrize("name", ["latent", "noise"])
def test_another_input_is_found(recorded, bags, folder, name):
    other = with_steps(recorded, lambda step: replace(step, **{name: getattr(step, name) + 1}))
    decisions = replay(bags, folder, other)
    assert [decision.exact for decision in decisions].index(False) == 2
    assert decisions[2].differences["normalised"] > 0


def test_what_cannot_be_computed_is_no_exact_decision(recorded, bags, folder, pretrained):
    unknown = with_steps(recorded, lambda step: replace(step, sha256="ab" * 32))
    problem = replay(bags, folder, unknown)[2].problem
    assert problem == "model abababababab is not given: add its bundle"
    old = with_steps(recorded, lambda step: replace(step, noise=None))
    assert "earlier version" in replay(bags, folder, old)[2].problem
    last = BagEpisode(recorded).policy_steps[-1].image_stamps_ns["head"]
    images = [one for one in recorded.messages["image.head"] if one[0] != last]
    lost = replay(bags, folder, changed(recorded, **{"image.head": images}))
    assert lost[-1].problem == "its images are not in the bag"
    assert not lost[-1].exact


def test_bags_without_decisions_and_missing_bundles_are_refused(recorded, bags, folder, tmp_path):
    with pytest.raises(EpisodeError, match="has no bag with policy steps"):
        list(replay_decisions(tmp_path, read_bundles(folder)))
    messages = {role: m for role, m in recorded.messages.items() if role != "decision"}
    with pytest.raises(EpisodeError, match="has no bag with policy steps"):
        replay(bags, folder, replace(recorded, messages=messages))
    with pytest.raises(BundleError):
        read_bundles(tmp_path / "nothing")
