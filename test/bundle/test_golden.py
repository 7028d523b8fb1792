"""Golden cases are read as the manifest describes them, or refused."""

import re
from pathlib import Path

import numpy as np
import pytest
from bundle_fixtures import edit, refusal, rewrite_golden

from dbp_ros.bundle.bundle import read_bundle, sha256_of
from dbp_ros.bundle.golden import read_golden
from dbp_ros.bundle.manifest import MANIFEST, GoldenSpec, parse_manifest


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"action": None}, "the golden cases proof.npz cannot be read"),
        ({"image.head_camera": None}, "the golden cases proof.npz cannot be read"),
        ({"action": np.zeros((3, 5, 3), np.float32)}, r"action as float32 of shape \(3, 5, 3\)"),
        ({"positions": np.zeros((3, 2, 3), np.float32)}, "positions as float32"),
        ({"positions": np.zeros((2, 1, 3), np.float32)}, "positions as float32"),
        ({"latent": np.zeros((3, 4, 3))}, "latent as float64"),
        ({"image.head_camera": np.zeros((3, 8, 9, 3), np.uint8)}, "image.head_camera as uint8"),
        ({"image.head_camera": np.zeros((3, 2, 8, 12, 3), np.uint8)}, "head_camera as uint8"),
        ({"action": np.float32(0)}, r"positions as float32 of shape \(3, 1, 3\)"),
    ],
)
def test_golden_cases_that_do_not_match_the_manifest_are_refused(make_bundle, changes, expected):
    directory = make_bundle()
    rewrite_golden(directory, **changes)
    assert re.search(expected + ".*export the model again", refusal(directory))


def test_golden_cases_without_an_axis_for_one_observation_are_read(make_bundle):
    directory = make_bundle()
    whole = read_golden(read_bundle(directory)).images["head_camera"]
    rewrite_golden(directory, **{"image.head_camera": whole[:, 0]})
    np.testing.assert_array_equal(read_golden(read_bundle(directory)).images["head_camera"], whole)


def test_golden_cases_of_several_observations_need_the_axis(make_bundle):
    directory = make_bundle(history=2)
    whole = read_golden(read_bundle(directory)).images["head_camera"]
    assert whole.shape == (3, 2, 8, 12, 3)
    rewrite_golden(directory, **{"image.head_camera": whole[:, 0]})
    assert "image.head_camera as uint8 of shape (3, 8, 12, 3)" in refusal(directory)


def test_an_empty_set_of_golden_cases_is_refused(make_bundle):
    directory = make_bundle()
    rewrite_golden(directory, **{k: v[:0] for k, v in np.load(directory / "proof.npz").items()})
    assert "for each case" in refusal(directory)


def test_a_golden_file_that_is_not_an_archive_is_refused(make_bundle):
    directory = make_bundle()
    (directory / "proof.npz").write_bytes(b"PK\x03\x04 no archive")
    files = read_manifest_files(directory)
    edit(directory, files={**files, "proof.npz": sha256_of(directory / "proof.npz")})
    assert "the golden cases proof.npz cannot be read" in refusal(directory)


def read_manifest_files(directory: Path) -> dict[str, str]:
    return parse_manifest((directory / MANIFEST).read_bytes(), MANIFEST).files


def test_a_golden_file_without_a_sha256_is_refused(make_bundle):
    directory = make_bundle(proof=GoldenSpec("proof2.npz", 1e-4))
    assert "no sha256 for proof2.npz under files: export the model again" in refusal(directory)
