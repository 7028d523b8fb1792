"""Choice of MuJoCo's OpenGL backend, made before MuJoCo is imported.

MuJoCo reads `MUJOCO_GL` once, at its import, and PyOpenGL its platform likewise. The `__init__` of
`dbp_ros.sim` imports this module before any module that imports `mujoco`.
"""

import ctypes
import os
from typing import Protocol

from dbp_ros.errors import ConfigError

LIBRARIES = {"egl": ("libEGL.so.1", "libGL.so.1"), "osmesa": ("libOSMesa.so.8",)}
PACKAGES = {"egl": "libegl1 libgl1", "osmesa": "libosmesa6"}


class GLContext(Protocol):
    """An off-screen OpenGL context of MuJoCo."""

    def make_current(self) -> None:
        """Make it the context of this thread."""

    def free(self) -> None:
        """Free it."""


def loadable(backend: str) -> bool:
    """Return whether the shared libraries of an OpenGL backend can be loaded."""
    try:
        for library in LIBRARIES[backend]:
            ctypes.CDLL(library)
    except OSError:
        return False
    return True


def make_context(backend: str, width: int, height: int) -> GLContext:
    """Return a new context of `egl` or `osmesa`, for images of a size in [px].

    Raises:
        ImportError: If a library of the backend is missing, or PyOpenGL uses another platform.
        RuntimeError: If the driver cannot create a context.
    """
    if not loadable(backend):
        raise ImportError(f"{' or '.join(LIBRARIES[backend])} cannot be loaded")
    if backend == "egl":
        from mujoco.egl import GLContext as Context
    else:
        from mujoco.osmesa import GLContext as Context
    context: GLContext = Context(width, height)
    return context


def select_backend() -> str:
    """Return `egl`, `osmesa` or `disable`, and set `MUJOCO_GL` unless the user has set it.

    Raises:
        ConfigError: If `MUJOCO_GL` names a backend whose libraries are missing.
    """
    selected = os.environ.get("MUJOCO_GL", "").strip().lower()
    if selected in LIBRARIES and not loadable(selected):
        raise ConfigError(
            f"MUJOCO_GL={selected}, but {' or '.join(LIBRARIES[selected])} cannot be loaded: "
            f"install {PACKAGES[selected]}, or unset MUJOCO_GL"
        )
    if selected:
        return selected
    found = next((backend for backend in LIBRARIES if loadable(backend)), "disable")
    os.environ["MUJOCO_GL"] = found
    return found


# The software rasteriser renders in the calling thread: more threads would load the cores of the
# control loop, and small images take longer to distribute than to render.
os.environ.setdefault("LP_NUM_THREADS", "0")
BACKEND = select_backend()
