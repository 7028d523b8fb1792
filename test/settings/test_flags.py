"""Conversion of settings to flags, and of flags and launch arguments to settings."""

import argparse
from dataclasses import replace

import pytest

from dbp_ros.errors import ConfigError
from dbp_ros.settings.finetune import FinetuneConfig
from dbp_ros.settings.flags import add_settings, flags_of, from_strings, settings_from
from dbp_ros.settings.learner import LearnerConfig
from dbp_ros.settings.simulation import SimulationConfig


def parsed(kind, *words):
    """Return the settings of a command line."""
    parser = argparse.ArgumentParser()
    add_settings(parser, kind)
    return settings_from(kind, parser.parse_args(words))


@pytest.mark.parametrize("kind", [FinetuneConfig, LearnerConfig, SimulationConfig])
def test_no_flags_give_the_defaults(kind):
    assert parsed(kind) == kind()
    assert flags_of(kind()) == []


@pytest.mark.parametrize(
    "config",
    [
        SimulationConfig(task="can", publish_clock=True, lock_memory=True, camera_rate_hz=20.0),
        SimulationConfig(joints=("a", "b"), controller_sizes=(2,)),
        LearnerConfig(share_path=False, finetune=FinetuneConfig(gamma=0.5, minibatch_size=7)),
    ],
)
def test_the_flags_of_settings_give_the_same_settings(config):
    assert parsed(type(config), *flags_of(config)) == config


def test_a_setting_of_a_group_is_a_flag_with_a_dot():
    config = parsed(LearnerConfig, "--finetune.critic-hidden-dims", "8", "4")
    assert config.finetune == replace(FinetuneConfig(), critic_hidden_dims=(8, 4))


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--task", "nope"), "task is 'nope', expected one of reach, lift, can, transport"),
        (("--image-height", "7"), "image_height = 7, expected from 8 to 2160: Height"),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(words, reason):
    with pytest.raises(ConfigError, match=reason):
        parsed(SimulationConfig, *words)


def test_an_empty_default_is_not_shown_as_none():
    parser = argparse.ArgumentParser()
    # Text and list; `none` is a value of other settings.
    add_settings(parser, LearnerConfig, ("checkpoint", "learner_cpu_affinity"))
    assert parser.format_help().count("default: empty)") == 2


def test_launch_strings_are_parsed_by_the_type_of_their_setting():
    strings = {"task": "can", "publish_clock": "True", "seed": "3", "camera_rate_hz": "20"}
    config = SimulationConfig(task="can", publish_clock=True, seed=3, camera_rate_hz=20.0)
    assert from_strings(SimulationConfig, strings) == config
    with pytest.raises(ConfigError, match="publish_clock is 'yes', expected true or false"):
        from_strings(SimulationConfig, {"publish_clock": "yes"})
    with pytest.raises(ConfigError, match="seed is 'x', expected a number"):
        from_strings(SimulationConfig, {"seed": "x"})
