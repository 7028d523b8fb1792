"""Markers of a robot and of the paths of its hands."""

import numpy as np
import pytest
from visualization_msgs.msg import Marker

from dbp_ros.nodes.markers import path_marker, robot_markers
from dbp_ros.robots.check import urdf_path
from dbp_ros.robots.kinematics import Kinematics
from dbp_ros.robots.urdf import read_urdf
from dbp_ros.settings.robot import Capsule
from dbp_ros.settings.robot_files import read_robot


def rotated(marker: Marker) -> np.ndarray:
    """Return the direction of z after the rotation of a marker."""
    q = marker.pose.orientation
    assert q.x**2 + q.y**2 + q.z**2 + q.w**2 == pytest.approx(1.0)
    return np.array(
        [2 * (q.x * q.z + q.w * q.y), 2 * (q.y * q.z - q.w * q.x), 1 - 2 * (q.x**2 + q.y**2)]
    )


@pytest.mark.parametrize("end", [(0, 0, 1), (0, 0, -1), (1, 0, 0), (0.3, -0.5, 0.2), (0, -1, 0)])
def test_a_cylinder_reaches_from_one_end_of_a_capsule_to_the_other(end: tuple) -> None:
    capsule = Capsule((0.0, 0.0, 0.0), tuple(map(float, end)), 0.05)
    pose = np.eye(4)
    pose[:3, 3] = [1.0, 2.0, 3.0]
    first, last, cylinder = robot_markers("world", ["arm"], pose[None], {"arm": [capsule]})
    assert [m.type for m in (first, last, cylinder)] == [Marker.SPHERE] * 2 + [Marker.CYLINDER]
    length = np.linalg.norm(end)
    assert cylinder.scale.z == pytest.approx(length)
    assert cylinder.scale.x == pytest.approx(0.1)
    np.testing.assert_allclose(rotated(cylinder), np.array(end) / length, atol=1e-9)
    centre = cylinder.pose.position
    np.testing.assert_allclose(
        [centre.x, centre.y, centre.z], np.array([1.0, 2.0, 3.0]) + np.array(end) / 2
    )


def test_markers_of_a_robot_have_ids_of_their_own_and_the_frame_of_its_root() -> None:
    robot, urdf = read_robot("aloha"), read_urdf(urdf_path("aloha"))
    kinematics = Kinematics(urdf, robot.joints, list(robot.collision_capsules))
    poses = kinematics.poses(np.array(robot.home_positions))
    markers = robot_markers("world", kinematics.links, poses, robot.collision_capsules)
    assert len({marker.id for marker in markers}) == len(markers)
    assert {marker.header.frame_id for marker in markers} == {"world"}


def test_a_path_fades() -> None:
    points = np.linspace([0.0, 0.0, 0.0], [0.1, 0.0, 0.0], 5)
    marker = path_marker(1, "right", "world", points)
    assert [(p.x, p.y, p.z) for p in marker.points] == [tuple(p) for p in points.tolist()]
    opacities = [colour.a for colour in marker.colors]
    assert opacities == sorted(opacities, reverse=True)
    assert opacities[0] == 1.0
    assert opacities[-1] > 0.0
