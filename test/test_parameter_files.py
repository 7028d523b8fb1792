"""The parameter files."""

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from dbp_ros.errors import ConfigError
from dbp_ros.settings.fields import from_mapping
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.settings.learner import LearnerConfig
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.settings.recorder import RecorderConfig
from dbp_ros.settings.simulation import SimulationConfig
from dbp_ros.settings.teleop import TeleopConfig
from dbp_ros.settings.view import ViewConfig
from dbp_ros.stack.processes import StackConfig, processes

PARAMETER_FILES = {
    "guard.yaml": GuardConfig,
    "learner.yaml": LearnerConfig,
    "policy.yaml": PolicyConfig,
    "recorder.yaml": RecorderConfig,
    "simulation.yaml": SimulationConfig,
    "teleop.yaml": TeleopConfig,
    "view.yaml": ViewConfig,
}


def parameters(path: Path) -> dict[str, object]:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert list(document) == ["/**"], "any other name is ignored inside a namespace"
    return document["/**"]["ros__parameters"]


@pytest.mark.parametrize("name", PARAMETER_FILES)
def test_parameter_files_contain_the_defaults(root: Path, name: str) -> None:
    values = parameters(root / "config" / name)
    assert values
    assert from_mapping(PARAMETER_FILES[name], values) == PARAMETER_FILES[name]()


@pytest.mark.parametrize("name", PARAMETER_FILES)
def test_parameter_files_write_floats_as_floats(root: Path, name: str) -> None:
    defaults = {item.name: item.default for item in fields(PARAMETER_FILES[name])}
    for key, value in parameters(root / "config" / name).items():
        default = defaults[key]
        if isinstance(default, tuple):
            assert {type(item) for item in value} == {type(item) for item in default}, key
        else:
            assert type(value) is type(default), key


def test_parameter_files_do_not_set_what_the_stack_overrides(root: Path) -> None:
    for process in processes(StackConfig(learner=True, checkpoint="run", recorder=True)):
        assert not set(process.parameters) & set(parameters(process.parameter_file)), process.name


def test_an_unknown_parameter_is_named(root: Path) -> None:
    with pytest.raises(ConfigError, match="no comand_rate_hz"):
        from_mapping(GuardConfig, {"comand_rate_hz": 250.0})
