"""Findings of the diagnosis rules."""

from dataclasses import dataclass

NOTE, WARNING, ERROR = 0, 1, 2
LEVEL_NAMES = ("note", "warning", "error")


@dataclass(frozen=True)
class Finding:
    """A fault or a note, with its remedy.

    Attributes:
        level: NOTE, WARNING or ERROR.
        subject: Node, topic or controller.
        sentence: Description of the fault.
        action: Remedy; empty if the sentence contains it.
    """

    level: int
    subject: str
    sentence: str
    action: str = ""


def listed(names: "tuple[str, ...] | list[str]", limit: int = 8) -> str:
    """Return names separated by commas, at most `limit` of them."""
    names = list(names)
    rest = len(names) - limit
    shown = ", ".join(names[:limit])
    return f"{shown} and {rest} more" if rest > 0 else shown


def several_publishers(topic: str, names: list[str]) -> Finding:
    """Return the finding for a topic that must have one publisher."""
    return Finding(ERROR, topic, f"several publishers: {listed(names)}", "end all but one")
