"""Settings have valid defaults; a wrong value is refused with the reason."""

import importlib
from dataclasses import FrozenInstanceError, dataclass, fields, replace
from typing import get_args

import pytest

from dbp_ros.errors import ConfigError
from dbp_ros.settings.controllers import ControllersConfig
from dbp_ros.settings.dual_ur5e import DUAL_UR5E_JOINTS
from dbp_ros.settings.fields import Settings, from_mapping, leaves, setting
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.settings.learner import LearnerConfig
from dbp_ros.settings.policy import (
    ExecutionProvider,
    ImageTransportName,
    ModelSenderConfig,
    PolicyConfig,
)
from dbp_ros.settings.process import RealtimeConfig
from dbp_ros.settings.recorder import RecorderConfig
from dbp_ros.settings.simulation import CameraBackend, SimulationConfig, TaskName
from dbp_ros.settings.swap import SwapConfig

KINDS = (
    *(ControllersConfig, GuardConfig, LearnerConfig, ModelSenderConfig, PolicyConfig),
    *(RealtimeConfig, RecorderConfig, SimulationConfig, SwapConfig),
)


@pytest.mark.parametrize("kind", KINDS)
def test_the_defaults_are_within_their_own_ranges(kind):
    assert from_mapping(kind, {leaf.name: leaf.value for leaf in leaves(kind())}) == kind()


@pytest.mark.parametrize("kind", KINDS)
def test_every_setting_is_described(kind):
    assert all(item.metadata["doc"] for item in fields(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_settings_are_immutable(kind):
    with pytest.raises(FrozenInstanceError):
        setattr(kind(), fields(kind)[0].name, None)


def test_every_limit_has_a_value_per_joint():
    config = GuardConfig()
    assert len(DUAL_UR5E_JOINTS) == 14
    for name in ("position_lower", "position_upper", "velocity_limit", "acceleration_limit"):
        assert len(getattr(config, name)) == 14


def test_absent_settings_keep_their_defaults_and_lists_become_tuples():
    config = from_mapping(GuardConfig, {"command_rate_hz": 500.0, "cpu_affinity": [1]})
    assert config == replace(GuardConfig(), command_rate_hz=500.0, cpu_affinity=(1,))


def test_an_unknown_setting_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"has no comand_rate_hz; .*command_rate_hz"):
        from_mapping(GuardConfig, {"comand_rate_hz": 250.0})


@pytest.mark.parametrize(
    ("kind", "name", "value", "reason"),
    [
        (GuardConfig, "command_rate_hz", 9.9, r"9.9, expected from 10.0 to 1000.0: Commands"),
        (GuardConfig, "command_rate_hz", float("nan"), "command_rate_hz = nan, expected"),
        (GuardConfig, "command_rate_hz", float("inf"), "command_rate_hz = inf, expected"),
        (GuardConfig, "chunk_timeout_s", 5.1, "chunk_timeout_s = 5.1"),
        (GuardConfig, "realtime_priority", 100, "realtime_priority = 100"),
        (GuardConfig, "velocity_limit", (1.0, 0.0), "velocity_limit = 0.0"),
        (GuardConfig, "acceleration_limit", (float("nan"),), "acceleration_limit = nan"),
        (PolicyConfig, "image_max_age_s", 0.0, "image_max_age_s = 0.0"),
        (PolicyConfig, "latent_seed", -2, "latent_seed = -2"),
        (SimulationConfig, "image_height", 0, "image_height = 0"),
    ],
)
def test_a_number_out_of_its_range_is_refused_by_name(kind, name, value, reason):
    with pytest.raises(ConfigError, match=reason):
        from_mapping(kind, {name: value})


def test_ranges_are_closed():
    for rate_hz in (10.0, 1000.0):
        assert from_mapping(GuardConfig, {"command_rate_hz": rate_hz}).command_rate_hz == rate_hz


def test_a_command_is_split_over_the_controllers():
    parts = ControllersConfig().controller_slices()
    assert parts == [slice(0, 6), slice(6, 7), slice(7, 13), slice(13, 14)]


@pytest.mark.parametrize("sizes", [(6, 1, 6), (6, 1, 6, 2), (7, 7)])
def test_sizes_that_do_not_add_up_are_refused(sizes):
    with pytest.raises(ConfigError, match="expected one size per controller and the sum 14"):
        ControllersConfig(controller_sizes=sizes).controller_slices()


@pytest.mark.parametrize(
    ("module", "name", "choices"),
    [
        ("dbp_ros.sim.tasks.registry", "TASKS", TaskName),
        ("dbp_ros.sim.camera", "BACKENDS", CameraBackend),
        ("dbp_ros.policy.onnx_sessions", "PROVIDERS", ExecutionProvider),
        ("dbp_ros.nodes.camera_images", "TRANSPORTS", ImageTransportName),
    ],
)
def test_the_choices_of_a_setting_match_the_implementation(module, name, choices):
    for library in ("mujoco", "mink", "onnxruntime", "rclpy"):
        pytest.importorskip(library)
    assert tuple(getattr(importlib.import_module(module), name)) == get_args(choices)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (PolicyConfig, "image_transport"),
        (PolicyConfig, "execution_provider"),
        (LearnerConfig, "image_transport"),
        (SimulationConfig, "task"),
        (SimulationConfig, "camera_backend"),
    ],
)
def test_a_value_that_is_none_of_its_choices_is_refused_by_name(kind, name):
    with pytest.raises(ConfigError, match=f"{name} is 'nope', expected one of "):
        from_mapping(kind, {name: "nope"})


@dataclass(frozen=True)
class Range(Settings):
    low: float = setting(0.0, "Lower end")
    high: float = setting(1.0, "Upper end")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low > self.high:
            raise ConfigError(f"low is {self.low}, expected at most high, {self.high}")


@dataclass(frozen=True)
class Ranges(Settings):
    joints: dict[str, Range] = setting({}, "Range of each joint")


def test_a_check_of_several_values_names_their_group() -> None:
    with pytest.raises(ConfigError, match=r"^joints.elbow: low is 2.0, expected at most high"):
        from_mapping(Ranges, {"joints": {"elbow": {"low": 2}}})
    with pytest.raises(ConfigError, match=r"^low is 2.0"):
        from_mapping(Range, {"low": 2})


def test_folders_of_a_learner_may_begin_with_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/kim")
    config = LearnerConfig(out="~/episodes", join="", checkpoint="~/run")
    assert (config.out, config.join, config.checkpoint) == (
        "/home/kim/episodes",
        "",
        "/home/kim/run",
    )
