"""A mapping that does not fit its graph is refused with both values and the remedy."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from policy_import.conftest import ImportInto, mapping_of
from policy_import.foreign_graphs import (
    FLOAT,
    op,
    save,
    write_byte_policy,
    write_image_policy,
    write_state_policy,
    write_video_policy,
)
from policy_import.test_import_bundle import IMAGE_POLICY, VIDEO_POLICY

from dbp_ros.errors import BundleError, ConfigError
from dbp_ros.policy_import.foreign_graph import ForeignGraph

POSITIONS, IMAGES = IMAGE_POLICY["positions"], IMAGE_POLICY["images"]
IMAGE = IMAGES["observation.image"]
VIDEO = VIDEO_POLICY["images"]["video"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"positions": {"observation.states": {}}},
            r"no input observation.states, it has observation.state, observation.image: did you "
            r"mean observation.state\?",
        ),
        (
            {"images": {}},
            r"lacks the input observation.image float32 \(batch, 3, 12, 16\): add it to positions",
        ),
        ({"actions": {"actions": {}}}, r"no output actions, it has action: did you mean action\?"),
        (
            {"positions": {"observation.state": {"layout": "NTD"}}},
            r"state has 2 axes in the graph, float32 \(batch, 3\), and layout NTD has 3: write one",
        ),
        (
            {"images": {"observation.image": {**IMAGE, "layout": "NHWC"}}},
            r"the axis C of layout NHWC is 16 in the graph, .* expected 3: correct the layout",
        ),
        (
            {"images": {"observation.image": {**IMAGE, "size": [12, 17]}}},
            r"the axis W of layout NCHW is 16 in the graph, .* expected 17",
        ),
        (
            {"positions": {"observation.state": {"joints": ["elbow", "gripper"]}}},
            r"the axis D of layout ND is 3 in the graph, .* expected 2: correct the layout, the",
        ),
        (
            {"positions": {"observation.state": {"history": 2}}},
            "history is 2, and layout ND has no axis T",
        ),
        ({"n_action_steps": 5}, "n_action_steps is 5, a chunk of this graph has 4 points"),
        ({"actions": {"action": {"skip_points": 4}}}, "skip_points is 4, the graph returns 4 poi"),
        ({"actions": {"action": {"layout": "ND"}}}, r"float32 \(1, 4, 3\), and layout ND has 2"),
        ({"step_s": 0.5, "n_action_steps": 4}, "are 0.5 decisions per second, expected from 1 to"),
    ],
)
def test_a_mapping_of_another_graph_is_refused(
    tmp_path: Path, import_into: ImportInto, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason):
        import_into(write_image_policy(tmp_path / "act.onnx"), **IMAGE_POLICY | changes)
    assert not list(tmp_path.glob("models/*"))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"images": {"video": {**VIDEO, "size": []}}}, r"set size to \[height, width\]"),
        ({"unused_outputs": []}, r"lacks the output embedding float32 \(1, 1, 3\): add it to act"),
        ({"positions": {"joints": {"layout": "NTD", "history": 3}}}, "history is 3, the graph tak"),
        ({"constants": {"task": {"value": [1, 2]}}}, r"value has 2 numbers, expected 1 or 1 for"),
        ({"constants": {"task": {"shape": [2]}}}, r"shape is \(2,\), the graph has float32 \(1\)"),
    ],
)
def test_a_size_that_the_graph_does_not_have_is_refused(
    tmp_path: Path, import_into: ImportInto, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason):
        import_into(write_video_policy(tmp_path / "video.onnx"), **VIDEO_POLICY | changes)


def test_a_byte_image_with_another_range_is_refused(
    tmp_path: Path, import_into: ImportInto
) -> None:
    images = {"pixels": {"camera": "top", "layout": "NHWC"}}
    with pytest.raises(ConfigError, match=r"pixels is uint8 .* range is \(0.0, 1.0\): set range"):
        import_into(
            write_byte_policy(tmp_path / "bytes.onnx"),
            images=images,
            actions={"target": {"layout": "ND"}},
        )


def test_outputs_of_different_lengths_are_refused(tmp_path: Path, import_into: ImportInto) -> None:
    path = save(
        tmp_path / "two.onnx",
        [op("Mul", ["x", "arm"], ["arms"]), op("Mul", ["x", "hand"], ["hands"])],
        [("x", FLOAT, (1, 1))],
        [("arms", FLOAT, (4, 2)), ("hands", FLOAT, (3, 1))],
        arm=np.ones((4, 2), np.float32),
        hand=np.ones((3, 1), np.float32),
    )
    outputs = {"arms": ["shoulder", "elbow"], "hands": ["gripper"]}
    actions = {name: {"layout": "TD", "joints": joints} for name, joints in outputs.items()}
    with pytest.raises(ConfigError, match="different numbers of points: arms 4, hands 3"):
        import_into(path, positions={"x": {"joints": ["elbow"]}}, actions=actions)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"joints": []}, r"joints is \[\], expected names"),
        ({"step_s": 0}, "step_s is 0, expected the time"),
        ({"actions": {}}, "actions is empty"),
        ({"actions": {"a": {"joints": ["elbow"]}}}, "move elbow, expected each of shoulder, elbow"),
        ({"positions": {"s": {"joints": ["wrist"]}}}, r"positions.s.joints has wrist, expected"),
        ({"positions": {"s": {"layout": "NX"}}}, r"positions.s: layout is 'NX', expected D and"),
        ({"positions": {"s": {"mean": [1, 2, 3]}}}, "positions.s: expected mean and std, or min"),
        ({"positions": {"s": {"mean": [1], "std": [1]}}}, "s.mean has 1 values, expected 3"),
        ({"positions": {"s": {"min": [1] * 3, "max": [1] * 3}}}, "min and max are both 1.0"),
        ({"images": {"i": {}}}, "images.i: camera is '', expected"),
        ({"images": {"i": {"camera": "c", "mean": [1] * 3}}}, "images.i: expected mean and std, "),
        ({"images": {"i": {"camera": "c"}, "j": {"camera": "c"}}}, "camera c has two inputs"),
        ({"images": {"i": {"camera": "c", "fit": "squeeze"}}}, "expected one of stretch, pad, cro"),
        ({"noise": ["s"], "constants": {"s": {}}}, "the input s is mapped twice"),
        ({"joint_units": {"elbow": {"state": "x"}}}, "joint_units.elbow has a column name"),
        ({"joint_units": {"elbow": {"action_kind": "delta"}}}, "joint_units.elbow has action_kind"),
        ({"joint_units": {"wrist": {"unit": "deg"}}}, "joint_units has wrist, expected names am"),
        ({"actions": {"a": {"absolute_joints": ["elbow"]}}}, "but meaning is absolute"),
        ({"velocities": {}}, "has no velocities; its fields are joints, unit"),
    ],
)
def test_an_inconsistent_mapping_is_refused(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        mapping_of(**{"actions": {"a": {}}, **values})


def test_a_graph_that_samples_its_own_noise_is_refused(tmp_path: Path) -> None:
    nodes = [
        op("RandomNormal", [], ["noise"], shape=[1, 3]),
        op("Add", ["joints", "noise"], ["action"]),
    ]
    path = tmp_path / "sampling.onnx"
    save(path, nodes, [("joints", FLOAT, (1, 3))], [("action", FLOAT, (1, 3))])
    with pytest.raises(BundleError, match=r"\(RandomNormal\).* with the noise as an input"):
        ForeignGraph(path)


def test_a_file_that_is_no_graph_is_refused(tmp_path: Path) -> None:
    (tmp_path / "policy.onnx").write_bytes(b"weights")
    with pytest.raises(BundleError, match=r"policy.onnx cannot be loaded .*: expected an ONNX"):
        ForeignGraph(tmp_path / "policy.onnx")


def test_external_weights_become_part_of_the_bundle(
    tmp_path: Path, import_into: ImportInto
) -> None:
    path = write_state_policy(tmp_path / "mlp.onnx", 3)
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="mlp.data", size_threshold=100)
    assert (tmp_path / "mlp.data").is_file()
    layout = {"layout": "TD"}
    folder, _ = import_into(path, positions={"joints": layout}, actions={"deltas": layout})
    assert sorted(file.name for file in folder.iterdir()) == [
        "head.onnx",
        "manifest.yaml",
        "mapping.yaml",
        "proof.npz",
    ]
