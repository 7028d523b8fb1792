"""Encodes pictures as they arrive, beside the thread that decides."""

import threading
from collections.abc import Callable

from dbp_ros.types import Frame


class EncoderThread(threading.Thread):
    """Hands the newest picture of each camera to a function, one after the other.

    A picture that is overtaken by a newer one of its camera is dropped and counted: an old
    picture is worth nothing to a controller. One that cannot be encoded is as good as lost.

    Attributes:
        dropped: How many pictures were overtaken.
        problems: Why the newest picture of a camera could not be encoded, by its name; without
            those that could.
    """

    def __init__(self, encode: Callable[[str, Frame, int], None]) -> None:
        """Prepare the thread; `start` runs it.

        Args:
            encode: Called with the camera's name, the picture and its arrival in [ns].
        """
        super().__init__(name="encoder", daemon=True)
        self.dropped = 0
        self.problems: dict[str, str] = {}
        self._encode = encode
        self._waiting: dict[str, tuple[Frame, int]] = {}
        self._wake = threading.Condition()
        self._stopping = False

    @property
    def problem(self) -> str:
        """What is in `problems`, in words; empty where that is."""
        problems = tuple(self.problems.items())
        return "; ".join(f"{camera} cannot be encoded: {reason}" for camera, reason in problems)

    def put(self, camera: str, frame: Frame, arrival_ns: int) -> None:
        """Leave a picture to be encoded."""
        with self._wake:
            self.dropped += camera in self._waiting
            self._waiting[camera] = (frame, arrival_ns)
            self._wake.notify()

    def run(self) -> None:
        """Encode pictures until `stop`."""
        while (item := self._take()) is not None:
            camera = item[0]
            try:
                self._encode(*item)
                self.problems.pop(camera, None)
            except Exception as error:
                self.problems[camera] = str(error)
        # Whoever encodes holds this thread: let go, the garbage collector is off.
        del self._encode

    def stop(self) -> None:
        """End the thread after the picture at hand."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self.is_alive():
            self.join(timeout=2.0)

    def _take(self) -> tuple[str, Frame, int] | None:
        with self._wake:
            self._wake.wait_for(lambda: self._waiting or self._stopping)
            if self._stopping:
                return None
            camera = next(iter(self._waiting))
            frame, arrival_ns = self._waiting.pop(camera)
            return camera, frame, arrival_ns
