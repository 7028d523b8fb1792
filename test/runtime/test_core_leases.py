"""A core has one lease per role, until the process ends."""

import fcntl
from pathlib import Path

import pytest

from dbp_ros.runtime.core_leases import CoreLeases


@pytest.fixture
def own(tmp_path: Path) -> CoreLeases:
    return CoreLeases(tmp_path)


@pytest.fixture
def other(tmp_path: Path) -> CoreLeases:
    """Leases as of another process: a lock belongs to an open file."""
    return CoreLeases(tmp_path)


def test_a_leased_core_is_refused_to_another_process(own, other):
    assert own.take("guard", 3)
    assert not other.take("guard", 3)
    assert other.take("guard", 2)
    assert own.take("guard", 3)


def test_roles_have_separate_leases(own, other):
    assert own.take("guard", 3)
    assert other.take("policy", 3)


def test_only_the_leases_of_other_processes_are_listed(own, other):
    assert own.taken("guard") == set()
    other.take("guard", 3)
    other.take("guard", 11)
    own.take("guard", 2)
    assert own.taken("guard") == {3, 11}
    assert other.taken("guard") == {2}


def test_without_a_writable_folder_every_core_is_free(tmp_path):
    (tmp_path / "file").write_text("no folder")
    leases = CoreLeases(tmp_path / "file" / "leases")
    assert leases.take("guard", 3)
    assert leases.taken("guard") == set()


def test_other_files_in_the_folder_are_ignored(own, tmp_path):
    other = (tmp_path / "guard-x").open("w")
    with other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert own.taken("guard") == set()
