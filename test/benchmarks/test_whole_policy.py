"""A policy in one graph decides as it does split, and costs more."""

from pathlib import Path

import numpy as np

from benchmarks.infer import precision, whole_policy
from benchmarks.infer.whole_policy import Split, Whole
from dbp_ros.bundle.bundle import bundle_directory, read_bundle
from dbp_ros.bundle.golden import read_golden
from dbp_ros.evaluation.result_table import ResultTable


def test_one_graph_decides_as_encoders_and_head_do(tmp_path: Path) -> None:
    bundle = read_bundle(bundle_directory("lift"))
    proof = read_golden(bundle)
    for policy in (Split(bundle, proof), Whole(bundle, proof, tmp_path / "whole.onnx")):
        policy.see(3)
        np.testing.assert_allclose(policy.decide(3), proof.action[3], atol=1e-5)


def test_a_row_for_each_way_and_none_twice(tmp_path: Path) -> None:
    table = ResultTable(tmp_path, whole_policy.NAME, whole_policy.COLUMNS, ("model", "way"))
    bundle = read_bundle(bundle_directory("lift"))
    for _ in range(2):
        whole_policy.run_policy(bundle, 0.0, table)
    assert table.values("way") == [
        f"{way}{precision}"
        for precision in ("", ", int8", ", int8_all")
        for way in ("whole graph", "split")
    ]
    assert len(table.rows) == 6
    faster = {row["way"]: row["times faster"] for row in whole_policy.summary(table)}
    assert faster["whole graph"] == 1
    assert faster["split"] > 1


def test_each_precision_has_a_row_with_its_error(tmp_path: Path) -> None:
    key = ("model", "precision")
    table = ResultTable(tmp_path, precision.NAME, precision.COLUMNS, key)
    bundle = read_bundle(bundle_directory("lift"))
    precision.run_precision(bundle, read_golden(bundle), 0.0, table)
    rows = {row["precision"]: row for row in precision.summary(table)}
    assert rows["float32"]["max"] == 0
    assert 0 < rows["float16"]["max"] < rows["int8"]["max"]
    assert rows["int8"]["head [MB]"] < 0.3 * rows["float32"]["head [MB]"]
