"""Random bundles of any size, and the measurement of a point."""

from dataclasses import replace
from pathlib import Path

from benchmarks.scale.points import AXES, COLUMNS, COMBINED, KEY, NAME, points, run_point
from benchmarks.scale.random_bundle import PolicySize, write_random_bundle
from benchmarks.scale.run import plot, summary
from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.evaluation.result_table import ResultTable
from dbp_ros.evaluation.worker_pool import run_in_workers
from dbp_ros.policy.model import Model

SMALL = PolicySize(cameras=2, pixels=24, horizon=4, arms=1)


def test_a_random_bundle_has_the_given_size_and_passes_its_self_test(tmp_path: Path) -> None:
    bundle = read_bundle(write_random_bundle(tmp_path / "small", SMALL))
    assert len(bundle.manifest.joints) == 7
    assert [camera.width for camera in bundle.manifest.cameras] == [24, 24]
    assert bundle.manifest.action.horizon == 4
    assert Model(bundle).self_test() < 1e-5


def test_each_axis_changes_one_setting(tmp_path: Path) -> None:
    for axis, values in AXES.items():
        found = points((axis,), 1.0, tmp_path)
        assert [point.key[axis] for point in found] == list(values)
        for name in set(AXES) - {axis}:
            assert len({point.key[name] for point in found}) == 1
    assert len(points(("together",), 1.0, tmp_path)) == len(COMBINED)


def test_a_rate_above_the_capacity_is_reported_as_broken(tmp_path: Path) -> None:
    point = points(("rate_hz",), 0.5, tmp_path)[0]
    write_random_bundle(tmp_path / "small", SMALL)
    point = replace(point, size=SMALL, bundle=tmp_path / "small", rate_hz=100_000.0)
    [[row]] = run_in_workers(run_point, [point], 1)
    assert row["holds"] == 0
    assert "decisions per second" in row["breaks"]
    assert row["cores"] > 0
    table = ResultTable(tmp_path, NAME, COLUMNS, KEY)
    table.add(row)
    assert plot(table).stat().st_size > 1000
    assert len(list(summary(table))) == 1
