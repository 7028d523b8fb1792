"""A policy as one graph has the same output as split graphs and takes more time."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.infer import precision, whole_policy
from benchmarks.infer.whole_policy import SplitPolicy, WholePolicy
from dbp_ros.bundle.bundle import Bundle
from dbp_ros.bundle.golden import read_golden
from dbp_ros.evaluation.result_table import ResultTable


def test_one_graph_has_the_output_of_encoders_and_head(
    float_bundle: Bundle, tmp_path: Path
) -> None:
    golden = read_golden(float_bundle)
    for policy in (
        SplitPolicy(float_bundle, golden),
        WholePolicy(float_bundle, golden, tmp_path / "whole.onnx"),
    ):
        policy.set_frames(3)
        np.testing.assert_allclose(policy.decide(3), golden.action[3], atol=1e-5)


def test_each_policy_has_one_row(float_bundle: Bundle, tmp_path: Path) -> None:
    table = ResultTable(tmp_path, whole_policy.NAME, whole_policy.COLUMNS, ("model", "way"))
    for _ in range(2):
        whole_policy.run_policy(float_bundle, 0.0, table)
    assert table.values("way") == [
        f"{graph}{precision}"
        for precision in ("", ", int8", ", int8_all")
        for graph in ("whole graph", "split")
    ]
    assert len(table.rows) == 6
    speed_up = {row["policy"]: row["speed-up"] for row in whole_policy.summary(table)}
    assert speed_up["whole graph"] == 1
    [whole_ms], [split_ms] = (
        table.numbers("working_per_decision_ms", way=way) for way in ("whole graph", "split")
    )
    assert speed_up["split"] == pytest.approx(whole_ms / split_ms)


def test_each_precision_has_a_row_with_its_error(float_bundle: Bundle, tmp_path: Path) -> None:
    key = ("model", "precision")
    table = ResultTable(tmp_path, precision.NAME, precision.COLUMNS, key)
    precision.run_precision(float_bundle, read_golden(float_bundle), 0.0, table)
    rows = {row["precision"]: row for row in precision.summary(table)}
    assert rows["float32"]["max"] == 0
    assert 0 < rows["float16"]["max"] < rows["int8"]["max"]
    assert rows["int8"]["head [MB]"] < 0.5 * rows["float32"]["head [MB]"]
