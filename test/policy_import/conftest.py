"""Import of the small foreign policies."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from policy_import.foreign_graphs import JOINTS

from dbp_ros.policy_import.foreign_graph import ForeignGraph
from dbp_ros.policy_import.import_bundle import ImportReport, ModelInfo, import_policy
from dbp_ros.settings.fields import from_mapping
from dbp_ros.settings.policy_mapping import PolicyMapping

ImportInto = Callable[..., tuple[Path, ImportReport]]


def mapping_of(**values: Any) -> PolicyMapping:
    """Return a mapping of the joints of the small policies, as read from a file."""
    common = {"joints": list(JOINTS), "step_s": 0.05}
    return from_mapping(PolicyMapping, {**common, **values})


@pytest.fixture
def import_into(tmp_path: Path) -> ImportInto:
    """Return a function that imports a graph with a mapping; it returns bundle and report."""

    def run(path: Path, **values: Any) -> tuple[Path, ImportReport]:
        folder = tmp_path / "models" / "foreign"
        info = ModelInfo("foreign", 3)
        return folder, import_policy(ForeignGraph(path), mapping_of(**values), folder, info)

    return run
