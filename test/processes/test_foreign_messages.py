"""Foreign and malformed messages are ignored, counted and named once; the node continues."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from processes.fake_robot import CAMERA, CONFIG, FakeRobot, process, wait_until
from rclpy.publisher import Publisher
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import MultiArrayDimension, String, UInt8MultiArray
from toy_bundle import write_toy_bundle

from dbp_ros.hotswap.transfer.messages import Announcement
from dbp_ros.nodes.qos import LATCHED, MODEL_CHUNKS, SENSOR

REPEATS, SPACING_S = 20, 0.02
TEXTS = ("", "{", "[]", "3", "null", '"x"', '{"name": 1}', "[" * 5000, '{"name": "\\ud800"}')
ABSENT = Announcement("toy", "a" * 64, 1000, "/nowhere", 1, "absent")


def status(name: str, **values: str) -> DiagnosticArray:
    pairs = [KeyValue(key=key, value=value) for key, value in values.items()]
    return DiagnosticArray(status=[DiagnosticStatus(name=name, values=pairs)])


def chunk(*labels: str) -> UInt8MultiArray:
    message = UInt8MultiArray()
    message.layout.dim = [MultiArrayDimension(label=label) for label in labels]
    return message


DIAGNOSTICS = (
    DiagnosticArray(),
    status("guard"),
    status("guard", commands="many", limited_commands="0"),
    status("guard", commands="-1", limited_commands="0"),
    status("guard", commands="9" * 5000, limited_commands="0"),
    status("", commands="1"),
)


@pytest.fixture
def policy(robot: FakeRobot, tmp_path: Path) -> Iterator[FakeRobot]:
    """A policy at work, which the test must leave alive."""
    model = write_toy_bundle(tmp_path / "toy", graph_joints=CONFIG.joints, graph_cameras=(CAMERA,))
    with process("policy_node", model=model, received_models=tmp_path / "received") as child:
        robot.wait_for_state("policy", "deciding")
        yield robot
        assert child.poll() is None


def flood(publisher: Publisher, messages: list) -> None:
    """Publish each message many times, as a node at a constant rate does."""
    wait_until(lambda: publisher.get_subscription_count() > 0, f"who takes {publisher.topic}")
    for _ in range(REPEATS):
        for message in messages:
            publisher.publish(message)
        time.sleep(SPACING_S)


def ignored(robot: FakeRobot) -> dict[str, int]:
    return json.loads(robot.call_service("policy/statistics")[1])["ignored_messages"]


def test_a_policy_continues_after_malformed_messages_on_every_topic(policy: FakeRobot) -> None:
    latched = policy.create_publisher(String, "model_announcement", LATCHED)
    flood(latched, [String(data=text) for text in TEXTS])
    latched.publish(String(data=ABSENT.to_json()))
    # It now waits for pieces of what was announced.
    pieces = policy.create_publisher(UInt8MultiArray, "model_chunk", MODEL_CHUNKS)
    time.sleep(0.5)
    flood(pieces, [chunk(), *(chunk(text) for text in TEXTS), chunk("{}", "{}")])
    flood(policy.create_publisher(DiagnosticArray, "/diagnostics", 10), list(DIAGNOSTICS))
    policy.wait_for_state("policy", "/diagnostics: ignoring messages: a status named guard")
    counts = ignored(policy)
    assert counts["model_announcement"] >= REPEATS
    assert counts["model_chunk"] >= REPEATS
    assert counts["/diagnostics"] >= REPEATS
    policy.wait_for_state("policy", "deciding")


def test_a_cause_is_logged_once(
    robot: FakeRobot, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_toy_bundle(tmp_path / "toy", graph_joints=CONFIG.joints, graph_cameras=(CAMERA,))
    with process("policy_node", model=model):
        robot.wait_for_state("policy", "deciding")
        flood(robot.create_publisher(DiagnosticArray, "/diagnostics", 10), [status("guard")])
        robot.wait_for_state("policy", "ignoring messages")
    assert capsys.readouterr().out.count("/diagnostics: ignored a message: ") == 1


def test_malformed_sensor_messages_between_good_ones_do_not_flap_the_state(
    policy: FakeRobot,
) -> None:
    states: list[str] = []
    policy.create_subscription(String, "policy/state", lambda m: states.append(m.data), LATCHED)
    broken = Image(height=8, width=12, encoding="rgb8", step=1)
    flood(policy.create_publisher(Image, f"{CAMERA}/image_raw", SENSOR), [broken])
    lonely = JointState(name=list(CONFIG.joints), position=[0.0])
    flood(policy.create_publisher(JointState, "joint_states", SENSOR), [lonely])
    assert ignored(policy)[CAMERA] > REPEATS / 2
    policy.wait_for_state("policy", f"{CAMERA}: ignoring messages: ")
    assert len(states) < REPEATS / 2, states
