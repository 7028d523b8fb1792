"""A robot announces the versions of another robot's learner."""

from pathlib import Path

import pytest
from processes.fake_robot import wait_until

from dbp_ros.bundle.manifest import MANIFEST
from dbp_ros.errors import ConfigError
from dbp_ros.nodes.joined_learner import JoinedLearner


def export(folder: Path, version: int) -> Path:
    path = folder / "versions" / str(version)
    path.mkdir(parents=True)
    (path / MANIFEST).touch()
    return path


def test_each_newest_version_is_announced(tmp_path: Path) -> None:
    announced: list[str] = []
    export(tmp_path, 9)
    learner = JoinedLearner(tmp_path, "cell_2", lambda path: announced.append(path.name))
    try:
        wait_until(lambda: announced == ["9"], "version 9", lambda: str(announced))
        export(tmp_path, 10)
        wait_until(lambda: announced == ["9", "10"], "version 10", lambda: str(announced))
    finally:
        learner.close()
    assert learner.episodes == tmp_path / "episodes" / "cell_2"


def test_two_robots_of_the_same_name_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dbp_ros.nodes.joined_learner.LOCK_TIMEOUT_S", 0.1)
    learner = JoinedLearner(tmp_path, "cell_2", lambda _: None)
    with pytest.raises(ConfigError, match="another node records the episodes of robot 'cell_2'"):
        JoinedLearner(tmp_path, "cell_2", lambda _: None)
    learner.close()
    JoinedLearner(tmp_path, "cell_2", lambda _: None).close()
