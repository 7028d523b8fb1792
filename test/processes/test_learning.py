"""From exploration to a new version, with real processes and topics."""

import json
import math
import os
import time
from pathlib import Path

import numpy as np
import pytest
from processes.fake_robot import CAMERA, FakeRobot, process, wait_until
from processes.learner_setup import DiagnosticsListener, publish_control
from std_msgs.msg import Float64, String

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.data.bags.bag import read_bag
from dbp_ros.data.bags.bag_episode import BagEpisode
from dbp_ros.data.recording.recorder import bag_path
from dbp_ros.evaluation.decision_replay import read_bundles, replay_decisions
from dbp_ros.nodes.qos import EVENTS, LATCHED
from dbp_ros.settings.dual_ur5e import DUAL_UR5E_JOINTS

LIKELIHOOD = 1e-4
# The cell starts each episode at another pose.
A_JUMP_RAD = 0.005
KEYS = (
    *("updates", "largest_likelihood_difference", "decisions.kept", "decisions.unseen"),
    *("decisions.unknown_version", "masked.unlikely", "masked.interrupted"),
    *("update.used", "update.log_prob_gap"),
)


@pytest.mark.timeout(900)
def test_exploration_on_a_robot_produces_version_two(
    robot: FakeRobot, guard, pretrained: Path, tmp_path: Path
) -> None:
    out, model = tmp_path / "learner", pretrained / "models" / "toy"
    learning = {
        "model": model,
        "checkpoint": pretrained / "run",
        "out": out,
        "task": "toy",
        "image_transport": "compressed",
        "learner_niceness": 0,
        "decisions_per_update": 12,
        "finetune.critic_warmup_updates": 0,
        "finetune.init_noise_std": 0.2,
        "finetune.target_kl": 0.5,
    }
    exploring = {
        "model": model,
        "explore": "true",
        "image_transport": "compressed",
        # The guard limits random actions, which is no property of the model.
        "max_limited_increase": 1.0,
        "received_models": tmp_path / "received",
    }
    listener = DiagnosticsListener(robot)
    robot.file_format = "png"
    with process("learner_node", **learning) as learner, process("policy_node", **exploring):
        listener.wait_for("policy", "model.version", "1")
        listener.wait_for("learner", "learner.version", "1")
        assert_other_cores(learner.pid, guard.pid)
        for ending in ("end_success", "end_failure"):
            listener.explore_for(3.0)
            listener.trigger(f"learner/{ending}")
            listener.wait_for("learner", "recording", "False")
            listener.trigger("policy/begin_episode")
        later = [str(version) for version in range(2, 9)]
        listener.wait_for("learner", "learner.version", *later)
        listener.wait_for("policy", "model.version", *later)
        listener.explore_for(1.0)
        values = listener.values["learner"]
    found = {key: float(values[f"learner.{key}"]) for key in KEYS}
    print(found)
    assert 0 < found["largest_likelihood_difference"] <= LIKELIHOOD
    assert found["masked.unlikely"] == found["decisions.unknown_version"] == 0
    assert found["decisions.kept"] >= found["update.used"] > 0
    assert found["updates"] >= 1
    assert values["dropped_messages"] == "0"
    first, second = (read_bundle(out / "versions" / str(n)) for n in (1, 2))
    assert first.manifest.files["head.onnx"] != second.manifest.files["head.onnx"]
    encoder = first.manifest.cameras[0].encoder
    assert first.manifest.files[encoder] == second.manifest.files[encoder]
    assert_recorded(out / "episodes")
    assert_replayed(out / "episodes", out / "versions")


def assert_replayed(episodes: Path, versions: Path) -> None:
    """Check that the decisions of the running policy follow bit for bit from their bags."""
    decisions = list(replay_decisions(episodes, read_bundles(versions)))
    # An image of a decision may be lost on its way to the recorder.
    computed = [decision for decision in decisions if not decision.problem]
    print(f"{len(computed)} of {len(decisions)} decisions replayed")
    assert len(computed) > 0.5 * len(decisions) > 10
    assert [decision.describe() for decision in computed if not decision.exact] == []
    assert all("states" in decision.differences for decision in computed)


def assert_other_cores(learner: int, guard: int) -> None:
    """Check that the learner and its worker do not use the guard's core."""
    children = Path(f"/proc/{learner}/task/{learner}/children").read_text(encoding="utf-8").split()
    assert len(children) == 1
    for process_id in (learner, *map(int, children)):
        shared = os.sched_getaffinity(process_id) & os.sched_getaffinity(guard)
        assert not shared or len(os.sched_getaffinity(0)) == 1


def test_a_learner_without_images_reports_their_topic(
    robot: FakeRobot, pretrained: Path, tmp_path: Path
) -> None:
    learning = {
        "model": pretrained / "models" / "toy",
        "checkpoint": pretrained / "run",
        "out": tmp_path / "learner",
        "image_transport": "compressed",
    }
    with process("learner_node", **learning):
        robot.wait_for_state("learner", "waiting for control: call guard/enable_control")
        publish_control(robot)
        robot.call_service("learner/begin_episode")
        robot.wait_for_state("learner", f"no image on {CAMERA}/image_raw/compressed: is image_")
        robot.file_format = "png"
        robot.wait_for_state("learner", "recording episode 1")


def test_a_learner_ignores_malformed_messages_and_records_the_rest(
    robot: FakeRobot, pretrained: Path, tmp_path: Path
) -> None:
    learning = {
        "model": pretrained / "models" / "toy",
        "checkpoint": pretrained / "run",
        "out": tmp_path / "learner",
    }
    with process("learner_node", **learning) as learner:
        publish_control(robot)
        robot.wait_for_state("learner", "waiting for a decision of the policy")
        robot.call_service("learner/begin_episode")
        for kind, topic, qos, values in (
            (String, "decision", EVENTS, ("", "[]", '{"number": "2"}')),
            (String, "policy/model", LATCHED, ("model 3", "[]", "{}")),
            (Float64, "reward", EVENTS, (math.nan, math.inf, 1.0)),
        ):
            publisher = robot.create_publisher(kind, topic, qos)
            wait_until(
                lambda p=publisher: p.get_subscription_count() > 0, f"a subscription of {topic}"
            )
            for value in 3 * values:
                publisher.publish(b"\0\1")
                publisher.publish(kind(data=value))
                time.sleep(0.05)
        robot.wait_for_state("learner", "decision: ignoring messages")
        statistics = json.loads(robot.call_service("learner/statistics")[1])
        assert statistics["ignored_messages"]["decision"] >= 3
        # The topic keeps only the last message.
        assert statistics["ignored_messages"]["policy/model"] >= 1
        robot.call_service("learner/end_failure")
        assert learner.poll() is None
    rewards = read_bag(bag_path(tmp_path / "learner" / "episodes", 1)).messages["reward"]
    assert {message.data for _, message in rewards} == {1.0}


def test_a_new_episode_of_the_cell_ends_that_of_the_learner_before_the_arms_are_moved(
    robot: FakeRobot, pretrained: Path, tmp_path: Path
) -> None:
    robot.measures, robot.camera = False, "off"
    learning = {
        "model": pretrained / "models" / "toy",
        "checkpoint": pretrained / "run",
        "out": tmp_path / "learner",
    }
    cell = process("sim_node", task="reach", camera_backend="raycast")
    with process("learner_node", **learning), cell:
        publish_control(robot)
        robot.wait_for_state("learner", "waiting for a decision of the policy")
        assert robot.call_service("learner/begin_episode")[0]
        robot.wait_for_state("learner", "recording episode 1")
        # Joint states for the recording; a busy machine delivers few.
        time.sleep(2.0)
        done, what = robot.call_service("simulation/new_episode")
        assert done, what
        robot.wait_for_state("learner", "recording episode 2")
    bag = read_bag(bag_path(tmp_path / "learner" / "episodes", 1))
    assert bag.end is not None
    assert (bag.end.outcome, bag.end.termination_reason) == ("failure", "operator")
    path = np.array([message.position for _, message in bag.messages["joint_states"]])
    assert len(path) > 10
    assert np.abs(np.diff(path, axis=0)).max() < A_JUMP_RAD


def assert_recorded(episodes: Path) -> None:
    """Check the bags of a success, a failure, and an incomplete one."""
    ends = []
    for number in (1, 2):
        recorded = BagEpisode(read_bag(bag_path(episodes, number)))
        assert sum(chunk.executed for chunk in recorded.executed_chunks()) > 4
        assert all(recorded.observed_images(step) for step in recorded.policy_steps)
        assert recorded.joints == DUAL_UR5E_JOINTS
        ends.append((recorded.end.outcome, recorded.end.termination_reason))
    assert ends == [("success", "success"), ("failure", "failure")]
    (cut_off,) = episodes.glob("recording_*.mcap")
    assert read_bag(cut_off).messages["decision"]
