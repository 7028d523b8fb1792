"""Error context of damaged data sets."""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from dbp_ros.errors import EpisodeError

# Errors of the libraries on damaged files, and of this package on unexpected metadata.
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
def error_context(origin: str) -> Iterator[None]:
    """Turn any read error inside the block into an `EpisodeError` that starts with the origin.

    Raises:
        EpisodeError: If anything inside cannot be read.
    """
    try:
        yield
    except EpisodeError as error:
        raise EpisodeError(f"{origin}: {error}") from error
    except DAMAGE as error:
        raise EpisodeError(
            f"{origin} cannot be read ({type(error).__name__}: {error}): copy or record it again"
        ) from error
