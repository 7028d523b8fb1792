"""What every test may ask for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dbp_ros.runtime.ros_domain import lease_domain

ROOT = Path(__file__).resolve().parent.parent
# Folders and files of which every test is to have the machine to itself.
TIMED = {
    "processes",
    "test_rate_loop.py",
    "test_realtime.py",
    "test_running_stack.py",
    "test_rate.py",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what keeps time or speaks DDS: it has the machine to itself, the rest is shared out."""
    for item in items:
        leases = "domain" in getattr(item, "fixturenames", ())
        if leases or TIMED & set(item.path.relative_to(ROOT).parts):
            item.add_marker("alone")


@pytest.fixture
def domain(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A ROS domain of this test alone, for this process and those it starts."""
    with lease_domain() as domain_id:
        monkeypatch.setenv("ROS_DOMAIN_ID", str(domain_id))
        monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        yield domain_id


@pytest.fixture
def root() -> Path:
    """The root of the source tree."""
    return ROOT
