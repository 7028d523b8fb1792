"""Distances of segments, against values by hand and a search on a grid."""

import numpy as np
import pytest

from dbp_ros.robots.collision import Clearance, segment_distances


@pytest.mark.parametrize(
    ("first", "second", "distance"),
    [
        (([0, 0, 0], [1, 0, 0]), ([0, 1, 0], [1, 1, 0]), 1.0),  # parallel
        (([0, 0, 0], [1, 0, 0]), ([3, 0, 0], [5, 0, 0]), 2.0),  # collinear
        (([0, 0, 0], [1, 0, 0]), ([5, 0, 0], [3, 0, 0]), 2.0),
        (([0, 0, 0], [2, 0, 0]), ([1, -1, 1], [1, 1, 1]), 1.0),  # skew
        (([0, 0, 0], [1, 0, 0]), ([2, 1, 0], [2, 3, 0]), 2**0.5),  # ends
        (([0, 0, 0], [0, 0, 0]), ([1, 0, 0], [2, 0, 0]), 1.0),  # a point
        (([1, 0, 0], [2, 0, 0]), ([0, 0, 0], [0, 0, 0]), 1.0),
        (([0, 0, 3], [0, 0, 3]), ([0, 0, 0], [0, 0, 0]), 3.0),  # two points
    ],
)
def test_distances_by_hand(first: tuple, second: tuple, distance: float) -> None:
    ends = [np.array([end], dtype=float) for end in (*first, *second)]
    assert segment_distances(*ends)[0] == pytest.approx(distance)


def test_distances_agree_with_a_search() -> None:
    rng = np.random.default_rng(1)
    p0, p1, q0, q1 = rng.normal(size=(4, 50, 3))
    shares = np.linspace(0.0, 1.0, 201)
    for k, found in enumerate(segment_distances(p0, p1, q0, q1)):
        p = p0[k] + shares[:, None] * (p1[k] - p0[k])
        q = q0[k] + shares[:, None] * (q1[k] - q0[k])
        searched = np.linalg.norm(p[:, None] - q[None], axis=2).min()
        assert found <= searched + 1e-12
        assert found == pytest.approx(searched, abs=0.02)


def test_only_an_overlap_is_a_problem() -> None:
    assert Clearance(("a", "b"), 0.0).problem == ""
    assert Clearance(("a", "b"), -0.0123).problem == "the capsules of a and b overlap by 12 mm"
