"""`dbp bench teach`: from the first drag of a hand to a policy that runs on the stack."""

import os
from pathlib import Path

import pytest

pytest.importorskip("viser")
pytest.importorskip("torch")

from benchmarks.teach.run import TeachBenchConfig, teach_path
from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.data.formats import open_episodes

pytestmark = pytest.mark.alone
QUICK = {
    "demonstrations": 3,
    "num_steps": 4,
    "evaluation_episodes": 1,
    "watched_episodes": 0,
}


def test_demonstrations_by_drags_become_a_policy_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The benchmark leases a domain of its own for this process.
    monkeypatch.setenv("ROS_DOMAIN_ID", os.environ.get("ROS_DOMAIN_ID", "0"))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    lines: list[str] = []
    report = teach_path(TeachBenchConfig(out=tmp_path, **QUICK), lines.append)
    assert report["demonstrations"] == 3
    assert "of 1 episodes succeed" in str(report["evaluation"])
    workspace = tmp_path / "workspace"
    episodes = open_episodes(workspace / "trainings" / "001" / "data")
    recorded = episodes.read(0)
    assert (recorded.task, recorded.outcome) == ("lift", "success")
    assert set(recorded.images) == {"head_camera", "left_wrist_camera", "right_wrist_camera"}
    assert read_bundle(workspace / "models" / "live").manifest.name == "taught"
