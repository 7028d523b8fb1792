"""Encoding of camera images as video."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from dbp_ros.errors import EpisodeError
from dbp_ros.types import Image

PIXEL_FORMAT = "yuv420p"
# Every second frame is a keyframe, so that a reader which draws frames at random decodes two.
KEYFRAME_EVERY = 2
# The AV1 encoder prints its settings to stderr, and an error if it is closed after Ctrl-C; errors
# are also exceptions of PyAV.
os.environ.setdefault("SVT_LOG", "0")


@dataclass(frozen=True)
class VideoCodec:
    """A codec and its encoder; both are lossy.

    Attributes:
        name: Name of the codec in the metadata of LeRobot.
        encoder: Encoder of FFmpeg.
        crf: Default of the constant rate factor: more is smaller and worse.
        options: Other options of the encoder.
        even: Whether it needs an even height and width.
    """

    name: str
    encoder: str
    crf: int
    options: Mapping[str, str]
    even: bool

    @property
    def is_available(self) -> bool:
        """Whether this build of PyAV has the encoder."""
        try:
            av.codec.Codec(self.encoder, "w")
        except av.FFmpegError:
            return False
        return True


CODECS = {
    codec.name: codec
    for codec in (
        VideoCodec("av1", "libsvtav1", 30, {"preset": "10"}, even=False),
        VideoCodec("h264", "libx264", 23, {"preset": "fast"}, even=True),
    )
}


@dataclass(frozen=True)
class Encoding:
    """Settings of the encoding of videos.

    Attributes:
        codec: Codec.
        crf: Constant rate factor.
        rate_hz: Frames per second.
    """

    codec: VideoCodec
    crf: int
    rate_hz: Fraction


def find_codec(name: str) -> VideoCodec:
    """Return a codec; the first with an encoder for `auto`.

    Raises:
        EpisodeError: If this build of PyAV has no encoder for it.
    """
    wanted = list(CODECS.values()) if name == "auto" else [CODECS[name]]
    for codec in wanted:
        if codec.is_available:
            return codec
    encoders = " or ".join(codec.encoder for codec in wanted)
    raise EpisodeError(
        f"this build of PyAV {av.__version__} has no encoder {encoders}: store the images as png, "
        "or install the wheel of PyAV"
    )


class VideoWriter:
    """An mp4 file of one camera.

    Attributes:
        path: The file.
        frames: Number of images added.
        encoded_bytes: Size of the images that the encoder has returned.
    """

    def __init__(self, path: Path, encoding: Encoding, size: tuple[int, int]) -> None:
        """Create the file.

        Args:
            path: Where to write. The folder is created.
            encoding: How to encode.
            size: Height and width in pixels.

        Raises:
            EpisodeError: If the codec cannot encode images of this size.
        """
        height, width = size
        codec, rate_hz = encoding.codec, encoding.rate_hz
        if codec.even and (height % 2 or width % 2):
            raise EpisodeError(
                f"images of {width} x {height} pixels, but {codec.name} needs an even width and "
                "height: use another codec, or store the images as png"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.frames, self.encoded_bytes = path, 0, 0
        options = {**codec.options, "crf": str(encoding.crf), "g": str(KEYFRAME_EVERY)}
        self._container = av.open(str(path), "w", format="mp4")
        self._stream: Any = self._container.add_stream(codec.encoder, rate=rate_hz, options=options)
        self._stream.height, self._stream.width = height, width
        self._stream.pix_fmt = PIXEL_FORMAT
        self._period_s = 1 / rate_hz
        self._stream.codec_context.time_base = self._period_s

    def add(self, images: Image) -> None:
        """Append images of shape (frames, height, width, 3)."""
        for pixels in images:
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = self.frames, self._period_s
            self._mux(frame)
            self.frames += 1

    def close(self, complete: bool = True) -> None:
        """Close the file.

        Args:
            complete: Whether to write the frames that the encoder still holds.
        """
        if complete:
            self._mux(None)
        self._container.close()

    def _mux(self, frame: Any) -> None:
        try:
            for packet in self._stream.encode(frame):
                self.encoded_bytes += packet.size
                self._container.mux(packet)
        except av.FFmpegError as error:
            raise EpisodeError(
                f"{self.path.name} cannot be encoded ({error.strerror}): use another codec, or "
                "store the images as png"
            ) from error
