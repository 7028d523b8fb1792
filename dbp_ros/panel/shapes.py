"""Shapes of a robot's links: primitives of the URDF, otherwise the collision capsules."""

from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np

from dbp_ros.robots.urdf import Urdf, pose_of
from dbp_ros.settings.robot import Capsule, RobotDescription
from dbp_ros.types import Array

Kind = Literal["box", "cylinder", "sphere"]
Colour = tuple[int, int, int]
DEFAULT_COLOUR: Colour = (150, 158, 170)


@dataclass(frozen=True)
class Shape:
    """Primitive in the frame of a link.

    Attributes:
        kind: Its kind.
        size: Edges of a box, radius and length of a cylinder, or radius of a sphere, in [m].
        pose: Pose of its centre; the axis of a cylinder is z. Shape (4, 4).
        colour: Red, green and blue from 0 to 255.
    """

    kind: Kind
    size: tuple[float, ...]
    pose: Array
    colour: Colour = DEFAULT_COLOUR


def shapes_of(urdf: Urdf, robot: RobotDescription) -> dict[str, tuple[Shape, ...]]:
    """Return the shapes of each link that has some.

    A link with a mesh, which browsers cannot read from a package, is shown by its capsules.

    Args:
        urdf: The robot.
        robot: Its description, with the capsules.
    """
    materials = _materials(urdf)
    found = {}
    for link, element in urdf.links.items():
        visuals = [_visual(visual, link, materials) for visual in element.findall("visual")]
        shapes = [shape for shape in visuals if shape is not None]
        if not shapes or len(shapes) < len(visuals):
            capsules = robot.collision_capsules.get(link, ())
            shapes = [shape for capsule in capsules for shape in capsule_shapes(capsule)] or shapes
        if shapes:
            found[link] = tuple(shapes)
    return found


def capsule_shapes(capsule: Capsule) -> list[Shape]:
    """Return the spheres at the ends of a capsule and the cylinder between them."""
    start, end = np.array(capsule.start), np.array(capsule.end)
    length = float(np.linalg.norm(end - start))
    shapes = [Shape("sphere", (capsule.radius,), _translation(start))]
    if length > 0.0:
        middle = _translation((start + end) / 2)
        middle[:3, :3] = _turned_to((end - start) / length)
        shapes.append(Shape("cylinder", (capsule.radius, length), middle))
        shapes.append(Shape("sphere", (capsule.radius,), _translation(end)))
    return shapes


def quaternion(rotation: Array) -> Array:
    """Return the unit quaternion (w, x, y, z) of a rotation matrix, with w >= 0.

    The largest component is computed first, see Shepperd, "Quaternion from rotation matrix", 1978.
    """
    trace = float(np.trace(rotation))
    squares = np.array([trace, *np.diag(rotation)])
    largest = int(np.argmax(squares))
    q = np.empty(4)
    if largest == 0:
        q[0] = 1.0 + trace
        q[1:] = _skew_part(rotation)
    else:
        i = largest - 1
        j, k = (i + 1) % 3, (i + 2) % 3
        q[1 + i] = 1.0 + rotation[i, i] - rotation[j, j] - rotation[k, k]
        q[1 + j] = rotation[i, j] + rotation[j, i]
        q[1 + k] = rotation[i, k] + rotation[k, i]
        q[0] = _skew_part(rotation)[i]
    q /= np.linalg.norm(q)
    return q if q[0] >= 0.0 else -q


def _skew_part(rotation: Array) -> Array:
    return np.array(
        [
            rotation[2, 1] - rotation[1, 2],
            rotation[0, 2] - rotation[2, 0],
            rotation[1, 0] - rotation[0, 1],
        ]
    )


def _visual(visual: Element, link: str, materials: dict[str, Colour]) -> Shape | None:
    """Return the shape of a `<visual>`, None for a mesh or a malformed one."""
    geometry = visual.find("geometry")
    primitive = None if geometry is None else next(iter(geometry), None)
    if primitive is None:
        return None
    material = visual.find("material")
    colour = DEFAULT_COLOUR if material is None else _colour(material, materials)
    pose = pose_of(visual.find("origin"), link)
    try:
        match primitive.tag:
            case "box":
                x, y, z = (float(word) for word in primitive.get("size", "").split())
                return Shape("box", (x, y, z), pose, colour)
            case "cylinder":
                size = (float(primitive.get("radius", "")), float(primitive.get("length", "")))
                return Shape("cylinder", size, pose, colour)
            case "sphere":
                return Shape("sphere", (float(primitive.get("radius", "")),), pose, colour)
    except ValueError:
        return None
    return None


def _materials(urdf: Urdf) -> dict[str, Colour]:
    """Return the colours that the robot defines for all links."""
    document = ElementTree.fromstring(urdf.text)
    return {
        material.get("name", ""): _colour(material, {}) for material in document.findall("material")
    }


def _colour(material: Element, materials: dict[str, Colour]) -> Colour:
    element = material.find("color")
    if element is None:
        return materials.get(material.get("name", ""), DEFAULT_COLOUR)
    try:
        red, green, blue, _ = (
            round(255 * min(1.0, max(0.0, float(word)))) for word in element.get("rgba", "").split()
        )
    except ValueError:
        return DEFAULT_COLOUR
    return red, green, blue


def _translation(position: Array) -> Array:
    pose = np.eye(4)
    pose[:3, 3] = position
    return pose


def _turned_to(axis: Array) -> Array:
    """Return a rotation of z to a unit vector. Shape (3, 3)."""
    other = np.array([1.0, 0.0, 0.0]) if abs(axis[0]) < 0.9 else np.array([0.0, 1.0, 0.0])
    x = np.cross(other, axis)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(axis, x), axis], axis=1)
