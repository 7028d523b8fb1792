"""Detection of frozen images: a driver that re-stamps one image passes every test of its age.

A camera in a still scene may send the same image twice, so only motion makes an unchanged image
suspicious. Which joints must change an image is the setting `camera_joints`. For a camera that is
not listed there, the detector finds out whether the images of a still scene differ from one
another, as sensor noise makes them, or not, as in a simulator without noise.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from dbp_ros.types import Floats, Image, Indices

# Shares of `image_frozen_motion` that a joint may move and still count as at rest: while the images
# of a still scene are compared, and while a robot holds its position.
STILL, REST = 0.01, 0.1
# So many images in sequence must differ, at rest or in every tile, to show that a camera has noise.
NOISY_IMAGES = 15
# In motion so many times more of a camera that has sent the same image for long: it may move.
DOUBT = 10
TILES = 8
# An unchanged image that is not refused is reported after so many times `image_frozen_after_s`.
REPORT_AFTER = 10


class NoiseEvidence:
    """Evidence whether the images of a still scene differ from one another.

    Attributes:
        noisy: Whether they do; None while that is not known.
    """

    def __init__(self, motion: float) -> None:
        """Prepare for one camera.

        Args:
            motion: How far a joint may move in a still scene, in [rad] or [m].
        """
        self.noisy: bool | None = None
        self._motion = motion
        self._start: Floats | None = None
        self._at_rest = self._everywhere = 0

    def repeat(self) -> None:
        """Take in an image equal to the one before."""
        self._at_rest = self._everywhere = 0

    def resume(self) -> None:
        """Take in an image that differs after a long run of equal ones.

        Either the scene was still, or the driver has recovered: a camera that had shown noise must
        show it again before it counts as one without.
        """
        self.noisy = None if self.noisy else False
        self.repeat()

    def differ(self, image: Image, before: Image, positions: Floats) -> None:
        """Take in an image that differs from the one before.

        At rest nothing but noise changes an image. In motion a camera that stands still sees only
        a part of the image change, unless there is noise.
        """
        if self.noisy:
            return
        if self._start is None or np.abs(positions - self._start).max() > self._motion:
            self._start, self._at_rest = positions, 0
        self._at_rest += 1
        self._everywhere = self._everywhere + 1 if _differs_everywhere(image, before) else 0
        in_motion = NOISY_IMAGES * (1 if self.noisy is None else DOUBT)
        self.noisy = self._at_rest >= NOISY_IMAGES or self._everywhere >= in_motion or self.noisy


def _differs_everywhere(image: Image, before: Image) -> bool:
    """Return whether each tile of an image differs from that of another."""
    if image.shape != before.shape:
        return False
    return not any(
        np.array_equal(image[rows, columns], before[rows, columns])
        for rows in _parts(image.shape[0])
        for columns in _parts(image.shape[1])
    )


def _parts(size: int) -> Iterator[slice]:
    edges = [size * k // TILES for k in range(TILES + 1)]
    return (slice(start, end) for start, end in pairwise(edges) if start < end)


class FrozenImage:
    """Detector of a camera that repeats one image while joints move that should change it.

    A refusal ends with the next image that differs. It also ends for a try, once the arms have
    been at rest for a pause: then the same image is refused again as soon as a joint has moved by
    `motion`. Each pause is twice as long as the one before, up to a limit. A camera that may see a
    still scene and has not shown noise is refused once, and from then on only reported.

    Attributes:
        frozen: Whether the image must not be used.
        suspect: Whether the image has stayed the same although joints moved.
        refusals: How often `frozen` became true.
    """

    def __init__(
        self, joints: Indices, mounted: bool, after_ns: int, motion: float, longest_pause_ns: int
    ) -> None:
        """Prepare for one camera.

        Args:
            joints: Indices of the joints whose motion changes the image; none to check nothing.
            mounted: Whether their motion always changes it, as on a camera that an arm carries.
            after_ns: How long an image may stay the same.
            motion: How far a joint must have moved since it last changed, in [rad] or [m].
            longest_pause_ns: Limit of the pause before a try.
        """
        self.frozen = self.suspect = False
        self.refusals = 0
        self._joints, self._mounted, self._motion = joints, mounted, motion
        self._after_ns, self._longest_pause_ns = after_ns, longest_pause_ns
        self._evidence = NoiseEvidence(STILL * motion)
        # The image that is compared with, when it was first seen, and from where motion counts.
        self._image: Image | None = None
        self._since_ns, self._from = 0, np.zeros(0, np.float32)
        # While frozen: since when the arms are at rest, where, and for how long they must be.
        self._rest_since_ns, self._rest_at = 0, self._from
        self._pause_ns = after_ns

    def see(self, image: Image, positions: Floats, now_ns: int) -> None:
        """Compare an image with the one before.

        Args:
            image: Pixels. Kept until another one differs: do not write.
            positions: Of all joints when it arrived, in [rad] and [m]. Shape (nu,).
            now_ns: When it arrived.
        """
        if not self._joints.size:
            return
        if self._image is not None and np.array_equal(image, self._image):
            self._repeat(positions, now_ns)
            return
        if self._image is not None and not self._mounted:
            if now_ns - self._since_ns > self._after_ns:
                self._evidence.resume()
            else:
                self._evidence.differ(image, self._image, positions)
        self._image, self._since_ns, self._from = image, now_ns, positions
        self._pause_ns = self._after_ns
        self.frozen = self.suspect = False

    def _repeat(self, positions: Floats, now_ns: int) -> None:
        self._evidence.repeat()
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
