"""A core is leased once for each role, for as long as the process lives."""

from pathlib import Path

import pytest

from dbp_ros.runtime.core_leases import CoreLeases


@pytest.fixture
def one(tmp_path: Path) -> CoreLeases:
    return CoreLeases(tmp_path)


@pytest.fixture
def other(tmp_path: Path) -> CoreLeases:
    """As another process has them: locks are those of an open file."""
    return CoreLeases(tmp_path)


def test_a_core_that_one_has_the_other_does_not_get(one, other):
    assert one.take("guard", 3)
    assert not other.take("guard", 3)
    assert other.take("guard", 2)
    assert one.take("guard", 3)


def test_another_role_has_leases_of_its_own(one, other):
    assert one.take("guard", 3)
    assert other.take("policy", 3)


def test_the_cores_of_others_are_listed_and_ones_own_are_not(one, other):
    assert one.taken("guard") == set()
    other.take("guard", 3)
    other.take("guard", 11)
    one.take("guard", 2)
    assert one.taken("guard") == {3, 11}
    assert other.taken("guard") == {2}


def test_where_nothing_can_be_written_every_core_is_free(tmp_path):
    (tmp_path / "file").write_text("no folder")
    leases = CoreLeases(tmp_path / "file" / "leases")
    assert leases.take("guard", 3)
    assert leases.taken("guard") == set()
