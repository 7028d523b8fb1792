"""The guard process with ros2_control: settings, a second guard, and a suspension."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from processes.fake_controllers import ACTIVE, ForwardController
from processes.fake_robot import CAMERA, process, wait_until
from processes.fake_ros2_control import JOINTS_OF, LEFT, ONE_EACH_ARM, TRAJECTORY
from processes.rig import running_rig
from rclpy.node import Node
from sensor_msgs.msg import Image
from toy_bundle import write_toy_bundle

from dbp_ros.nodes.conversions import image_message
from dbp_ros.nodes.qos import SENSOR
from dbp_ros.runtime.rate_loop import RateThread
from dbp_ros.settings.dual_ur5e import DUAL_UR5E_JOINTS

RESUMPTIONS = 8


def test_wrong_controller_sizes_are_refused_before_any_command(
    domain: int,
) -> None:
    with running_rig(controller_sizes="[5, 2, 6, 1]") as rig:
        wait_until(lambda: LEFT in rig.guard.enable()[1], "enabling to be refused", limit_s=5.0)
        for name in JOINTS_OF:
            controller = rig.robot.controllers[name]
            assert isinstance(controller, ForwardController)
            assert controller.state == ACTIVE
            assert controller.received == 0


def test_two_guards_never_command_at_once(domain: int) -> None:
    with running_rig() as rig:
        rig.track()
        with process("guard_node", enable_control="true"):
            rig.guard.wait_for("stopped", "commands", since=rig.first_sentence, limit_s=20.0)
            rig.wait_for_rest()
            time.sleep(0.5)
            assert rig.rests(0.5)
        rig.track()
        rig.assert_no_jump()


def test_a_guard_sends_no_outdated_command_after_a_suspension(domain: int) -> None:
    with running_rig() as rig:
        for _ in range(RESUMPTIONS):
            rig.track()
            first = len(rig.guard.sentences)
            rig.child.send_signal(signal.SIGSTOP)
            rig.robot.switch(activate=[TRAJECTORY], deactivate=[LEFT])
            rig.robot.controllers[TRAJECTORY].target -= 0.15
            time.sleep(0.35)
            rig.robot.switch(activate=[LEFT], deactivate=[TRAJECTORY])
            rig.child.send_signal(signal.SIGCONT)
            rig.guard.wait_for("disabled by a fault", LEFT, since=first)
        rig.assert_no_jump()


def test_a_policy_uses_the_joint_states_of_two_drivers(domain: int, tmp_path: Path) -> None:
    ramp = np.full((8, len(DUAL_UR5E_JOINTS)), 0.01)
    bundle = write_toy_bundle(
        tmp_path / "toy", graph_joints=DUAL_UR5E_JOINTS, graph_cameras=(CAMERA,), ramp=ramp
    )
    with running_rig() as rig, publishing_images(), process("policy_node", model=bundle):
        rig.policy.publishes = False
        rig.broadcast(ONE_EACH_ARM)
        rig.guard.engage()
        rig.guard.wait_for("tracking", limit_s=20.0)
        before = rig.robot.hardware.positions
        time.sleep(0.5)
        assert (rig.robot.hardware.positions > before).all()
        rig.assert_no_jump()


@contextmanager
def publishing_images() -> Iterator[None]:
    """Publish a camera at 30 Hz."""
    node = Node("camera", enable_rosout=False, start_parameter_services=False)
    publisher = node.create_publisher(Image, f"/{CAMERA}/image_raw", SENSOR)
    rng = np.random.default_rng(0)

    def publish(_: int) -> None:
        pixels = rng.integers(0, 256, (8, 12, 3), np.uint8)
        publisher.publish(image_message(pixels, CAMERA, node.get_clock().now().to_msg()))

    loop = RateThread("camera", 30, publish)
    loop.start()
    try:
        yield
    finally:
        loop.stop()
        node.destroy_node()
