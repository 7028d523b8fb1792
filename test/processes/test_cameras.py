"""Remapped cameras with other encodings, for policy, recorder and learner."""

import subprocess
import time
from array import array
from pathlib import Path

import numpy as np
import pytest
from processes.fake_robot import CAMERA, CONFIG, FakeRobot, png_of, process, wait_until
from processes.learner_setup import publish_control
from sensor_msgs.msg import CompressedImage, Image
from toy_bundle import write_toy_bundle

from dbp_ros.data.bags.bag import read_bag
from dbp_ros.data.recording.recorder import bag_path
from dbp_ros.nodes.qos import SENSOR
from dbp_ros.sensing.image_decoding import decode_image

BASE = "/zed/zed_node/rgb/color/rect/image"
REMAPS = (f"{CAMERA}/image_raw:={BASE}",)
SIZE = (8, 12)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Return a model with one camera that turns the left shoulder."""
    ramp = np.zeros((8, len(CONFIG.joints)))
    ramp[:, 0] = np.arange(1, 9) / 30 * 0.5
    return write_toy_bundle(
        tmp_path / "turner", graph_joints=CONFIG.joints, graph_cameras=(CAMERA,), ramp=ramp
    )


@pytest.fixture
def zed(robot: FakeRobot) -> FakeRobot:
    """Replace the camera of the robot by a ZED camera, bgra8 and compressed."""
    robot.camera = "off"
    rng = np.random.default_rng(1)
    raw = robot.create_publisher(Image, BASE, SENSOR)
    compressed = robot.create_publisher(CompressedImage, f"{BASE}/compressed", SENSOR)

    def publish() -> None:
        pixels = rng.integers(0, 256, (*SIZE, 4), np.uint8)
        image = Image(height=SIZE[0], width=SIZE[1], encoding="bgra8", step=4 * SIZE[1])
        image.data = array("B", pixels.tobytes())
        file = CompressedImage(format="bgra8; png compressed bgr8", data=png_of(pixels))
        image.header.stamp = file.header.stamp = robot.get_clock().now().to_msg()
        raw.publish(image)
        compressed.publish(file)

    robot.create_timer(1 / 30, publish)
    return robot


@pytest.mark.parametrize("transport", ["raw", "compressed"])
def test_a_policy_uses_a_remapped_camera(
    zed: FakeRobot, guard: subprocess.Popen[str], model: Path, transport: str
) -> None:
    with process("policy_node", remaps=REMAPS, model=model, image_transport=transport):
        wait_until(lambda: moves_left(zed), "the arm to move", lambda: str(zed.states))


def test_a_camera_in_a_static_scene_does_not_block_the_stack(
    robot: FakeRobot, guard: subprocess.Popen[str], model: Path
) -> None:
    robot.camera = "frozen"
    with process("policy_node", model=model):
        robot.wait_for_state("policy", f"refusing: {CAMERA} is frozen")
        robot.wait_for_state("policy", f"deciding; {CAMERA} sends the same image while the arms")
        start = robot.positions[0]
        wait_until(lambda: robot.positions[0] - start > 1.0, "the arm to move on")
        assert robot.states["policy"].startswith("deciding")


def moves_left(robot: FakeRobot) -> bool:
    """Return whether the last commands moved the left shoulder."""
    steps = [command[0] for _, command in robot.commands[-2:]]
    return len(steps) == 2 and steps[1] != steps[0]


@pytest.mark.parametrize(("transport", "suffix"), [("raw", ""), ("compressed", "/compressed")])
def test_the_recorder_records_a_remapped_camera(
    zed: FakeRobot, tmp_path: Path, transport: str, suffix: str
) -> None:
    out = tmp_path / "bags"
    settings = {"out": out, "cameras": f"[{CAMERA}]", "image_transport": transport}
    with process("recorder_node", remaps=REMAPS, **settings):
        wait_until(lambda: zed.count_subscribers(BASE + suffix), "the recorder to subscribe")
        wait_until(lambda: zed.call_service("recorder/begin_episode")[0], "the images")
        time.sleep(1.0)
        assert zed.call_service("recorder/end_success")[0]
        wait_until(bag_path(out, 1).exists, "the bag")
    images = read_bag(bag_path(out, 1)).messages[f"image.{CAMERA}"]
    assert len(images) > 10
    assert {decode_image(message).shape for _, message in images} == {(*SIZE, 3)}


def test_a_learner_records_a_remapped_compressed_camera(
    zed: FakeRobot, pretrained: Path, tmp_path: Path
) -> None:
    settings = {
        "model": pretrained / "models" / "toy",
        "checkpoint": pretrained / "run",
        "out": tmp_path / "learner",
        "image_transport": "compressed",
    }
    with process("learner_node", remaps=REMAPS, **settings):
        zed.wait_for_state("learner", "waiting for control")
        assert zed.count_subscribers(f"{BASE}/compressed") == 1
        publish_control(zed)
        zed.wait_for_state("learner", "waiting for a decision of the policy")
        zed.call_service("learner/begin_episode")
        zed.wait_for_state("learner", "recording episode 1")
