"""Patterns of joint names, as of the joints that move a camera."""

from collections.abc import Sequence
from fnmatch import fnmatchcase


def match_joints(joints: Sequence[str], patterns: str) -> list[str]:
    """Return the joints that match a comma-separated pattern and none that begins with `!`."""
    listed = [pattern.strip() for pattern in patterns.split(",")]
    included = [pattern for pattern in listed if not pattern.startswith("!")]
    excluded = [pattern[1:] for pattern in listed if pattern.startswith("!")]
    return [joint for joint in joints if _any(joint, included) and not _any(joint, excluded)]


def _any(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
