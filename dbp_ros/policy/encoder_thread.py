"""Thread that encodes images as they arrive, concurrently with the policy's steps."""

import threading
from collections.abc import Callable

from dbp_ros.types import Frame


class EncoderThread(threading.Thread):
    """Thread that encodes the newest image of each camera, one camera after the other.

    An image that is not encoded before the next one of its camera arrives is dropped and counted.

    Attributes:
        dropped: Number of images dropped.
        problems: Why the newest image of a camera could not be encoded, by camera; only of
            cameras that fail.
    """

    def __init__(
        self,
        encode: Callable[[str, Frame, int], None],
        on_encoded: Callable[["EncoderThread"], None] | None = None,
    ) -> None:
        """Prepare the thread; `start` runs it.

        Args:
            encode: Called in this thread with camera name, image and arrival time in [ns].
            on_encoded: Called in this thread after each encoded image.
        """
        super().__init__(name="encoder", daemon=True)
        self.dropped = 0
        self.problems: dict[str, str] = {}
        self._encode, self._on_encoded = encode, on_encoded
        self._queued: dict[str, tuple[Frame, int]] = {}
        self._wake = threading.Condition()
        self._stopping = False

    @property
    def problem(self) -> str:
        """Content of `problems` as text; empty if there are none."""
        problems = tuple(self.problems.items())
        return "; ".join(f"{camera} cannot be encoded: {reason}" for camera, reason in problems)

    def submit_image(self, camera: str, frame: Frame, arrival_ns: int) -> None:
        """Queue an image, in place of an older one of the same camera."""
        with self._wake:
            self.dropped += camera in self._queued
            self._queued[camera] = (frame, arrival_ns)
            self._wake.notify()

    def run(self) -> None:
        """Encode images until `stop`."""
        while (item := self._next()) is not None:
            camera = item[0]
            try:
                self._encode(*item)
                self.problems.pop(camera, None)
                if self._on_encoded is not None:
                    self._on_encoded(self)
            except Exception as error:
                self.problems[camera] = str(error)

    def stop(self) -> None:
        """End the thread after the current image."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self.is_alive():
            self.join(timeout=2.0)

    def _next(self) -> tuple[str, Frame, int] | None:
        with self._wake:
            self._wake.wait_for(lambda: self._queued or self._stopping)
            if self._stopping:
                return None
            camera = next(iter(self._queued))
            frame, arrival_ns = self._queued.pop(camera)
            return camera, frame, arrival_ns
