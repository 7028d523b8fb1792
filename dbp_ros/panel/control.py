"""Which browser controls the page, and whether it drives the arms."""

import threading
from dataclasses import dataclass

# The arms come to rest while the browser that drives them has not responded for this long.
RESPONSE_S = 0.4
# After this time its driving ends: its inputs are too late. A busy computer also delays responses.
LOST_S = 1.0


@dataclass(frozen=True)
class Browser:
    """Connected browser.

    Attributes:
        number: Number of the connection.
        address: Its IP address.
    """

    number: int
    address: str

    def __str__(self) -> str:
        """Return number and address as text."""
        return f"browser {self.number} ({self.address})"


class PageControl:
    """Control of the page: one browser has it, the others watch. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._browsers: dict[int, Browser] = {}
        self._holder: int | None = None
        self._drives = False
        self._responded_s = 0.0

    @property
    def holder(self) -> Browser | None:
        """The browser that has control."""
        with self._lock:
            return None if self._holder is None else self._browsers[self._holder]

    @property
    def browsers(self) -> int:
        """Number of connected browsers."""
        return len(self._browsers)

    @property
    def driver(self) -> int | None:
        """Number of the browser that drives the arms; None without one."""
        with self._lock:
            return self._holder if self._drives else None

    def join(self, number: int, address: str) -> None:
        """Add a browser; it gets control if it is the only one."""
        with self._lock:
            self._browsers[number] = Browser(number, address)
            if len(self._browsers) == 1:
                self._set_holder(number)

    def leave(self, number: int) -> bool:
        """Remove a browser; return whether it drove the arms.

        Control does not pass on by itself: a browser takes it.
        """
        with self._lock:
            self._browsers.pop(number, None)
            if self._holder != number:
                return False
            drove = self._drives
            self._set_holder(None)
            return drove

    def take(self, number: int) -> None:
        """Give control to a browser."""
        with self._lock:
            if number in self._browsers and number != self._holder:
                self._set_holder(number)

    def may_act(self, number: int) -> bool:
        """Return whether a browser has control."""
        return self._holder == number

    def begin_driving(self, number: int, now_s: float) -> None:
        """Note that the browser with control drives the arms; ignored for others."""
        with self._lock:
            if self._holder == number:
                self._drives, self._responded_s = True, now_s

    def end_driving(self) -> None:
        """Note that no browser drives the arms."""
        with self._lock:
            self._drives = False

    def end_lost_driving(self, now_s: float) -> bool:
        """End driving by a browser that has not responded for `LOST_S`; return whether it drove."""
        with self._lock:
            lost = self._drives and self._is_lost(now_s)
            self._drives = self._drives and not lost
            return lost

    def responded(self, number: int, now_s: float) -> bool:
        """Note an input or response of a browser; return whether it drives the arms.

        Inputs during a loss of the connection arrive after it, and do not count.
        """
        with self._lock:
            drives = self._drives and self._holder == number and not self._is_lost(now_s)
            if drives:
                self._responded_s = now_s
            return drives

    def is_driving(self, now_s: float) -> bool:
        """Return whether a browser drives the arms and has responded recently."""
        with self._lock:
            return self._drives and now_s - self._responded_s <= RESPONSE_S

    def sentence(self, number: int) -> str:
        """Return which browser has control, for a browser."""
        holder, count = self.holder, self.browsers
        watching = max(0, count - (holder is not None))
        watchers = f"; {watching} watch" if watching else ""
        if holder is None:
            return "no browser has control: take it to act"
        if holder.number == number:
            return f"you, {holder}, have control{watchers}"
        return f"{holder} has control, you watch"

    def _is_lost(self, now_s: float) -> bool:
        return now_s - self._responded_s > LOST_S

    def _set_holder(self, number: int | None) -> None:
        self._holder, self._drives = number, False
