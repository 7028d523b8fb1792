"""Flags of an environment, shared by the verbs that take `--env`."""

import argparse

from dbp_ros.envs.registry import EnvSpec
from dbp_ros.errors import ConfigError
from dbp_ros.settings.environment import EnvConfig
from dbp_ros.settings.fields import Settings
from dbp_ros.settings.flags import add_settings, flags_of, settings_from


def add_env_flags(parser: argparse.ArgumentParser) -> None:
    """Add a flag for every setting of an environment of gymnasium."""
    group = parser.add_argument_group(
        "environments of gymnasium", "what the environment of --env does not define itself"
    )
    add_settings(group, EnvConfig)


def refuse_flags(config: Settings, reason: str) -> None:
    """Refuse settings that differ from their defaults.

    Args:
        config: Settings that have no effect in this command.
        reason: Why, for the message.

    Raises:
        ConfigError: With the first flag.
    """
    if flags := flags_of(config):
        raise ConfigError(f"{flags[0]} {reason}: leave it out")


def env_spec_from(arguments: argparse.Namespace) -> EnvSpec:
    """Return the specification of the environment of a command line.

    Raises:
        ConfigError: If a value is out of range.
    """
    return EnvSpec(arguments.env, config=settings_from(EnvConfig, arguments))
