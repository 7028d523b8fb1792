"""Links and joints of a URDF file, also of one in xacro."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np
import xacro

from dbp_ros.errors import ConfigError
from dbp_ros.types import Array

MOVING = ("revolute", "continuous", "prismatic")
UNSUPPORTED = ("floating", "planar")
XACRO = re.compile(r"xmlns:xacro|<xacro:")


@dataclass(frozen=True)
class Mimic:
    """Joint that follows another one: `multiplier * position + offset`."""

    joint: str
    multiplier: float
    offset: float


@dataclass(frozen=True)
class Joint:
    """Joint of a URDF.

    Attributes:
        name: Its name.
        kind: `revolute`, `continuous`, `prismatic` or `fixed`.
        parent: Link that carries it.
        child: Link that it moves.
        origin: Pose of the child in the frame of the parent, at zero. Shape (4, 4).
        axis: Unit vector in the frame of the child. Shape (3,).
        lower: Position limit in [rad] or [m]; -inf without one.
        upper: Position limit; inf without one.
        velocity: Velocity limit in [rad/s] or [m/s]; inf without one.
        mimic: The joint that it follows, None for an independent one.
    """

    name: str
    kind: str
    parent: str
    child: str
    origin: Array
    axis: Array
    lower: float
    upper: float
    velocity: float
    mimic: Mimic | None

    @property
    def moves(self) -> bool:
        """Whether it is not fixed."""
        return self.kind in MOVING


@dataclass(frozen=True)
class Urdf:
    """Tree of links and joints.

    Attributes:
        name: Name of the robot.
        root: Link without a parent.
        links: Elements of the links by name.
        joints: Joints by name, each after those between it and the root.
        text: The URDF, with xacro expanded.
    """

    name: str
    root: str
    links: Mapping[str, Element]
    joints: Mapping[str, Joint]
    text: str

    def joints_below(self, link: str) -> list[Joint]:
        """Return the joints that a link carries."""
        return [joint for joint in self.joints.values() if joint.parent == link]

    def joint_above(self, link: str) -> Joint | None:
        """Return the joint that moves a link, None for the root."""
        return next((joint for joint in self.joints.values() if joint.child == link), None)

    def chain(self, base: str, tip: str) -> list[Joint]:
        """Return the joints from one link to a link above it, in this order.

        Raises:
            ConfigError: If `base` is not between the root and `tip`.
        """
        joints: list[Joint] = []
        link = tip
        while link != base:
            joint = self.joint_above(link)
            if joint is None:
                raise ConfigError(f"{base} is not between {self.root} and {tip} in the URDF")
            joints.insert(0, joint)
            link = joint.parent
        return joints


def read_urdf(path: Path, arguments: Mapping[str, str] | None = None) -> Urdf:
    """Read a URDF or xacro file.

    Args:
        path: The file.
        arguments: Arguments of the xacro file.

    Raises:
        ConfigError: If the file is missing, not valid, or not one tree of supported joints.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if XACRO.search(text):
            document = xacro.process_file(str(path), mappings=dict(arguments or {}))
            text = document.toprettyxml(indent="  ")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    # xacro evaluates expressions of the file, which may raise any exception.
    except Exception as error:
        raise ConfigError(f"{path} {_xacro_problem(error)}") from None
    try:
        return parse_urdf(text)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _xacro_problem(error: Exception) -> str:
    """Return what is wrong with a xacro file."""
    sentence = " ".join(str(error).split())
    missing = re.search("package '(.+?)' not found", sentence)
    if missing is None and "AMENT_PREFIX_PATH" not in sentence:
        return f"is not valid xacro: {sentence}"
    package = missing[1] if missing else "a package, but no ROS installation is sourced"
    return (
        f"includes files of {package}: source the workspace with that package, or expand the file "
        "where it is installed: xacro FILE > robot.urdf"
    )


def parse_urdf(text: str) -> Urdf:
    """Return the tree in a URDF document.

    Raises:
        ConfigError: If it is not valid XML, or not one tree of supported joints.
    """
    try:
        document = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ConfigError(f"not XML: {error}") from None
    if document.tag != "robot":
        raise ConfigError(f"the document is <{document.tag}>, expected <robot>")
    links = {_attribute(link, "name"): link for link in document.findall("link")}
    joints = [_joint(element) for element in document.findall("joint")]
    _check_names(links, joints)
    roots = sorted(links.keys() - {joint.child for joint in joints})
    if len(roots) != 1:
        raise ConfigError(f"{len(roots)} links have no parent ({', '.join(roots)}), expected one")
    ordered = _in_order(roots[0], joints)
    if missing := sorted({joint.name for joint in joints} - ordered.keys()):
        raise ConfigError(f"joints {', '.join(missing)} are not connected to {roots[0]}")
    return Urdf(document.get("name", ""), roots[0], links, ordered, text)


def _check_names(links: Mapping[str, Element], joints: list[Joint]) -> None:
    names = [joint.name for joint in joints]
    for joint in joints:
        if names.count(joint.name) > 1:
            raise ConfigError(f"joint {joint.name} occurs twice")
        for what, link in (("parent", joint.parent), ("child", joint.child)):
            if link not in links:
                raise ConfigError(f"the {what} of joint {joint.name}, {link}, is no link")
        if joint.mimic and joint.mimic.joint not in names:
            raise ConfigError(f"joint {joint.name} mimics {joint.mimic.joint}, which is no joint")
    children = [joint.child for joint in joints]
    for child in children:
        if children.count(child) > 1:
            raise ConfigError(f"link {child} has two parents")


def _in_order(root: str, joints: list[Joint]) -> dict[str, Joint]:
    """Return the joints below a link, parents first."""
    found: dict[str, Joint] = {}
    links = [root]
    for link in links:
        for joint in joints:
            if joint.parent == link:
                found[joint.name] = joint
                links.append(joint.child)
    return found


def _joint(element: Element) -> Joint:
    name, kind = _attribute(element, "name"), _attribute(element, "type")
    if kind in UNSUPPORTED or kind not in (*MOVING, "fixed"):
        raise ConfigError(f"joint {name} is {kind}, expected fixed or one of {', '.join(MOVING)}")
    limit, mimic = element.find("limit"), element.find("mimic")
    bounded = kind in ("revolute", "prismatic")
    if bounded and limit is None:
        raise ConfigError(f"joint {name} is {kind} and has no <limit>")
    axis = _vector(element.find("axis"), "xyz", (1.0, 0.0, 0.0), name)
    length = float(np.linalg.norm(axis))
    if kind in MOVING and length == 0.0:
        raise ConfigError(f"joint {name} has the axis 0 0 0")
    return Joint(
        name,
        kind,
        _attribute(_child(element, "parent"), "link"),
        _attribute(_child(element, "child"), "link"),
        pose_of(element.find("origin"), name),
        axis / (length or 1.0),
        _number(limit, "lower", 0.0, name) if bounded else -math.inf,
        _number(limit, "upper", 0.0, name) if bounded else math.inf,
        abs(_number(limit, "velocity", 0.0, name)) or math.inf,
        None if mimic is None or kind == "fixed" else _mimic(mimic, name),
    )


def _mimic(element: Element, joint: str) -> Mimic:
    return Mimic(
        _attribute(element, "joint"),
        _number(element, "multiplier", 1.0, joint),
        _number(element, "offset", 0.0, joint),
    )


def pose_of(origin: Element | None, name: str) -> Array:
    """Return the pose of an `<origin>`, the identity without one. Shape (4, 4)."""
    pose = np.eye(4)
    pose[:3, 3] = _vector(origin, "xyz", (0.0, 0.0, 0.0), name)
    roll, pitch, yaw = _vector(origin, "rpy", (0.0, 0.0, 0.0), name)
    pose[:3, :3] = rotation("z", yaw) @ rotation("y", pitch) @ rotation("x", roll)
    return pose


def rotation(axis: str, angle: float) -> Array:
    """Return the rotation about a coordinate axis. Shape (3, 3)."""
    first, second = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = math.cos(angle)
    matrix[second, first] = math.sin(angle)
    matrix[first, second] = -math.sin(angle)
    return matrix


def _child(element: Element, tag: str) -> Element:
    found = element.find(tag)
    if found is None:
        raise ConfigError(f"joint {element.get('name')} has no <{tag}>")
    return found


def _attribute(element: Element, name: str) -> str:
    value = element.get(name)
    if not value:
        raise ConfigError(f"<{element.tag}> has no {name}")
    return value


def _number(element: Element | None, name: str, default: float, joint: str) -> float:
    text = None if element is None else element.get(name)
    try:
        number = default if text is None else float(text)
    except ValueError:
        number = math.nan
    if math.isnan(number):
        raise ConfigError(f"{name} of joint {joint} is {text!r}, expected a number")
    return number


def _vector(element: Element | None, name: str, default: tuple[float, ...], where: str) -> Array:
    text = None if element is None else element.get(name)
    if text is None:
        return np.array(default)
    try:
        values = [float(word) for word in text.split()]
    except ValueError:
        values = []
    if len(values) != 3:
        raise ConfigError(f"{name} of {where} is {text!r}, expected three numbers")
    return np.array(values)
