"""Buttons of a gamepad or pedal."""

from collections.abc import Sequence


class PressedButtons:
    """Detection of buttons that change from released to pressed.

    Buttons that are pressed in the first message do not count.
    """

    def __init__(self) -> None:
        self._previous: tuple[int, ...] | None = None

    def update(self, buttons: Sequence[int]) -> list[int]:
        """Return the numbers of the buttons that were pressed since the last message."""
        previous, self._previous = self._previous, tuple(buttons)
        if previous is None or len(previous) != len(buttons):
            return []
        pairs = enumerate(zip(previous, buttons, strict=True))
        return [number for number, (before, now) in pairs if now and not before]
