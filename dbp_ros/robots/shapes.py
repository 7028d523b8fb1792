"""Collision geometry of a URDF as capsules."""

from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from dbp_ros.errors import ConfigError
from dbp_ros.robots.urdf import Urdf, pose_of
from dbp_ros.settings.robot import Capsule
from dbp_ros.types import Array

# Bytes of the header of a binary STL file, of one triangle, and of the numbers in it.
STL_HEADER, STL_TRIANGLE = 84, 50
PACKAGE = "package://"
# Radius of a link without geometry that can be read, in [m].
UNKNOWN_RADIUS = 0.05
# Smallest radius of a capsule, and largest size of a shape, in [m].
SMALLEST_RADIUS, LARGEST_SHAPE = 0.001, 3.0


@dataclass(frozen=True)
class LinkShapes:
    """Capsules of a link.

    Attributes:
        capsules: A capsule per shape.
        guessed: Whether a mesh cannot be read, and the capsule reaches to the next joint instead.
    """

    capsules: tuple[Capsule, ...]
    guessed: bool = False


def capsules_of(urdf: Urdf, link: str, folder: Path) -> LinkShapes:
    """Return capsules of about the size of the collision geometry of a link.

    A capsule touches the long faces of the bounding box of a shape, so the edges of the box are
    outside of it.

    Args:
        urdf: The robot.
        link: The link.
        folder: Folder of the URDF file, for the paths of meshes.

    Raises:
        ConfigError: If a number of a shape is missing or wrong, or a mesh cannot be read.
    """
    found: list[Capsule] = []
    for collision in urdf.links[link].findall("collision"):
        try:
            bounds = _bounds(collision.find("geometry"), folder)
        except (ValueError, IndexError, OSError) as error:
            raise ConfigError(f"the collision geometry of {link} cannot be read: {error}") from None
        if bounds is None:
            return LinkShapes(_guess(urdf, link), guessed=True)
        if float(np.max(bounds[1] - bounds[0])) > LARGEST_SHAPE:
            # Most likely a mesh in [mm].
            return LinkShapes(_guess(urdf, link), guessed=True)
        found.append(_around(*bounds, pose_of(collision.find("origin"), link)))
    return LinkShapes(tuple(found))


def _bounds(geometry: Element | None, folder: Path) -> tuple[Array, Array] | None:
    """Return the corners of the bounding box of a shape, None if it cannot be read."""
    shape = None if geometry is None else next(iter(geometry), None)
    if shape is None:
        return None
    if shape.tag == "sphere":
        half = np.full(3, float(shape.get("radius", "nan")))
    elif shape.tag == "cylinder":
        radius, length = (float(shape.get(name, "nan")) for name in ("radius", "length"))
        half = np.array([radius, radius, length / 2])
    elif shape.tag == "box":
        half = np.array([float(word) for word in shape.get("size", "nan nan nan").split()]) / 2
    elif shape.tag == "mesh":
        return _mesh_bounds(shape, folder)
    else:
        return None
    if half.shape != (3,) or not (half >= 0.0).all():
        raise ValueError(f"{shape.tag} with {dict(shape.attrib)}, expected sizes of at least 0")
    return -half, half


def _mesh_bounds(shape: Element, folder: Path) -> tuple[Array, Array] | None:
    path = _mesh_path(shape.get("filename", ""), folder)
    if path is None or path.suffix.lower() != ".stl":
        return None
    data = path.read_bytes()
    count = int.from_bytes(data[STL_HEADER - 4 : STL_HEADER], "little")
    if not count or len(data) != STL_HEADER + count * STL_TRIANGLE:
        return None
    rows = np.frombuffer(data, np.uint8, offset=STL_HEADER).reshape(count, STL_TRIANGLE)
    corners = rows[:, 12:48].copy().view("<f4").reshape(-1, 3).astype(np.float64)
    scale = np.array([float(word) for word in shape.get("scale", "1 1 1").split()])
    ends = np.sort(np.stack([corners.min(axis=0) * scale, corners.max(axis=0) * scale]), axis=0)
    return ends[0], ends[1]


def _mesh_path(name: str, folder: Path) -> Path | None:
    """Return the file of a mesh: relative, absolute, or of a package above the URDF."""
    if name.startswith(PACKAGE):
        package, _, rest = name.removeprefix(PACKAGE).partition("/")
        candidates = [parent / rest for parent in folder.parents if parent.name == package]
        candidates += [parent / package / rest for parent in (folder, *folder.parents)]
    else:
        candidates = [folder / name.removeprefix("file://")]
    return next((path for path in candidates if path.is_file()), None)


def _around(low: Array, high: Array, pose: Array) -> Capsule:
    """Return the capsule in a box, along its longest side."""
    half, middle = (high - low) / 2, (high + low) / 2
    axis = int(np.argmax(half))
    others = [k for k in range(3) if k != axis]
    radius = float(half[others].max())
    reach = np.zeros(3)
    reach[axis] = max(0.0, float(half[axis]) - radius)
    ends = [pose[:3, :3] @ (middle + sign * reach) + pose[:3, 3] for sign in (-1.0, 1.0)]
    return Capsule(_point(ends[0]), _point(ends[1]), max(SMALLEST_RADIUS, round(radius, 4)))


def _guess(urdf: Urdf, link: str) -> tuple[Capsule, ...]:
    """Return a capsule from the origin of a link to that of the next one."""
    after = next(iter(urdf.joints_below(link)), None)
    end = np.zeros(3) if after is None else after.origin[:3, 3]
    return (Capsule((0.0, 0.0, 0.0), _point(end), UNKNOWN_RADIUS),)


def _point(values: Array) -> tuple[float, float, float]:
    x, y, z = (round(float(value), 4) + 0.0 for value in values)
    return x, y, z
