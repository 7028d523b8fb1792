"""Fixtures and markers of all tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dbp_ros.bundle.bundle import Bundle
from dbp_ros.runtime.ros_domain import lease_domain

ROOT = Path(__file__).resolve().parent.parent
# Folders and files whose tests measure time or start processes.
TIMED = {
    "processes",
    "test_rate_loop.py",
    "test_realtime.py",
    "test_running_stack.py",
    "test_rate.py",
    "test_stop_key.py",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that measure time or use DDS: they run one at a time."""
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


@pytest.fixture(scope="session")
def float_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle of full precision, with a head of ordinary width."""
    pytest.importorskip("torch")
    from toy_training import ORDINARY_WIDTH, train_toy

    return train_toy(tmp_path_factory.mktemp("float"), ORDINARY_WIDTH)[1]
