"""A policy that was trained elsewhere runs in the real policy node, with swap and rollback."""

import json
import shutil
from pathlib import Path

import numpy as np
from policy_import.foreign_graphs import FLOAT, op, save
from processes.fake_robot import CAMERA, CONFIG, FakeRobot
from processes.swap_listener import SwapListener, assert_moves_on

from dbp_ros.policy_import.foreign_graph import ForeignGraph
from dbp_ros.policy_import.import_bundle import ModelInfo, import_policy
from dbp_ros.settings.fields import from_mapping
from dbp_ros.settings.policy_mapping import PolicyMapping

NU, HORIZON = len(CONFIG.joints), 8
# Joints of the graph in the opposite order, as differences in degrees.
MAPPING = {
    "joints": list(CONFIG.joints),
    "unit": "deg",
    "joint_units": {joint: {"unit": "m"} for joint in CONFIG.joints if "gripper" in joint},
    "step_s": 0.0333,
    "images": {"rgb": {"camera": CAMERA}},
    "noise": ["noise"],
    "actions": {"deltas": {"joints": list(CONFIG.joints)[::-1], "meaning": "relative_to_measured"}},
}


def write_wandering_policy(path: Path) -> Path:
    """Write a policy that follows the noise, and the brightness of the image a little."""
    grippers = np.array(["gripper" in joint for joint in CONFIG.joints[::-1]])
    gains = np.where(grippers, 0.0, 0.5).astype(np.float32)
    nodes = [
        op("GlobalAveragePool", ["rgb"], ["pooled"]),
        op("Reshape", ["pooled", "row"], ["features"]),
        op("MatMul", ["features", "weights"], ["offset"]),
        op("Mul", ["noise", "gains"], ["motion"]),
        op("Add", ["motion", "offset"], ["deltas"]),
    ]
    return save(
        path,
        nodes,
        [("rgb", FLOAT, ("batch", 3, 24, 32)), ("noise", FLOAT, ("batch", HORIZON, NU))],
        [("deltas", FLOAT, ("batch", HORIZON, NU))],
        row=[1, 1, 3],
        weights=np.tile(0.01 * gains, (3, 1)),
        gains=gains,
    )


def test_an_imported_policy_is_swapped_in_and_rolled_back_while_the_arms_move(
    robot: FakeRobot, swaps: SwapListener, tmp_path: Path
) -> None:
    graph, out = ForeignGraph(write_wandering_policy(tmp_path / "policy.onnx")), tmp_path / "new"
    mapping = from_mapping(PolicyMapping, MAPPING)
    report = import_policy(graph, mapping, out, ModelInfo("wanderer", 2))
    assert report.difference < 1e-5
    shutil.copytree(out, tmp_path / "models" / "oscillator", dirs_exist_ok=True)
    status = swaps.wait_for(phase="active", version=2)
    assert status["number"] == 2
    assert robot.call_service("policy/clear_statistics")[0]
    assert_moves_on(robot)
    statistics = json.loads(robot.call_service("policy/statistics")[1])
    assert statistics["decisions"] > statistics["refused_decisions"]
    assert robot.call_service("policy/rollback") == (True, "")
    assert swaps.wait_for(phase="rolled_back")["version"] == 1
    assert_moves_on(robot)
