"""Snapshots are written to a file of Rerun."""

from pathlib import Path

import numpy as np
import pytest

from dbp_ros.diagnosis.snapshot import NodeStatus
from dbp_ros.errors import ConfigError
from dbp_ros.panel.snapshot import CameraImage, PanelSnapshot
from dbp_ros.panel.viewers import open_rerun
from dbp_ros.robots.check import urdf_of
from dbp_ros.settings.dual_ur5e import DUAL_UR5E

pytest.importorskip("rerun")
HOME = np.array(DUAL_UR5E.home_positions)
URDF = urdf_of("ur5e_dual")


def test_a_file_contains_robot_cameras_chunks_and_plots(tmp_path: Path) -> None:
    path = tmp_path / "session.rrd"
    stream = open_rerun(str(path), URDF, DUAL_UR5E)
    node = NodeStatus("guard", 1, 0, "tracking", values={"command_period.rate_hz": "500.0"})
    snapshot = PanelSnapshot(
        positions=HOME,
        chunk=HOME + np.linspace(0.0, 0.2, 8)[:, None],
        images={"head_camera": CameraImage(1, np.zeros((48, 64, 3), np.uint8))},
        nodes={"guard": node},
        states={"guard": "tracking"},
    )
    stream.update(snapshot, 1.0, False)
    stream.close()
    data = path.read_bytes()
    for name in ("/robot/left_forearm_link", "/cameras/head_camera", "/chunk/left", "/plots/guard"):
        assert name.encode() in data


def test_no_target_opens_no_stream() -> None:
    assert open_rerun("", URDF, DUAL_UR5E) is None


def test_a_malformed_target_is_an_error() -> None:
    with pytest.raises(ConfigError, match="expected a file"):
        open_rerun("nowhere", URDF, DUAL_UR5E)
