"""Conversion of read errors of data sets to `EpisodeError`."""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from dbp_ros.errors import EpisodeError

# Errors of the libraries on damaged files, and of this package on unexpected metadata.
READ_ERRORS = (
    OSError,
    LookupError,
    AttributeError,
    ValueError,
    TypeError,
    RuntimeError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
)


@contextmanager
def error_context(origin: str) -> Iterator[None]:
    """Convert any read error inside the block to an `EpisodeError` that starts with the origin.

    Raises:
        EpisodeError: If anything inside cannot be read.
    """
    try:
        yield
    except EpisodeError as error:
        raise EpisodeError(f"{origin}: {error}") from error
    except READ_ERRORS as error:
        raise EpisodeError(
            f"{origin} cannot be read ({type(error).__name__}: {error}): copy or record it again"
        ) from error
