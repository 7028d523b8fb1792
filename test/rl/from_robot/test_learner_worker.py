"""The learner worker: from recorded episodes to versions, with restarts."""

import shutil
from array import array
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from recorded_bag import record_bag
from toy_training import ORDINARY_WIDTH, train_toy

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.bundle.golden import read_golden
from dbp_ros.bundle.manifest import write_manifest
from dbp_ros.data.bags.bag import FELL_BACK, BagTopic, BagWriter
from dbp_ros.data.recording.recorder import LOCK, bag_path
from dbp_ros.errors import ConfigError, TrainingError
from dbp_ros.files import locked
from dbp_ros.learning.checkpoint import read_checkpoint, write_checkpoint
from dbp_ros.learning.quantization import quantize_bundle
from dbp_ros.policy.model import Model
from dbp_ros.rl.from_robot.learner_worker import LearnerWorker
from dbp_ros.settings.finetune import FinetuneConfig
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
def run(pretrained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    write_checkpoint(folder, pretrained[0])
    return folder


@pytest.fixture
def config(run, pretrained, tmp_path):
    return LearnerConfig(
        model=str(pretrained[1].directory),
        checkpoint=str(run),
        out=str(tmp_path),
        decisions_per_update=8,
        finetune=FinetuneConfig(critic_warmup_updates=0, init_noise_std=0.05, target_kl=0.5),
    )


def ros_message(kind, message):
    """Return a ROS message with the fields of a mock."""
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


@pytest.mark.parametrize("algorithm", ["dbpo_published", "dfp"])
def test_an_algorithm_that_ignores_likelihoods_is_refused(config, algorithm):
    finetune = replace(config.finetune, algorithm=algorithm)
    with pytest.raises(ConfigError, match=f"algorithm = {algorithm}: expected dbpo, dbpo_no_anch"):
        LearnerWorker(replace(config, finetune=finetune), print)


def record(folder, number, model, ticks=120, fell_back=None, **changes):
    """Run a model with exploration, and write the bag."""
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
            writer.write(role, serialize_message(ros_message(kinds[role], message)), stamp_ns)
    writer.close(bag.end)


class Reports(list):
    """The reports of a worker."""

    @property
    def versions(self):
        return [report["version"] for report in self if "bundle" in report]


def test_a_learner_starts_from_the_weights_of_a_quantized_model(config, tmp_path):
    _, bundle = train_toy(tmp_path / "exact", ORDINARY_WIDTH)
    quantize_bundle(bundle, tmp_path / "small", "int8_all", read_golden(bundle), "toy", "")
    changes = {"checkpoint": "", "model": str(tmp_path / "small"), "out": str(tmp_path / "out")}
    reports = Reports()
    worker = LearnerWorker(replace(config, **changes), reports.append)
    record(tmp_path / "out", 1, Model(read_bundle(tmp_path / "out" / "versions" / "1")))
    worker.process_new_episodes()
    assert reports.versions == [1, 2]


def test_episodes_become_a_version_and_a_new_process_resumes(config, tmp_path):
    reports = Reports()
    worker = LearnerWorker(config, reports.append)
    assert reports.versions == [1]
    first = Model(read_bundle(tmp_path / "versions" / "1"))
    record(tmp_path, 1, first)
    worker.process_new_episodes()
    assert reports.versions == [1, 2]
    statistics = worker.statistics()
    print(statistics)
    assert 0 < statistics["largest_likelihood_difference"] <= 1e-4
    assert statistics["update"]["used"] == 1.0
    # PyTorch, from the same inputs and weights.
    assert statistics["update"]["log_prob_gap"] <= 1e-3
    second = Model(read_bundle(tmp_path / "versions" / "2"))
    assert second.self_test() <= 1e-5
    again = Reports()
    resumed = LearnerWorker(config, again.append)
    assert again.versions == [2]
    assert resumed.statistics()["updates"] == 1
    resumed.process_new_episodes()
    assert resumed.statistics()["episodes"] == 0, "an episode was used twice"
    record(tmp_path, 2, second)
    resumed.process_new_episodes()
    assert again.versions == [2, 3]


def test_versions_are_numbered_from_the_pretrained_one(config, pretrained, tmp_path):
    """A robot refuses a model that is older than the running one."""
    third = tmp_path / "third"
    shutil.copytree(pretrained[1].directory, third)
    write_manifest(third, replace(pretrained[1].manifest, version=3))
    reports = Reports()
    worker = LearnerWorker(replace(config, model=str(third)), reports.append)
    assert reports.versions == [3]
    record(tmp_path, 1, Model(read_bundle(tmp_path / "versions" / "3")))
    worker.process_new_episodes()
    assert reports.versions == [3, 4]
    assert worker.statistics()["refused_for_age"] == 0


def version_of(folder, number):
    return Model(read_bundle(folder / "versions" / str(number)))


def rollback(failed, running):
    return {"from": failed.bundle.sha256, "to": running.bundle.sha256}


def test_a_learner_follows_the_rollback_of_the_robot(config, tmp_path):
    reports = Reports()
    worker = LearnerWorker(config, reports.append)
    for number in (1, 2):
        record(tmp_path, number, version_of(tmp_path, number))
        worker.process_new_episodes()
    assert reports.versions == [1, 2, 3]
    second, failed = version_of(tmp_path, 2), version_of(tmp_path, 3)
    record(tmp_path, 3, second, ticks=90, fell_back=rollback(failed, second))
    shutil.copytree(tmp_path, tmp_path.parent / "other")
    worker.process_new_episodes()
    assert worker.statistics()["rollbacks"] == 1
    assert reports.versions == [1, 2, 3, 3]
    third = version_of(tmp_path, 3)
    assert third.bundle.sha256 != failed.bundle.sha256
    # With the second version and the third episode only, also in another process.
    other = tmp_path.parent / "other"
    again = LearnerWorker(replace(config, out=str(other)), Reports().append)
    again.process_new_episodes()
    assert_same(weights(tmp_path), weights(other))
    # A repeated rollback is ignored: the failed version is no longer the newest.
    record(tmp_path, 4, third, fell_back=rollback(failed, second))
    worker.process_new_episodes()
    assert worker.statistics()["rollbacks"] == 1
    assert reports.versions == [1, 2, 3, 3, 4]


@pytest.mark.parametrize(("failed", "running"), [(3, 3), (2, 1), (2, 3)])
def test_a_learner_follows_only_rollbacks_from_its_newest_to_an_older_version(
    config, tmp_path, failed, running
):
    worker = LearnerWorker(config, Reports().append)
    for number in (1, 2):
        record(tmp_path, number, version_of(tmp_path, number))
        worker.process_new_episodes()
    metadata = rollback(version_of(tmp_path, failed), version_of(tmp_path, running))
    record(tmp_path, 3, version_of(tmp_path, 3), fell_back=metadata)
    worker.process_new_episodes()
    assert worker.statistics()["rollbacks"] == 0
    assert worker.statistics()["version"] == 4


def test_a_rollback_to_an_unknown_model_is_ignored(config, tmp_path):
    worker = LearnerWorker(config, Reports().append)
    first = version_of(tmp_path, 1)
    metadata = {"from": first.bundle.sha256, "to": "0" * 64}
    record(tmp_path, 1, first, fell_back=metadata)
    worker.process_new_episodes()
    assert worker.statistics()["rollbacks"] == 0


def weights(folder):
    """Return the state of a learner by name."""
    return read_checkpoint(folder / "learner").tensors


def assert_same(first, other):
    assert first.keys() == other.keys()
    different = [name for name in first if not torch.equal(first[name], other[name])]
    assert not different


def test_a_killed_learner_makes_the_same_updates_as_an_uninterrupted_one(config, tmp_path):
    """Bit-identical after a kill between updates, between episodes, or during an export."""
    config = replace(config, decisions_per_update=20, max_waiting_episodes=1)
    out, updated = tmp_path / "whole", []
    worker = LearnerWorker(replace(config, out=str(out)), Reports().append)
    for number in range(1, EPISODES + 1):
        newest = read_bundle(out / "versions" / str(worker.statistics()["version"]))
        record(out, number, Model(newest), ticks=60)
        before = worker.statistics()["updates"]
        worker.process_new_episodes()
        updated += [number] * (worker.statistics()["updates"] - before)
    print(f"updates after the episodes {updated}")
    assert len(updated) >= 3
    during_an_export = updated[1]
    killed = tmp_path / "killed"
    (killed / "episodes").mkdir(parents=True)
    worker = LearnerWorker(replace(config, out=str(killed)), Reports().append)
    for number in range(1, EPISODES + 1):
        shutil.copy(bag_path(out / "episodes", number), killed / "episodes")
        worker.process_new_episodes()
        if number == during_an_export:
            shutil.rmtree(killed / "versions" / str(worker.statistics()["version"]))
        if number in (1, updated[0] + 1, during_an_export, updated[2] - 1):
            worker = LearnerWorker(replace(config, out=str(killed)), Reports().append)
    assert_same(weights(killed), weights(out))
    assert worker.statistics()["skipped_episodes"] == 0


def test_decisions_of_too_old_versions_are_refused_and_counted(config, tmp_path):
    reports = Reports()
    worker = LearnerWorker(replace(config, max_version_lag=0), reports.append)
    first = Model(read_bundle(tmp_path / "versions" / "1"))
    for number in (1, 2):
        record(tmp_path, number, first)
    worker.process_new_episodes()
    statistics = worker.statistics()
    assert reports.versions == [1, 2]
    assert statistics["refused_for_age"] == statistics["decisions"]["kept"] / 2
    assert statistics["waiting_decisions"] == 0


def test_episodes_beyond_the_capacity_are_skipped_and_counted(config, tmp_path):
    worker = LearnerWorker(
        replace(config, max_waiting_episodes=1, decisions_per_update=999), Reports().append
    )
    first = Model(read_bundle(tmp_path / "versions" / "1"))
    for number in (1, 2, 3):
        record(tmp_path, number, first)
    worker.process_new_episodes()
    assert worker.statistics()["skipped_episodes"] == 2
    assert worker.statistics()["episodes"] == 1


def test_an_unreadable_bag_is_skipped(config, tmp_path):
    worker = LearnerWorker(config, Reports().append)
    record(tmp_path, 2, Model(read_bundle(tmp_path / "versions" / "1")))
    bag_path(tmp_path / "episodes", 1).write_bytes(b"nothing")
    worker.process_new_episodes()
    assert worker.statistics()["unreadable_episodes"] == 1
    assert worker.statistics()["version"] == 2


def test_a_model_of_another_run_is_refused(config, pretrained, tmp_path):
    moved = {
        name: value + 0.5 * name.startswith("average/method.head.leave")
        for name, value in pretrained[0].tensors.items()
    }
    write_checkpoint(tmp_path / "other", replace(pretrained[0], tensors=moved))
    with pytest.raises(TrainingError, match="to the run of the model"):
        LearnerWorker(replace(config, checkpoint=str(tmp_path / "other")), Reports().append)
    assert [path.name for path in tmp_path.iterdir()] == ["other"], "something was written"


def test_the_folder_of_another_model_is_refused(config, pretrained, tmp_path):
    LearnerWorker(config, Reports().append)
    shutil.copytree(pretrained[1].directory, tmp_path / "second")
    write_manifest(tmp_path / "second", replace(pretrained[1].manifest, version=2))
    with pytest.raises(TrainingError, match="continues another model"):
        LearnerWorker(replace(config, model=str(tmp_path / "second")), Reports().append)


def test_episodes_of_another_robot_count_like_its_own(config, tmp_path):
    reports = Reports()
    worker = LearnerWorker(config, reports.append)
    model = Model(read_bundle(tmp_path / "versions" / "1"))
    record(tmp_path, 1, model, ticks=40)
    other = tmp_path / "elsewhere"
    (other / "episodes").mkdir(parents=True)
    record(other, 1, model)
    (tmp_path / "episodes" / "cell_2").mkdir()
    shutil.move(bag_path(other / "episodes", 1), bag_path(tmp_path / "episodes" / "cell_2", 1))
    worker.process_new_episodes()
    assert reports.versions == [1, 2]
    assert worker.statistics()["episodes_by_robot"] == {"own": 1, "cell_2": 1}
    resumed = LearnerWorker(config, reports.append)
    resumed.process_new_episodes()
    assert resumed.statistics()["episodes"] == 0, "an episode was used twice"


def other_robot(folder, model, delivers):
    """Add a robot that stopped before the first update, unless it delivers another episode."""
    elsewhere, joined = folder / "elsewhere" / "episodes", folder / "episodes" / "cell_2"
    for path in (elsewhere, joined):
        path.mkdir(parents=True, exist_ok=True)
    record(elsewhere.parent, 1, model, ticks=40)
    shutil.move(bag_path(elsewhere, 1), bag_path(joined, 1 + delivers))


@pytest.mark.parametrize("other", ["stopped", "running", "delivering"])
def test_a_rollback_is_followed_unless_another_robot_is_active(config, tmp_path, other):
    worker = LearnerWorker(config, Reports().append)
    first = version_of(tmp_path, 1)
    other_robot(tmp_path, first, delivers=False)
    for number in (1, 2):
        record(tmp_path, number, version_of(tmp_path, number))
        worker.process_new_episodes()
    second, failed = version_of(tmp_path, 2), version_of(tmp_path, 3)
    if other == "delivering":
        other_robot(tmp_path, first, delivers=True)
    record(tmp_path, 3, second, fell_back=rollback(failed, second))
    lock = tmp_path / "episodes" / "cell_2" / LOCK
    with locked(lock, 0.0) if other == "running" else nullcontext():
        worker.process_new_episodes()
    assert worker.statistics()["rollbacks"] == (other == "stopped")


def test_a_state_of_an_earlier_version_is_refused(config, tmp_path):
    LearnerWorker(config, Reports().append)
    state = read_checkpoint(tmp_path / "learner")
    finetuned = {k: v for k, v in state.metadata["finetuned"].items() if k != "episodes"}
    metadata = {**state.metadata, "finetuned": finetuned}
    write_checkpoint(tmp_path / "learner", replace(state, metadata=metadata))
    with pytest.raises(TrainingError, match="is of an earlier version of dbp_ros"):
        LearnerWorker(config, Reports().append)
