"""The recorder node on a fake robot: episodes, kills and refusals."""

import json
import os
import pty
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from processes.dbp_command import DBP, run_dbp
from processes.fake_robot import CAMERA, FakeRobot, process, wait_until
from sensor_msgs.msg import Joy
from stamps import stamp_to_ns
from std_msgs.msg import Float64MultiArray, String
from trajectory_msgs.msg import JointTrajectory

from dbp_ros.data.bags.bag import Bag, read_bag
from dbp_ros.data.episode import Episode
from dbp_ros.data.formats import open_episodes
from dbp_ros.data.recording.recorder import bag_numbers, bag_path, recover_bags
from dbp_ros.hotswap.swap_status import SwapStatus
from dbp_ros.nodes.conversions import trajectory_message
from dbp_ros.nodes.qos import COMMAND_PUBLISHER, EVENTS, LATCHED
from dbp_ros.settings.controllers import ControllersConfig
from dbp_ros.settings.dual_ur5e import DUAL_UR5E_JOINTS
from dbp_ros.settings.robot_files import robot_file

CONTROLLER = ControllersConfig.controllers[0]
MODEL = SwapStatus(1, "folding", 3, 64 * "a", "active", "", "")
MOMENTS = 20
# A writer thread without a core for some time syncs late.
SYNC_TOLERANCE_S = 0.5


def recorder(folder: Path, **parameters: object) -> Any:
    return process("recorder_node", out=folder, cameras=f"[{CAMERA}]", **parameters)


def trigger(robot: FakeRobot, service: str) -> str:
    done, sentence = robot.call_service(f"recorder/{service}")
    assert done, sentence
    return sentence


def statistics(robot: FakeRobot) -> dict[str, Any]:
    return dict(json.loads(trigger(robot, "statistics")))


def wait_for_messages(robot: FakeRobot) -> None:
    wait_until(lambda: all(statistics(robot)["required_hz"].values()), "messages at the recorder")


def publish_policy(robot: FakeRobot) -> tuple[Any, Any]:
    """Publish a model; return publishers of chunks and of the commands of one controller."""
    model = robot.create_publisher(String, "policy/model", LATCHED)
    model.publish(String(data=MODEL.to_json()))
    chunks = robot.create_publisher(JointTrajectory, "action_chunk", COMMAND_PUBLISHER)
    commands = robot.create_publisher(
        Float64MultiArray, f"{CONTROLLER}/commands", COMMAND_PUBLISHER
    )
    return chunks, commands


def test_an_episode_has_the_messages_of_the_robot_and_a_manifest(
    robot: FakeRobot, tmp_path: Path
) -> None:
    chunks, commands = publish_policy(robot)
    with recorder(tmp_path, operator="kim", task="fold", joy_buttons="[begin=0, failure=2]"):
        wait_for_messages(robot)
        times_s = [0.02, 0.04]
        positions = robot.positions[None].repeat(2, axis=0)
        wait_until(lambda: chunks.get_subscription_count() > 0, "a subscription of the chunks")
        chunks.publish(trajectory_message(DUAL_UR5E_JOINTS, times_s, positions))
        wait_until(lambda: statistics(robot)["rates_hz"]["action_chunk"], "the chunk")
        assert trigger(robot, "begin_episode") == "recording episode 1"
        chunks.publish(trajectory_message(DUAL_UR5E_JOINTS, times_s, positions))
        for value in range(20):
            commands.publish(Float64MultiArray(data=[float(value)]))
            time.sleep(0.05)
        assert trigger(robot, "end_success").startswith("episode 1: success, 1.")
        press(robot, 0, "~/recording episode 2")
        press(robot, 2, "waiting")
        word = robot.create_publisher(String, "recorder/command", EVENTS)
        task = robot.create_publisher(String, "recorder/task", EVENTS)
        both = (word, task)
        wait_until(lambda: all(p.get_subscription_count() for p in both), "subscriptions")
        task.publish(String(data="unfold"))
        wait_until(lambda: statistics(robot)["task"] == "unfold", "the task")
        word.publish(String(data="keep_last"))
        wait_until(lambda: bag_numbers(tmp_path) == [1, 2, 3], "three episodes")
    first, second, last = (read_bag(bag_path(tmp_path, number)) for number in (1, 2, 3))
    assert_manifest(first)
    assert_messages(first)
    ends = [(bag.end.outcome, bag.end.termination_reason) for bag in (first, second, last)]
    assert ends == [("success", "success"), ("failure", "failure"), ("failure", "operator")]
    assert (second.metadata["task"], last.metadata["task"]) == ("fold", "unfold")
    assert_rows(open_episodes(tmp_path).read(0))


def press(robot: FakeRobot, button: int, state: str) -> None:
    """Press and release a button of a gamepad until the recorder has a state."""
    joy = robot.create_publisher(Joy, "joy", COMMAND_PUBLISHER)
    wait_until(lambda: joy.get_subscription_count() > 0, "a subscription of joy")
    recording = state.startswith("~/recording")
    for pressed in (False, True, False):
        buttons = [0, 0, 0]
        buttons[button] = int(pressed)
        time.sleep(0.1)
        joy.publish(Joy(buttons=buttons))
    wait_until(lambda: statistics(robot)["recording"] is recording, state)


def assert_manifest(bag: Bag) -> None:
    found = bag.metadata
    assert found["robot"] == "ur5e_dual"
    assert (found["operator"], found["task"], found["recorded_by"]) == ("kim", "fold", "recorder")
    assert (found["model"], found["model_version"]) == ("folding", 3)
    assert (found["joints"], found["cameras"]) == (list(DUAL_UR5E_JOINTS), [CAMERA])
    assert found["controllers"][CONTROLLER] == 6
    assert (found["control_rate_hz"], found["step_s"]) == (500.0, 0.02)


def assert_rows(episode: Episode) -> None:
    """Check the episode that `dbp train` reads."""
    assert (episode.task, episode.outcome) == ("fold", "success")
    assert episode.state_names == episode.action_names == DUAL_UR5E_JOINTS
    # The step of the chunks of the policy; the first row follows the first chunk.
    assert episode.step_s == 0.02
    assert len(episode) > 45
    assert episode.images[CAMERA].shape[1:] == (8, 12, 3)


def assert_messages(bag: Bag) -> None:
    """Check the rates, the values and the stamps of an episode of one second, with preroll."""
    commands = [message.data[0] for _, message in bag.messages[f"command.{CONTROLLER}"]]
    assert commands == list(range(20))
    assert len(bag.messages["joint_states"]) > 200
    assert len(bag.messages[f"image.{CAMERA}"]) > 20
    assert {"chunk", "model"} <= bag.messages.keys()
    for arrival_ns, message in bag.messages["joint_states"]:
        assert 0 <= arrival_ns - stamp_to_ns(message.header.stamp) < 1_000_000_000


@pytest.mark.timeout(180)
def test_a_kill_at_any_moment_loses_no_finished_episode_and_at_most_a_second_of_the_running_one(
    robot: FakeRobot, tmp_path: Path
) -> None:
    folder, rng = tmp_path / "episodes", random.Random(0)
    moments: list[tuple[Path, list[int], int, int]] = []
    with recorder(folder) as child:
        wait_for_messages(robot)
        for number in range(1, MOMENTS + 1):
            finished = bag_numbers(folder)
            trigger(robot, "begin_episode")
            begun_ns = time.time_ns()
            time.sleep(rng.uniform(0.0, 1.5))
            # The files of a stopped process are those that a kill at this moment would leave.
            child.send_signal(signal.SIGKILL if number == MOMENTS else signal.SIGSTOP)
            killed_ns, copy = time.time_ns(), tmp_path / f"killed_{number}"
            shutil.copytree(folder, copy)
            moments.append((copy, finished, begun_ns, killed_ns))
            if number < MOMENTS:
                child.send_signal(signal.SIGCONT)
                trigger(robot, rng.choice(["end_success", "end_failure", "discard_episode"]))
                wait_until(lambda: not statistics(robot)["writing"], "the end on the disk")
    with recorder(folder):
        wait_until(lambda: len(bag_numbers(folder)) > len(finished), "the recovered episode")
    lost_s = [lost_to_a_kill(*moment) for moment in moments]
    print(f"lost {lost_s} s")
    assert max(lost_s) <= 1.0 + SYNC_TOLERANCE_S
    assert read_bag(bag_path(folder, max(finished) + 1)).end.termination_reason == "cut_off"


def lost_to_a_kill(folder: Path, finished: list[int], begun_ns: int, killed_ns: int) -> float:
    """Check the finished episodes, recover the running one, and return what it lost in [s]."""
    for number in finished:
        bag = read_bag(bag_path(folder, number))
        assert bag.end.outcome == bag.end.termination_reason
        assert bag.messages["joint_states"]
    # An episode that has just begun may have no complete chunk.
    last_ns = begun_ns
    for number in recover_bags(folder):
        assert number == max(finished, default=0) + 1
        recovered = read_bag(bag_path(folder, number))
        assert recovered.end.termination_reason == "cut_off"
        last_ns = recovered.messages["joint_states"][-1][0]
    return (killed_ns - last_ns) / 1e9


def test_no_episode_begins_without_free_space_or_joint_states(
    robot: FakeRobot, tmp_path: Path
) -> None:
    with recorder(tmp_path, min_free_gb=1e6):
        wait_for_messages(robot)
        done, reason = robot.call_service("recorder/begin_episode")
        assert not done
        assert "expected at least 1000000.0 GB (min_free_gb)" in reason
        robot.measures = False
        wait_until(lambda: statistics(robot)["missing"], "the missing topic")
        done, reason = robot.call_service("recorder/begin_episode")
        assert (done, reason) == (False, "no message on /joint_states for 2 s")


def test_a_second_recorder_of_a_folder_is_refused(robot: FakeRobot, tmp_path: Path) -> None:
    with recorder(tmp_path):
        wait_until((tmp_path / ".lock").exists, "the lock")
        command = [sys.executable, "-m", "dbp_ros.nodes.recorder_node", "--ros-args"]
        refused = subprocess.run(
            [*command, "-p", f"out:={tmp_path}"], capture_output=True, text=True, timeout=60
        )
        assert refused.returncode == 1
        assert f"error: another recorder writes to {tmp_path}" in refused.stderr


def test_dbp_episode_begins_and_ends_an_episode_of_the_recorder(
    robot: FakeRobot, tmp_path: Path
) -> None:
    with recorder(tmp_path):
        wait_for_messages(robot)
        begun = run_dbp("episode", "begin")
        assert "episode begun: recorder; recording episode 1" in begun.stdout, begun.stderr
        assert "episode 1: failure" in run_dbp("episode", "failure").stdout
        refused = run_dbp("episode", "success")
        assert refused.returncode == 1
        assert "no episode is running: begin one first" in refused.stderr
    assert read_bag(bag_path(tmp_path, 1)).end.outcome == "failure"


def test_dbp_record_records_episodes_by_keys(robot: FakeRobot, tmp_path: Path) -> None:
    description, out = tmp_path / "robot.yaml", tmp_path / "episodes"
    description.write_text(one_camera())
    words = ("record", "--robot", description, "--out", out, "--task", "fold a towel")
    keyboard, terminal = pty.openpty()
    with tempfile.TemporaryFile("w+") as log:
        child = subprocess.Popen(
            [*DBP, *map(str, words)], stdin=terminal, stdout=log, stderr=subprocess.STDOUT
        )

        def output() -> str:
            log.seek(0)
            return log.read()

        try:
            for key, sentence in (
                ("", "keys: space or b begin"),
                ("b", "recording episode 1"),
                ("s", "episode 1: success"),
                (" ", "recording episode 2"),
                ("b", "error: recorder/begin_episode rejected the request: episode 2 is running"),
                ("d", "episode 2 discarded"),
                ("k", "episode 2: the last "),
                ("t", "recording episode 3"),
            ):
                os.write(keyboard, key.encode())
                wait_until(lambda s=sentence: s in output(), sentence, output)
            os.write(keyboard, b"q")
            assert child.wait(timeout=30) == 0, output()
        finally:
            child.kill()
    ends = [read_bag(bag_path(out, number)).end for number in (1, 2, 3)]
    assert [end.termination_reason for end in ends] == ["success", "operator", "operator"]
    assert read_bag(bag_path(out, 1)).metadata["task"] == "fold a towel"


def one_camera() -> str:
    """Return the description of the default robot with the camera of the fake robot only."""
    values = yaml.safe_load(robot_file("ur5e_dual").read_text(encoding="utf-8"))
    values["cameras"] = {CAMERA: values["cameras"][CAMERA]}
    values["urdf"] = str(robot_file("ur5e_dual").parent / values["urdf"])
    return yaml.safe_dump(values)


def test_dbp_record_names_the_topics_without_messages(domain: int, tmp_path: Path) -> None:
    done = run_dbp("record", "--out", tmp_path, timeout=100)
    assert done.returncode == 1
    assert "error: no messages within 8 s on /joint_states, /head_camera/image_raw" in done.stderr
