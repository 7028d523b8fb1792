"""Fields of settings dataclasses: description, range and choices, and how they are checked."""

from dataclasses import field, fields
from typing import Any

from dbp_ros.errors import ConfigError


def setting(
    default: Any,
    doc: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """Return a dataclass field with a description, and a closed range or the values allowed."""
    known = {"doc": doc, "minimum": minimum, "maximum": maximum, "choices": choices}
    return field(default=default, metadata=known)


def bounds(low: float | None, high: float | None) -> str:
    """Return a closed range in words; empty where there is none."""
    if low is not None and high is not None:
        return f"from {low} to {high}"
    return f"at least {low}" if low is not None else f"at most {high}" if high is not None else ""


def check_ranges(config: Any) -> None:
    """Raise `ConfigError` where a settings dataclass has a value outside its range or choices."""
    for item in fields(config):
        low, high = item.metadata.get("minimum"), item.metadata.get("maximum")
        value, choices = getattr(config, item.name), item.metadata.get("choices", ())
        if choices and value not in choices:
            raise ConfigError(f"{item.name} is {value!r}, expected one of {', '.join(choices)}")
        for number in value if isinstance(value, tuple) else (value,):
            if (low is not None and not number >= low) or (high is not None and not number <= high):
                raise ConfigError(
                    f"{item.name} = {number}, expected {bounds(low, high)}: {item.metadata['doc']}"
                )


def check_at_least(least: float, **numbers: float) -> None:
    """Raise `ConfigError` for a flag of a command line whose number is too small."""
    for name, number in numbers.items():
        if not number >= least:
            flag = name.replace("_", "-")
            raise ConfigError(f"--{flag} {number}, expected at least {least:g}")


def from_mapping(kind: type[Any], values: dict[str, Any]) -> Any:
    """Build a settings dataclass from plain values and check it.

    Args:
        kind: The dataclass.
        values: Settings by name; those absent keep their defaults.

    Raises:
        ConfigError: If a name is unknown or a number out of its range.
    """
    known = [item.name for item in fields(kind)]
    if unknown := sorted(set(values) - set(known)):
        raise ConfigError(
            f"{kind.__name__} has no {', '.join(unknown)}; its settings are {', '.join(known)}"
        )
    config = kind(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})
    check_ranges(config)
    return config
