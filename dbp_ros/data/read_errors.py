"""What goes wrong while reading, told with the place where it went wrong."""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from dbp_ros.errors import EpisodeError

# What libraries raise on damaged files, and we on metadata of another shape.
DAMAGE = (
    OSError,
    KeyError,
    AttributeError,
    ValueError,
    TypeError,
    RuntimeError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
)


@contextmanager
def locate_errors(place: str) -> Iterator[None]:
    """Turn what goes wrong inside into an error of ours that begins with the place.

    Raises:
        EpisodeError: If anything inside cannot be read.
    """
    try:
        yield
    except EpisodeError as error:
        raise EpisodeError(f"{place}: {error}") from error
    except DAMAGE as error:
        raise EpisodeError(
            f"{place} cannot be read ({type(error).__name__}: {error}): copy or record it again"
        ) from error
