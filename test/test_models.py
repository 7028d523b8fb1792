"""The bundles that ship: whole, proved, small, and made by commands that can be given again."""

import argparse
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from dbp_ros.bundle.bundle import bundle_directory, read_bundle
from dbp_ros.bundle.golden import read_golden
from dbp_ros.bundle.manifest import require_joints
from dbp_ros.cli import collect, export, quantize, train
from dbp_ros.policy.model import Model
from dbp_ros.resources import resource_directory
from dbp_ros.settings.dual_ur5e import CAMERAS, DUAL_UR5E_JOINTS
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.sim.upscaling import Upscaler

MODELS = resource_directory() / "models"
SHIPPED = sorted(path.parent for path in MODELS.glob("*/manifest.yaml"))
MOST_BYTES = 20_000_000
VERBS = {"collect": collect, "train": train, "export": export, "quantize": quantize}


def test_the_default_model_is_included() -> None:
    assert bundle_directory(PolicyConfig.model) in SHIPPED


def test_the_total_size_of_all_bundles_is_small() -> None:
    # A stack that runs from a clone keeps its last good models in models/.history.
    files = [path for bundle in SHIPPED for path in bundle.iterdir()]
    assert sum(path.stat().st_size for path in files) < MOST_BYTES


@pytest.mark.parametrize("directory", SHIPPED, ids=lambda path: path.name)
def test_a_shipped_bundle_passes_its_self_test_for_this_robot(directory: Path) -> None:
    bundle = read_bundle(directory)
    require_joints(bundle.manifest, DUAL_UR5E_JOINTS)
    assert set(bundle.manifest.camera_names) == set(CAMERAS)
    assert Model(bundle).self_test() <= bundle.manifest.proof.tolerance


@pytest.mark.parametrize("directory", SHIPPED, ids=lambda path: path.name)
def test_the_commands_in_a_shipped_bundle_parse(directory: Path) -> None:
    commands = [shlex.split(line) for line in read_bundle(directory).manifest.made_by["commands"]]
    verbs = [words[1] for words in commands]
    # A further round starts from the quantized model.
    rounds = r"(collect )+train export ((collect )+train export quantize )+"
    assert re.fullmatch(rounds, "".join(f"{verb} " for verb in verbs))
    parsers = {}
    for name, verb in VERBS.items():
        parsers[name] = argparse.ArgumentParser()
        verb.register(parsers[name])
    for words in commands:
        assert words[0] == "dbp"
        given = parsers[words[1]].parse_args(words[2:])
    assert (given.name, given.out) == (directory.name, Path("models", directory.name))


@pytest.mark.parametrize("directory", SHIPPED, ids=lambda path: path.name)
def test_a_shipped_bundle_contains_no_path_of_its_build_machine(directory: Path) -> None:
    for path in directory.iterdir():
        assert str(Path(__file__).parent.parent).encode() not in path.read_bytes(), path
        assert b"site-packages" not in path.read_bytes(), path


@pytest.mark.parametrize("directory", SHIPPED, ids=lambda path: path.name)
def test_a_shipped_bundle_computes_the_same_features_from_a_larger_image(directory: Path) -> None:
    """The resize is in the graph: cameras of 640x480 need nothing else."""
    model = Model(read_bundle(directory))
    golden = read_golden(model.bundle)
    for camera in model.manifest.cameras:
        small = golden.frames[camera.name][0][0]
        large = Upscaler(small.shape[:2], (480, 640))(small)
        features = model.encode(camera.name, small)
        difference = np.abs(model.encode(camera.name, large) - features).max()
        assert difference < 0.02 * np.abs(features).max()
