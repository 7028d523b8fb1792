"""Single keys from a terminal."""

import os
import select
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

# Longest sequence of one key, such as an arrow.
MAX_BYTES = 32


@contextmanager
def pressed_keys(stream: TextIO = sys.stdin) -> Iterator[Callable[[float], str]]:
    """Read single keys within the block, without echo; Ctrl-C still interrupts.

    Args:
        stream: Standard input.

    Yields:
        A function that waits for at most some seconds and returns the pressed keys, see `split`;
        empty if there is none, or if the stream is not a terminal.
    """
    if not stream.isatty():
        yield _no_key
        return
    descriptor = stream.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield lambda limit_s: _read(descriptor, limit_s)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def split(text: str) -> list[str]:
    """Return the keys that were read together; the rest after an escape is one special key."""
    start = text.find("\x1b")
    return list(text) if start < 0 else [*text[:start], text[start:]]


def _no_key(limit_s: float) -> str:
    select.select([], [], [], limit_s)
    return ""


def _read(descriptor: int, limit_s: float) -> str:
    readable, _, _ = select.select([descriptor], [], [], limit_s)
    if not readable:
        return ""
    # One read returns all bytes of a special key, so that they do not count as several keys.
    return os.read(descriptor, MAX_BYTES).decode(errors="replace")
