"""Distances between the collision capsules of a robot."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from dbp_ros.errors import ConfigError
from dbp_ros.robots.kinematics import Kinematics
from dbp_ros.robots.urdf import Urdf
from dbp_ros.settings.robot import Capsule, RobotDescription
from dbp_ros.types import Array

# Links closer than this number of moving joints are neighbours, whose capsules may overlap.
NEIGHBOUR_JOINTS = 1
PARALLEL = 1e-12


@dataclass(frozen=True)
class Clearance:
    """Smallest distance of two links, in [m]; negative if their capsules overlap."""

    links: tuple[str, str]
    distance: float

    @property
    def problem(self) -> str:
        """Sentence about an overlap; empty if there is none."""
        if self.distance >= 0.0:
            return ""
        overlap_mm = -1000.0 * self.distance
        return f"the capsules of {' and '.join(self.links)} overlap by {overlap_mm:.0f} mm"


class CollisionModel:
    """Capsules of a robot in the frames of its links.

    Attributes:
        pairs: Pairs of links that must not touch.
    """

    def __init__(
        self,
        urdf: Urdf,
        joints: Sequence[str],
        capsules_of: Mapping[str, Sequence[Capsule]],
        allowed_pairs: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Select the pairs of links.

        Args:
            urdf: The robot.
            joints: Joints of a position vector.
            capsules_of: Capsules of each link, in its frame.
            allowed_pairs: Pairs of links that may touch, besides neighbours.

        Raises:
            ConfigError: If a joint or a link is not in the URDF, or an allowed one has no capsules.
        """
        links = list(capsules_of)
        self._kinematics = Kinematics(urdf, joints, links)
        capsules = [
            (number, capsule) for number, link in enumerate(links) for capsule in capsules_of[link]
        ]
        self._owners = np.array([number for number, _ in capsules], dtype=np.int64)
        self._ends = np.array([[c.start, c.end] for _, c in capsules]).reshape(-1, 2, 3)
        self._radii = np.array([capsule.radius for _, capsule in capsules])
        allowed = {frozenset(pair) for pair in allowed_pairs}
        for name in sorted({link for pair in allowed for link in pair} - set(links)):
            raise ConfigError(f"allowed_collisions has {name}, which has no capsules")
        self.pairs = [
            pair
            for pair in combinations(links, 2)
            if frozenset(pair) not in allowed and not _are_neighbours(urdf, *pair)
        ]
        wanted = {frozenset(pair) for pair in self.pairs}
        first, second = np.triu_indices(len(capsules), 1)
        is_wanted = np.array(
            [
                frozenset((links[self._owners[a]], links[self._owners[b]])) in wanted
                for a, b in zip(first, second, strict=True)
            ],
            dtype=bool,
        )
        self._first, self._second = first[is_wanted], second[is_wanted]

    @classmethod
    def of_robot(cls, robot: RobotDescription, urdf: Urdf) -> "CollisionModel":
        """Return the model of a description, for positions of its joints.

        Raises:
            ConfigError: See the constructor.
        """
        return cls(urdf, robot.joints, robot.collision_capsules, robot.allowed_collisions)

    def distances(self, positions: Array) -> Array:
        """Return the distance of each pair of capsules.

        Args:
            positions: Positions in [rad] and [m]. Shape (nu,).

        Returns:
            Distances in [m], negative for overlaps. Shape (number of pairs of capsules,).
        """
        poses = self._kinematics.poses(positions)[self._owners]
        ends = np.einsum("cij,cej->cei", poses[:, :3, :3], self._ends) + poses[:, None, :3, 3]
        a, b = ends[self._first], ends[self._second]
        radii = self._radii[self._first] + self._radii[self._second]
        distances: Array = segment_distances(a[:, 0], a[:, 1], b[:, 0], b[:, 1]) - radii
        return distances

    def clearance(self, positions: Array) -> Clearance | None:
        """Return the smallest distance of two links, None if there are no pairs."""
        distances = self.distances(positions)
        if not len(distances):
            return None
        closest = int(np.argmin(distances))
        return Clearance(self._links(closest), float(distances[closest]))

    def overlaps(self, positions: Array) -> list[tuple[str, str]]:
        """Return the pairs of links whose capsules overlap."""
        overlapping = np.flatnonzero(self.distances(positions) < 0.0)
        return sorted({self._links(int(pair)) for pair in overlapping})

    def _links(self, pair: int) -> tuple[str, str]:
        """Return the links of a pair of capsules."""
        names = self._kinematics.links
        first, second = self._owners[self._first[pair]], self._owners[self._second[pair]]
        return names[first], names[second]


def segment_distances(p0: Array, p1: Array, q0: Array, q1: Array) -> Array:
    """Return the distances of pairs of segments.

    The closest points on both lines are clamped to the segments, see Ericson, Real-Time Collision
    Detection, section 5.1.9.

    Args:
        p0: Starts of the first segments, in [m]. Shape (n, 3).
        p1: Their ends. Shape (n, 3).
        q0: Starts of the second segments. Shape (n, 3).
        q1: Their ends. Shape (n, 3).

    Returns:
        Distances in [m]. Shape (n,).
    """
    d1, d2, r = p1 - p0, q1 - q0, p0 - q0
    a, e, f = (np.einsum("ij,ij->i", u, v) for u, v in ((d1, d1), (d2, d2), (d2, r)))
    b, c = (np.einsum("ij,ij->i", u, v) for u, v in ((d1, d2), (d1, r)))
    safe_a, safe_e = np.where(a > 0.0, a, 1.0), np.where(e > 0.0, e, 1.0)
    denominator = a * e - b * b
    skew = denominator > PARALLEL
    s = np.where(skew, (b * f - c * e) / np.where(skew, denominator, 1.0), 0.0).clip(0.0, 1.0)
    t = np.where(e > 0.0, (b * s + f) / safe_e, 0.0)
    clamped = t.clip(0.0, 1.0)
    s = np.where((t != clamped) | (e == 0.0) | ~skew, (b * clamped - c) / safe_a, s)
    s = np.where(a > 0.0, s, 0.0).clip(0.0, 1.0)
    gap = r + s[:, None] * d1 - clamped[:, None] * d2
    distances: Array = np.linalg.norm(gap, axis=1)
    return distances


def _are_neighbours(urdf: Urdf, first: str, second: str) -> bool:
    """Return whether at most one moving joint is between two links."""
    above = [{joint.name for joint in urdf.chain(urdf.root, link)} for link in (first, second)]
    between = above[0] ^ above[1]
    return sum(urdf.joints[name].moves for name in between) <= NEIGHBOUR_JOINTS
