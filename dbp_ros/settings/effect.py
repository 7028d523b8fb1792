"""Check that settings have an effect on the selected method."""

from collections.abc import Collection, Mapping

from dbp_ros.errors import ConfigError
from dbp_ros.settings.fields import Settings


def require_effect(
    config: Settings,
    method: str,
    used_by: Mapping[str, Collection[str]],
    names: Collection[str] | None = None,
) -> None:
    """Check that a method uses each setting that is not at its default.

    Args:
        config: The settings.
        method: The selected method.
        used_by: Methods that use a setting, by its name. All methods use the other settings.
        names: Settings to check, such as those of a command line; None for all.

    Raises:
        ConfigError: With the methods that use the setting.
    """
    default = type(config)()
    for name, methods in used_by.items():
        value = getattr(config, name)
        if names is not None and name not in names:
            continue
        if value != getattr(default, name) and method not in methods:
            raise ConfigError(
                f"{name} = {value} has no effect on {method}, only on {' and '.join(methods)}"
            )
