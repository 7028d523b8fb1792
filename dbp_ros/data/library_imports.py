"""Conversion of failed imports of the libraries of a data format to `EpisodeError`."""

import io
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from importlib.metadata import packages_distributions
from types import TracebackType

import numpy as np

from dbp_ros.errors import EpisodeError
from dbp_ros.extras import install_hint

PACKAGE = "dbp_ros"
# Errors of an extension module that was built for another version of NumPy.
IMPORT_ERRORS = (ImportError, AttributeError, ValueError, RuntimeError)
MODULE_BODY = "<module>"


@contextmanager
def library_imports(purpose: str) -> Iterator[None]:
    """Convert a failed import inside the block to an `EpisodeError` with the fix.

    NumPy prints a page of advice about an incompatible extension module; it is dropped if the
    import fails.

    Args:
        purpose: What the libraries are for, as `reading LeRobot`, for the message.

    Raises:
        EpisodeError: If a library is not installed, or cannot be imported.
    """
    printed = io.StringIO()
    try:
        with redirect_stderr(printed):
            yield
    except IMPORT_ERRORS as error:
        library = _library(error)
        if not library:
            raise
        printed = io.StringIO()
        raise EpisodeError(f"{purpose} needs {library}") from error
    finally:
        sys.stderr.write(printed.getvalue())


def _library(error: Exception) -> str:
    """Return the library whose import failed, with the fix; empty if no import failed."""
    if isinstance(error, ModuleNotFoundError):
        library = (error.name or PACKAGE).partition(".")[0]
        return "" if library == PACKAGE else f"{library}; {install_hint(library)}"
    library = _imported_library(error.__traceback__)
    if not library:
        return ""
    distribution = packages_distributions().get(library, [library])[0]
    reason = str(error).partition("\n")[0]
    return (
        f"{library}, which cannot be imported with NumPy {np.__version__} "
        f"({type(error).__name__}: {reason}): pip install --upgrade {distribution} numpy"
    )


def _imported_library(raised: TracebackType | None) -> str:
    """Return the first library outside this package whose import a traceback passes through."""
    frames = [frame for frame, _ in traceback.walk_tb(raised)]
    bodies = [frame for frame in frames if frame.f_code.co_name == MODULE_BODY]
    modules = [str(frame.f_globals.get("__name__")) for frame in bodies]
    tops = [module.partition(".")[0] for module in modules]
    return next((top for top in tops if top not in (PACKAGE, "__main__")), "")
