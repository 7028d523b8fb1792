"""What a rule finds."""

from dataclasses import dataclass

NOTE, WARNING, ERROR = 0, 1, 2
WORDS = ("note", "warning", "error")


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, or to be done.

    Attributes:
        level: NOTE, WARNING or ERROR.
        subject: Node, topic or controller that it is about.
        sentence: What is wrong.
        action: What to do; empty where the sentence says it.
    """

    level: int
    subject: str
    sentence: str
    action: str = ""


def listed(names: "tuple[str, ...] | list[str]", most: int = 8) -> str:
    """Return names separated by commas, not too many of them."""
    names = list(names)
    rest = len(names) - most
    shown = ", ".join(names[:most])
    return f"{shown} and {rest} more" if rest > 0 else shown
