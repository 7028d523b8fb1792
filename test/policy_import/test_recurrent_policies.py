"""Imported policies with a state between calls, which is that of the running episode."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from policy_import.conftest import ImportInto, mapping_of
from policy_import.foreign_graphs import (
    JOINTS,
    write_recurrent_policy,
    write_state_policy,
    write_wide_recurrent_policy,
)

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.bundle.golden import read_golden
from dbp_ros.bundle.manifest import RecurrentSpec
from dbp_ros.errors import BundleError, ConfigError
from dbp_ros.learning.quantization import PRECISIONS, predict_case, quantize_bundle
from dbp_ros.policy import load_policy
from dbp_ros.policy.model import Model
from dbp_ros.policy.policy_runner import PolicyRunner
from dbp_ros.policy_import.foreign_graph import ForeignGraph
from dbp_ros.policy_import.plan import plan_import
from dbp_ros.settings.policy import PolicyConfig

MAPPING: dict[str, Any] = {
    "positions": {"joints": {}},
    "actions": {"action": {"layout": "ND"}},
    "recurrent": {
        "sum_in": {"output": "sum_out", "value": [0.5, 0.0, 0.25]},
        "calls_in": {"output": "calls_out"},
    },
}
MEASURED = np.array([0.3, -0.4, 0.05], np.float32)


def expected(calls: int) -> list[np.ndarray]:
    """Return the actions of consecutive calls."""
    total, actions = np.array([0.5, 0.0, 0.25]), []
    for call in range(1, calls + 1):
        total = total / 2 + MEASURED
        actions.append(total * call)
    return actions


@pytest.fixture
def bundle(tmp_path: Path, import_into: ImportInto) -> Path:
    folder, report = import_into(write_recurrent_policy(tmp_path / "lstm.onnx"), **MAPPING)
    assert report.difference < 1e-5
    return folder


def test_the_state_of_a_call_is_the_input_of_the_next_one(bundle: Path) -> None:
    policy = load_policy(bundle)
    for _ in range(2):
        for action in expected(4):
            np.testing.assert_allclose(policy(MEASURED), action[None], atol=1e-6)
        policy.reset()
    assert read_bundle(bundle).manifest.recurrent == RecurrentSpec(4, (0.5, 0.0, 0.25, 0.0))


def test_a_runner_starts_an_episode_and_a_promotion_with_the_initial_state(bundle: Path) -> None:
    model = Model(read_bundle(bundle))
    runner = PolicyRunner(model, PolicyConfig(joints=JOINTS, decision_rate_hz=20.0))
    now_ns = 0

    def step() -> np.ndarray:
        nonlocal now_ns
        now_ns += 60_000_000
        runner.add_joint_state(MEASURED, now_ns, now_ns)
        return runner.step(now_ns).positions[0]

    for action in expected(3):
        np.testing.assert_allclose(step(), action, atol=1e-6)
    runner.execution.begin_episode()
    np.testing.assert_allclose(step(), expected(1)[0], atol=1e-6)
    step()
    runner.activate()
    np.testing.assert_allclose(step(), expected(1)[0], atol=1e-6)


def test_a_shadow_test_advances_the_state_of_the_candidate_only(bundle: Path) -> None:
    model = Model(read_bundle(bundle))
    active = PolicyRunner(model, PolicyConfig(joints=JOINTS, decision_rate_hz=20.0))
    candidate = active.create_candidate(model)
    active.add_joint_state(MEASURED, 1, 1)
    for action in expected(3):
        np.testing.assert_allclose(candidate.run_once(1)[1].positions[0], action, atol=1e-6)
    np.testing.assert_allclose(active.step(1).positions[0], expected(1)[0], atol=1e-6)
    candidate.activate()
    np.testing.assert_allclose(candidate.step(2).positions[0], expected(1)[0], atol=1e-6)


def test_a_state_of_half_precision_is_rounded_as_by_the_graph(
    tmp_path: Path, import_into: ImportInto
) -> None:
    path = write_recurrent_policy(tmp_path / "half.onnx", precision=10)
    folder, report = import_into(path, **MAPPING)
    assert report.difference < 1e-6
    policy = load_policy(folder)
    for action in expected(3):
        np.testing.assert_allclose(policy(MEASURED), action[None], atol=1e-2)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_policy_with_a_state_is_quantized_and_compared_over_calls(
    tmp_path: Path, import_into: ImportInto, precision: str
) -> None:
    recurrent = {"hidden_in": {"output": "hidden_out"}}
    path = write_wide_recurrent_policy(tmp_path / "wide.onnx")
    source = read_bundle(import_into(path, **{**MAPPING, "recurrent": recurrent})[0])
    recorded = read_golden(source)
    error = quantize_bundle(source, tmp_path / "small", precision, recorded, "toy", "")
    small = Model(read_bundle(tmp_path / "small"))
    last = predict_case(small, recorded, 0)
    first = small.predict(recorded.positions[0], {}, recorded.latent[0])
    assert np.abs(last - first).max() > 0.01
    assert np.abs(last - predict_case(Model(source), recorded, 0)).max() <= error.error_max
    assert 0 < error.error_max < 0.02


def test_an_error_that_grows_over_the_calls_is_refused(
    tmp_path: Path, import_into: ImportInto
) -> None:
    recurrent = {"hidden_in": {"output": "hidden_out"}}
    path = write_wide_recurrent_policy(tmp_path / "wide.onnx", gain=1.0)
    source = read_bundle(import_into(path, **{**MAPPING, "recurrent": recurrent})[0])
    with pytest.raises(BundleError, match=r"the actions of int8 differ by .* at most 0\.02"):
        quantize_bundle(source, tmp_path / "small", "int8", read_golden(source), "toy", "")
    assert not (tmp_path / "small").exists()


def test_a_bundle_without_a_layer_to_quantize_is_not_written(bundle: Path, tmp_path: Path) -> None:
    source = read_bundle(bundle)
    with pytest.raises(BundleError, match=r"int8 reduces no weight of .*choose another precision"):
        quantize_bundle(source, tmp_path / "small", "int8", read_golden(source), "toy", "")
    assert not (tmp_path / "small").exists()


@pytest.mark.parametrize(
    ("recurrent", "message"),
    [
        (
            {"sum_in": {"output": "calls_out"}, "calls_in": {"output": "sum_out"}},
            r"recurrent\.sum_in takes float32 \(1, 3\), and the output calls_out is float32",
        ),
        ({"sum_in": {"output": "sum_out"}}, "lacks the input calls_in .* constants or recurrent"),
        (
            {**MAPPING["recurrent"], "sum_in": {"output": "sum_ou"}},
            "no output sum_ou, it has action, sum_out, calls_out",
        ),
        (
            {**MAPPING["recurrent"], "sum_in": {"output": "sum_out", "value": [1.0, 2.0]}},
            r"recurrent\.sum_in: value has 2 numbers, expected 1 or 3",
        ),
        (
            {"sum_in": {"output": "sum_out"}, "calls_in": {"output": "sum_out"}},
            "the output sum_out is mapped twice",
        ),
        ({"sum_in": {}, "calls_in": {"output": "calls_out"}}, "output is empty, expected the out"),
    ],
)
def test_a_state_that_does_not_fit_the_graph_is_refused(
    tmp_path: Path, recurrent: dict[str, Any], message: str
) -> None:
    graph = ForeignGraph(write_recurrent_policy(tmp_path / "lstm.onnx"))
    with pytest.raises(ConfigError, match=message):
        plan_import(graph, mapping_of(**{**MAPPING, "recurrent": recurrent}))


def test_a_policy_without_a_state_has_none_in_its_manifest(
    tmp_path: Path, import_into: ImportInto
) -> None:
    folder, _ = import_into(
        write_state_policy(tmp_path / "plain.onnx", 3),
        positions={"joints": {"layout": "TD"}},
        actions={"deltas": {"layout": "TD"}},
    )
    assert "recurrent" not in (folder / "manifest.yaml").read_text()
    assert Model(read_bundle(folder)).initial_state is None
