"""Episodes in a folder become versions, and a process that is started anew goes on."""

import shutil
from array import array
from dataclasses import replace

import pytest
import torch
from recorded_bag import record_bag

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.bundle.manifest import write_manifest
from dbp_ros.data.bag import FELL_BACK, BagTopic, BagWriter
from dbp_ros.data.recorder import bag_path
from dbp_ros.errors import ConfigError, TrainingError
from dbp_ros.learning.checkpoint import read_checkpoint, write_checkpoint
from dbp_ros.policy.model import Model
from dbp_ros.rl.from_robot.learner_worker import LearnerWorker, finetune_config
from dbp_ros.settings.learner import LearnerConfig

pytest.importorskip("rclpy")
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import String

from dbp_ros.nodes.message_definitions import message_definition

KINDS = {JointState: "sensor_msgs/msg/JointState", Image: "sensor_msgs/msg/Image"}
SIZE = (24, 32)
EPISODES = 14


@pytest.fixture(scope="module")
def run(imitated, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    write_checkpoint(folder, imitated[0])
    return folder


@pytest.fixture
def config(run, imitated, tmp_path):
    return LearnerConfig(
        model=str(imitated[1].directory),
        checkpoint=str(run),
        out=str(tmp_path),
        decisions_per_update=8,
        finetune=("critic_warm_up=0", "sigma=0.05", "kl_target=0.5"),
    )


def real(kind, message):
    """Return a real message with the fields of a made-up one."""
    if kind is String:
        return String(data=message.data)
    made = kind()
    made.header.stamp.sec, made.header.stamp.nanosec = (
        message.header.stamp.sec,
        message.header.stamp.nanosec,
    )
    if kind is JointState:
        made.name, made.position = message.name, array("d", message.position)
        return made
    for name in ("height", "width", "encoding", "step"):
        setattr(made, name, getattr(message, name))
    made.data = array("B", message.data)
    return made


def record(folder, number, model, ticks=120, fell_back=None, **changes):
    """Let a model explore, and leave the bag of it."""
    bag = record_bag(model, ticks, SIZE, n_action_steps=3, **changes)
    bag.metadata[FELL_BACK] = fell_back
    kinds = {role: Image if role.startswith("image.") else String for role in bag.messages}
    kinds["joint_states"] = JointState
    topics = {
        role: BagTopic(f"/{role}", name, message_definition(name))
        for role, kind in kinds.items()
        for name in [KINDS.get(kind, "std_msgs/msg/String")]
    }
    path = bag_path(folder / "episodes", number)
    path.parent.mkdir(exist_ok=True)
    writer = BagWriter(path, topics, bag.metadata)
    for role, messages in bag.messages.items():
        for stamp_ns, message in messages:
            writer.write(role, serialize_message(real(kinds[role], message)), stamp_ns)
    writer.close(bag.end)


class Said(list):
    """What a study says; its versions."""

    @property
    def versions(self):
        return [said["version"] for said in self if "bundle" in said]


def test_episodes_become_a_version_and_a_new_process_goes_on(config, tmp_path):
    said = Said()
    study = LearnerWorker(config, said.append)
    assert said.versions == [1]
    first = Model(read_bundle(tmp_path / "versions" / "1"))
    record(tmp_path, 1, first)
    study.study()
    assert said.versions == [1, 2]
    statistics = study.statistics()
    print(statistics)
    assert 0 < statistics["largest_likelihood_difference"] <= 1e-4
    assert statistics["update"]["used"] == 1.0
    # PyTorch, from the same inputs and weights: what was recorded is what was sampled_transitions.
    assert statistics["update"]["log_prob_gap"] <= 1e-3
    second = Model(read_bundle(tmp_path / "versions" / "2"))
    assert second.self_test() <= 1e-5
    again = Said()
    resumed = LearnerWorker(config, again.append)
    assert again.versions == [2]
    assert resumed.statistics()["updates"] == 1
    resumed.study()
    assert resumed.statistics()["episodes"] == 0, "an episode was learned from twice"
    record(tmp_path, 2, second)
    resumed.study()
    assert again.versions == [2, 3]


def test_versions_count_on_from_the_one_that_was_imitated(config, imitated, tmp_path):
    """A robot refuses what is older than what it runs."""
    third = tmp_path / "third"
    shutil.copytree(imitated[1].directory, third)
    write_manifest(third, replace(imitated[1].manifest, version=3))
    said = Said()
    study = LearnerWorker(replace(config, model=str(third)), said.append)
    assert said.versions == [3]
    record(tmp_path, 1, Model(read_bundle(tmp_path / "versions" / "3")))
    study.study()
    assert said.versions == [3, 4]
    assert study.statistics()["refused_for_age"] == 0


def version_of(folder, number):
    return Model(read_bundle(folder / "versions" / str(number)))


def fallen(failed, decides):
    return {"from": failed.bundle.sha256, "to": decides.bundle.sha256}


def test_a_learner_goes_on_from_what_the_robot_went_back_to(config, tmp_path):
    said = Said()
    study = LearnerWorker(config, said.append)
    for number in (1, 2):
        record(tmp_path, number, version_of(tmp_path, number))
        study.study()
    assert said.versions == [1, 2, 3]
    second, failed = version_of(tmp_path, 2), version_of(tmp_path, 3)
    record(tmp_path, 3, second, ticks=90, fell_back=fallen(failed, second))
    shutil.copytree(tmp_path, tmp_path.parent / "other")
    study.study()
    assert study.statistics()["went_back"] == 1
    assert said.versions == [1, 2, 3, 3]
    third = version_of(tmp_path, 3)
    assert third.bundle.sha256 != failed.bundle.sha256
    # From the second's weights and the third episode alone, in another process too.
    other = tmp_path.parent / "other"
    again = LearnerWorker(replace(config, out=str(other)), Said().append)
    again.study()
    assert_same(weights(tmp_path), weights(other))
    # The same news once more is no news: what failed is no longer the newest.
    record(tmp_path, 4, third, fell_back=fallen(failed, second))
    study.study()
    assert study.statistics()["went_back"] == 1
    assert said.versions == [1, 2, 3, 3, 4]


@pytest.mark.parametrize(("failed", "decides"), [(3, 3), (2, 1), (2, 3)])
def test_a_learner_goes_back_only_from_its_newest_to_an_older_one(
    config, tmp_path, failed, decides
):
    study = LearnerWorker(config, Said().append)
    for number in (1, 2):
        record(tmp_path, number, version_of(tmp_path, number))
        study.study()
    news = fallen(version_of(tmp_path, failed), version_of(tmp_path, decides))
    record(tmp_path, 3, version_of(tmp_path, 3), fell_back=news)
    study.study()
    assert study.statistics()["went_back"] == 0
    assert study.statistics()["version"] == 4


def test_a_learner_that_never_knew_what_the_robot_runs_stays(config, tmp_path):
    study = LearnerWorker(config, Said().append)
    first = version_of(tmp_path, 1)
    news = {"from": first.bundle.sha256, "to": "0" * 64}
    record(tmp_path, 1, first, fell_back=news)
    study.study()
    assert study.statistics()["went_back"] == 0


def weights(folder):
    """Return all that a learner has become and will go on from, by name."""
    return read_checkpoint(folder / "learner").tensors


def assert_same(one, other):
    assert one.keys() == other.keys()
    different = [name for name in one if not torch.equal(one[name], other[name])]
    assert not different


def test_a_learner_that_was_killed_makes_the_update_that_it_would_have_made(config, tmp_path):
    """To the bit, wherever it was: between updates, amid the episodes of one, in an export."""
    config = replace(config, decisions_per_update=20, max_waiting_episodes=1)
    out, updated = tmp_path / "whole", []
    study = LearnerWorker(replace(config, out=str(out)), Said().append)
    for number in range(1, EPISODES + 1):
        newest = read_bundle(out / "versions" / str(study.statistics()["version"]))
        record(out, number, Model(newest), ticks=60)
        before = study.statistics()["updates"]
        study.study()
        updated += [number] * (study.statistics()["updates"] - before)
    print(f"updates after the episodes {updated}")
    assert len(updated) >= 3
    amid_an_export = updated[1]
    killed = tmp_path / "killed"
    (killed / "episodes").mkdir(parents=True)
    study = LearnerWorker(replace(config, out=str(killed)), Said().append)
    for number in range(1, EPISODES + 1):
        shutil.copy(bag_path(out / "episodes", number), killed / "episodes")
        study.study()
        if number == amid_an_export:
            shutil.rmtree(killed / "versions" / str(study.statistics()["version"]))
        if number in (1, updated[0] + 1, amid_an_export, updated[2] - 1):
            study = LearnerWorker(replace(config, out=str(killed)), Said().append)
    assert_same(weights(killed), weights(out))
    assert study.statistics()["skipped_episodes"] == 0


def test_decisions_of_a_version_too_old_are_refused_and_counted(config, tmp_path):
    said = Said()
    study = LearnerWorker(replace(config, max_version_lag=0), said.append)
    first = Model(read_bundle(tmp_path / "versions" / "1"))
    for number in (1, 2):
        record(tmp_path, number, first)
    study.study()
    statistics = study.statistics()
    assert said.versions == [1, 2]
    assert statistics["refused_for_age"] == statistics["decisions"]["kept"] / 2
    assert statistics["waiting_decisions"] == 0


def test_episodes_that_wait_too_long_are_skipped_and_counted(config, tmp_path):
    study = LearnerWorker(
        replace(config, max_waiting_episodes=1, decisions_per_update=999), Said().append
    )
    first = Model(read_bundle(tmp_path / "versions" / "1"))
    for number in (1, 2, 3):
        record(tmp_path, number, first)
    study.study()
    assert study.statistics()["skipped_episodes"] == 2
    assert study.statistics()["episodes"] == 1


def test_a_bag_that_cannot_be_read_stops_nobody(config, tmp_path):
    study = LearnerWorker(config, Said().append)
    record(tmp_path, 2, Model(read_bundle(tmp_path / "versions" / "1")))
    bag_path(tmp_path / "episodes", 1).write_bytes(b"nothing")
    study.study()
    assert study.statistics()["unreadable_episodes"] == 1
    assert study.statistics()["version"] == 2


def test_a_model_of_another_run_is_refused(config, imitated, tmp_path):
    moved = {
        name: value + 0.5 * name.startswith("average/method.head.leave")
        for name, value in imitated[0].tensors.items()
    }
    write_checkpoint(tmp_path / "other", replace(imitated[0], tensors=moved))
    with pytest.raises(TrainingError, match="give the run that the model was exported from"):
        LearnerWorker(replace(config, checkpoint=str(tmp_path / "other")), Said().append)


def test_a_small_number_may_be_written_as_people_do(config):
    settings = finetune_config(replace(config, finetune=("sigma=0.1", "actor_learning_rate=3e-5")))
    assert settings.actor_learning_rate == 3e-5


def test_settings_of_the_algorithm_are_read_by_name(config):
    settings = finetune_config(config)
    assert (settings.critic_warm_up, settings.sigma, settings.version_lag) == (0, 0.05, 1)
    with pytest.raises(ConfigError, match="expected name=value"):
        finetune_config(replace(config, finetune=("sigma",)))
    with pytest.raises(ConfigError, match="has no sigmas"):
        finetune_config(replace(config, finetune=("sigmas=1",)))
