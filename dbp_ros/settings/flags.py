"""Settings as flags of a command line."""

from dbp_ros.errors import ConfigError


def check_at_least(least: float, **numbers: float) -> None:
    """Raise `ConfigError` for a flag of a command line whose number is too small."""
    for name, number in numbers.items():
        if not number >= least:
            flag = name.replace("_", "-")
            raise ConfigError(f"--{flag} {number}, expected at least {least:g}")
