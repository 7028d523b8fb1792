"""The view node publishes the robot, its description and the chunks of a running policy."""

import xml.etree.ElementTree as ElementTree
from functools import partial
from typing import Any

import numpy as np
import pytest
from processes.chunk_publisher import ChunkPublisher
from processes.fake_robot import FakeRobot, process, wait_until
from std_msgs.msg import String
from visualization_msgs.msg import Marker, MarkerArray

from dbp_ros.nodes.qos import LATCHED
from dbp_ros.robots.check import urdf_path
from dbp_ros.robots.kinematics import Kinematics
from dbp_ros.robots.urdf import read_urdf
from dbp_ros.settings.dual_ur5e import DUAL_UR5E, DUAL_UR5E_JOINTS

START = np.array(DUAL_UR5E.home_positions)


TOPICS = (
    ("view/chunk", MarkerArray, 1),
    ("view/robot", MarkerArray, 1),
    ("robot_description", String, LATCHED),
    ("view/state", String, LATCHED),
)


def test_the_view_shows_robot_and_chunk(robot: FakeRobot) -> None:
    found: dict[str, Any] = {}
    for topic, kind, qos in TOPICS:
        robot.create_subscription(kind, topic, partial(found.__setitem__, topic), qos)
    policy = ChunkPublisher(START)
    policy.start()
    try:
        with process("view_node") as view:
            wait_until(lambda: len(found) == len(TOPICS), "all topics", lambda: str(found))
            wait_until(lambda: "waiting" not in found["view/state"].data, "the state")
    finally:
        policy.close()
    assert view.returncode == 0
    urdf = ElementTree.fromstring(found["robot_description"].data)
    assert urdf.get("name") == "ur5e_dual"
    paths: list[Marker] = found["view/chunk"].markers
    assert [marker.ns for marker in paths] == ["left", "right"]
    kinematics = Kinematics(read_urdf(urdf_path("ur5e_dual")), DUAL_UR5E_JOINTS, ["left_tcp"])
    tip = kinematics.poses(policy.centre)[0, :3, 3]
    for point in paths[0].points[1:]:
        # The chunk oscillates around its centre.
        assert np.linalg.norm([point.x, point.y, point.z] - tip) < 0.5
    assert paths[0].header.frame_id == "world"
    assert len(found["view/robot"].markers) > 50


def test_a_view_of_an_unknown_robot_is_refused(
    domain: int, capfd: pytest.CaptureFixture[str]
) -> None:
    with process("view_node", robot="nowhere") as child:
        assert child.wait(20) == 1
