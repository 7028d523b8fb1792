"""Code of the user: modules and objects named on the command line, and the errors they raise."""

import os
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from dbp_ros.errors import DbpError, EnvError

# Folders of code that the user does not edit.
FOREIGN = (
    Path(__file__).resolve().parents[1],
    *(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib")),
)


@contextmanager
def user_code(what: str) -> Iterator[None]:
    """Report an exception of the user's code in this block in one sentence.

    Args:
        what: What the block calls, for the message.

    Raises:
        EnvError: With the exception, its file and its line.
    """
    try:
        yield
    except DbpError:
        raise
    except Exception as error:
        raise EnvError(f"{what} raised {described(error)}") from error


def described(error: Exception) -> str:
    """Return type, message and location of an exception, on one line."""
    kind = type(error).__name__
    if isinstance(error, SyntaxError):
        return f"{kind}: {error.msg} ({error.filename}:{error.lineno})"
    message = " ".join(str(error).split())
    frames = [one for one in traceback.extract_tb(error.__traceback__) if one.filename[:1] != "<"]
    own = [frame for frame in frames if not _is_foreign(Path(frame.filename))]
    # An installed environment is foreign code; what calls it is this package.
    outside = [f for f in frames if not Path(f.filename).resolve().is_relative_to(FOREIGN[0])]
    if not (located := own or outside):
        return f"{kind}: {message}"
    return f"{kind}: {message} ({located[-1].filename}:{located[-1].lineno})"


def _is_foreign(file: Path) -> bool:
    return any(file.resolve().is_relative_to(folder) for folder in FOREIGN)


def import_user_module(name: str, flag: str) -> ModuleType:
    """Import a module with the working directory in the search path, as `python -m` does.

    Args:
        name: Name of the module.
        flag: Flag and value of the command line, for messages.

    Raises:
        EnvError: If there is no such module, or it raises.
    """
    folder = str(Path.cwd())
    if name.endswith(".py") or not all(part.isidentifier() for part in name.split(".")):
        raise EnvError(
            f"{flag}: '{name}' is not the name of a module: give one like point_env for the file "
            "point_env.py"
        )
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        with user_code(f"{flag}: module {name}"):
            return import_module(name)
    except EnvError as error:
        missing = error.__cause__
        absent = missing.name if isinstance(missing, ModuleNotFoundError) else None
        if absent is None or not f"{name}.".startswith(f"{absent}."):
            raise
        file = name.replace(".", os.sep)
        raise EnvError(
            f"{flag}: there is no module '{absent}', expected {file}.py in {folder} or a package "
            "that is installed: run dbp in the folder of the module, or set PYTHONPATH"
        ) from missing


def load_object(reference: str, flag: str) -> Any:
    """Return the object that `module:name` refers to.

    Args:
        reference: Module and name.
        flag: Its flag, for messages.

    Raises:
        EnvError: If the module or the object does not exist, or the module raises.
    """
    name, colon, attribute = reference.partition(":")
    if not (name and colon and attribute):
        raise EnvError(f"{flag} {reference}: expected MODULE:NAME, such as point_env:expert")
    module = import_user_module(name, f"{flag} {reference}")
    if not hasattr(module, attribute):
        raise EnvError(
            f"{flag} {reference}: {module.__file__} has no '{attribute}', it defines "
            f"{', '.join(public_names(module)) or 'nothing'}"
        )
    return getattr(module, attribute)


def public_names(module: ModuleType) -> list[str]:
    """Return the names of the functions and classes that a module defines."""
    return sorted(
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    )
