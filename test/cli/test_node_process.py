"""Flags of a verb that runs one node, and the parameter file of the node."""

import pytest

from dbp_ros.cli.panel import PanelVerbConfig, panel_process

for library in ("rclpy", "viser"):
    pytest.importorskip(library)


def test_a_flag_overrides_the_parameter_file_also_with_its_default() -> None:
    config = PanelVerbConfig()
    found = panel_process(config, {"host", "namespace"}, "").parameters
    assert found["host"] == "127.0.0.1"
    assert "port" not in found
    assert "host" not in panel_process(config, (), "").parameters
