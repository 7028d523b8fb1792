"""What every test may ask for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dbp_ros.domain import leased_domain

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def domain(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A ROS domain of this test alone, for this process and those it starts."""
    with leased_domain() as domain_id:
        monkeypatch.setenv("ROS_DOMAIN_ID", str(domain_id))
        monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        yield domain_id


@pytest.fixture
def root() -> Path:
    """The root of the source tree."""
    return ROOT
