"""Detection of frozen images: a driver that repeats one image with new stamps.

A camera in a still scene may send the same image twice, so an unchanged image is suspicious only if
joints move. The setting `camera_joints` lists the joints that must change an image. For a camera
that is not listed, the detector estimates whether consecutive images of a still scene differ. They
differ with sensor noise, and are equal in a simulator without noise.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from dbp_ros.types import Floats, Image, Indices

# A joint is at rest within these shares of `image_frozen_motion`: while images of a still scene are
# compared, and while a robot holds its position.
STILL, REST = 0.01, 0.1
# Number of consecutive images that must differ, at rest or in every tile, to show noise.
NOISY_IMAGES = 15
# Multiple of that number, in motion, after a long run of equal images: the camera may move.
MOTION_FACTOR = 10
TILES = 8
# An unchanged image that is not refused is reported after this multiple of `image_frozen_after_s`.
REPORT_AFTER = 10


class NoiseEvidence:
    """Evidence whether consecutive images of a still scene differ.

    Attributes:
        noisy: Whether they differ; None if unknown.
    """

    def __init__(self, motion: float) -> None:
        """Start without evidence.

        Args:
            motion: Largest motion of a joint in a still scene, in [rad] or [m].
        """
        self.noisy: bool | None = None
        self._motion = motion
        self._start: Floats | None = None
        self._at_rest = self._everywhere = 0

    def add_equal(self) -> None:
        """Add an image equal to the previous one."""
        self._at_rest = self._everywhere = 0

    def add_after_run(self) -> None:
        """Add an image that differs after a long run of equal ones.

        Either the scene was still, or the driver has recovered. A noisy camera becomes
        unknown; any other camera is classified as without noise.
        """
        self.noisy = None if self.noisy else False
        self.add_equal()

    def add_different(self, image: Image, before: Image, positions: Floats) -> None:
        """Add an image that differs from the previous one.

        At rest only noise changes an image. In motion every tile of the image changes only with
        noise, or if the camera moves.
        """
        if self.noisy:
            return
        if self._start is None or np.abs(positions - self._start).max() > self._motion:
            self._start, self._at_rest = positions, 0
        self._at_rest += 1
        self._everywhere = self._everywhere + 1 if _differs_everywhere(image, before) else 0
        in_motion = NOISY_IMAGES * (1 if self.noisy is None else MOTION_FACTOR)
        self.noisy = self._at_rest >= NOISY_IMAGES or self._everywhere >= in_motion or self.noisy


def _differs_everywhere(image: Image, before: Image) -> bool:
    """Return whether every tile of two images differs."""
    if image.shape != before.shape:
        return False
    return not any(
        np.array_equal(image[rows, columns], before[rows, columns])
        for rows in _tiles(image.shape[0])
        for columns in _tiles(image.shape[1])
    )


def _tiles(size: int) -> Iterator[slice]:
    edges = [size * k // TILES for k in range(TILES + 1)]
    return (slice(start, end) for start, end in pairwise(edges) if start < end)


class FrozenImageDetector:
    """Detector of a camera that repeats one image while joints move.

    A refusal ends with the next image that differs. It also ends, for a retry, when the arms have
    been at rest for a pause: the same image is refused again when a joint has moved by `motion`.
    The pause doubles each time, up to a limit. A camera that may see a still scene and is not known
    to be noisy is refused once, then only reported.

    Attributes:
        frozen: Whether the image must not be used.
        suspect: Whether the image is unchanged although joints moved.
        refusals: Number of times that `frozen` became true.
    """

    def __init__(
        self, joints: Indices, mounted: bool, after_ns: int, motion: float, longest_pause_ns: int
    ) -> None:
        """Start without an image.

        Args:
            joints: Indices of the joints whose motion changes the image; none to disable the check.
            mounted: Whether their motion always changes it, as with a camera on an arm.
            after_ns: Longest time for which an image may be unchanged.
            motion: Motion of a joint that must change the image, in [rad] or [m].
            longest_pause_ns: Longest pause before a retry.
        """
        self.frozen = self.suspect = False
        self.refusals = 0
        self._joints, self._mounted, self._motion = joints, mounted, motion
        self._after_ns, self._longest_pause_ns = after_ns, longest_pause_ns
        self._evidence = NoiseEvidence(STILL * motion)
        # Reference image, its arrival, and the positions from which motion counts.
        self._image: Image | None = None
        self._since_ns, self._from = 0, np.zeros(0, np.float32)
        # While frozen: start and positions of the rest of the arms, and its required duration.
        self._rest_since_ns, self._rest_at = 0, self._from
        self._pause_ns = after_ns

    def add_image(self, image: Image, positions: Floats, now_ns: int) -> None:
        """Compare an image with the previous one.

        Args:
            image: Pixels. Referenced until a different image arrives: do not write.
            positions: Joint positions at its arrival, in [rad] and [m]. Shape (nu,).
            now_ns: Arrival time.
        """
        if not self._joints.size:
            return
        if self._image is not None and np.array_equal(image, self._image):
            self._add_equal(positions, now_ns)
            return
        if self._image is not None and not self._mounted:
            if now_ns - self._since_ns > self._after_ns:
                self._evidence.add_after_run()
            else:
                self._evidence.add_different(image, self._image, positions)
        self._image, self._since_ns, self._from = image, now_ns, positions
        self._pause_ns = self._after_ns
        self.frozen = self.suspect = False

    def _add_equal(self, positions: Floats, now_ns: int) -> None:
        self._evidence.add_equal()
        unchanged_ns = now_ns - self._since_ns
        if self.frozen:
            self._end_after_rest(positions, now_ns)
        elif unchanged_ns > self._after_ns and self._moved(positions, self._from) > self._motion:
            if self._mounted or self._evidence.noisy is not False:
                self.frozen, self.refusals = True, self.refusals + 1
                self._rest_since_ns, self._rest_at = now_ns, positions
            self.suspect |= self.frozen or unchanged_ns > REPORT_AFTER * self._after_ns

    def _end_after_rest(self, positions: Floats, now_ns: int) -> None:
        if self._moved(positions, self._rest_at) > REST * self._motion:
            self._rest_since_ns, self._rest_at = now_ns, positions
        elif now_ns - self._rest_since_ns > self._pause_ns:
            self.frozen, self._from = False, positions
            self._pause_ns = min(2 * self._pause_ns, self._longest_pause_ns)
            if self._evidence.noisy is None:
                self._evidence.noisy = False

    def _moved(self, positions: Floats, since: Floats) -> float:
        return float(np.abs(positions - since)[self._joints].max(initial=0.0))
