"""Markers for RViz and Foxglove: the capsules of a robot and the path of its hands."""

from collections.abc import Mapping, Sequence

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Pose, Quaternion
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker

from dbp_ros.settings.robot import Capsule
from dbp_ros.types import Array

PATH_WIDTH_M = 0.006
# A path disappears if no chunk follows.
PATH_LIFETIME_NS = 500_000_000
ROBOT_COLOUR = (0.55, 0.60, 0.66, 0.7)
# Colours of the arms' paths, repeated.
PATH_COLOURS = ((0.93, 0.45, 0.13), (0.15, 0.45, 0.85), (0.25, 0.65, 0.30))
# Opacity at the end of a path, which fades from 1.
LAST_OPACITY = 0.15


def path_marker(number: int, name: str, frame: str, points: Array) -> Marker:
    """Return the fading path of a hand.

    Args:
        number: Number of the arm, for its id and colour.
        name: Namespace of the marker.
        frame: Frame of the points.
        points: In [m]. Shape (n, 3).
    """
    marker = Marker(ns=name, id=number, type=Marker.LINE_STRIP, action=Marker.ADD)
    marker.header.frame_id = frame
    marker.scale.x = PATH_WIDTH_M
    marker.lifetime = Duration(nanosec=PATH_LIFETIME_NS)
    marker.pose.orientation.w = 1.0
    marker.points = [Point(x=x, y=y, z=z) for x, y, z in points.tolist()]
    red, green, blue = PATH_COLOURS[number % len(PATH_COLOURS)]
    marker.colors = [
        ColorRGBA(r=red, g=green, b=blue, a=opacity)
        for opacity in np.linspace(1.0, LAST_OPACITY, len(points)).tolist()
    ]
    return marker


def robot_markers(
    frame: str,
    links: Sequence[str],
    poses: Array,
    capsules: Mapping[str, Sequence[Capsule]],
) -> list[Marker]:
    """Return cylinders and spheres in the shape of the capsules of a robot.

    Args:
        frame: Frame of the poses.
        links: Links in the order of the poses.
        poses: Shape (links, 4, 4).
        capsules: Capsules of each link, in its frame.
    """
    found: list[Marker] = []
    for link, pose in zip(links, poses, strict=True):
        for capsule in capsules[link]:
            ends = np.array([capsule.start, capsule.end]) @ pose[:3, :3].T + pose[:3, 3]
            for end in ends:
                found.append(_shape(frame, len(found), Marker.SPHERE, end, capsule.radius))
            length = float(np.linalg.norm(ends[1] - ends[0]))
            if length > 0.0:
                cylinder = _shape(
                    frame, len(found), Marker.CYLINDER, (ends[0] + ends[1]) / 2, capsule.radius
                )
                cylinder.scale.z = length
                cylinder.pose.orientation = _along((ends[1] - ends[0]) / length)
                found.append(cylinder)
    return found


def _shape(frame: str, number: int, kind: int, centre: Array, radius: float) -> Marker:
    marker = Marker(ns="robot", id=number, type=kind, action=Marker.ADD)
    marker.header.frame_id = frame
    x, y, z = centre.tolist()
    marker.pose = Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(w=1.0))
    marker.scale.x = marker.scale.y = marker.scale.z = 2.0 * radius
    marker.color = ColorRGBA(**dict(zip("rgba", ROBOT_COLOUR, strict=True)))
    return marker


def _along(direction: Array) -> Quaternion:
    """Return a rotation of z to a unit vector."""
    x, y, z = direction.tolist()
    if z < -0.999999:
        return Quaternion(x=1.0, y=0.0, z=0.0, w=0.0)
    # Half-way rotation: the axis is the cross product of z and the vector.
    length = float(np.sqrt(2.0 * (1.0 + z)))
    return Quaternion(x=-y / length, y=x / length, z=0.0, w=length / 2.0)
