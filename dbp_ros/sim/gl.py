"""Which OpenGL this machine has, decided before MuJoCo is imported.

MuJoCo reads `MUJOCO_GL` once, at its import, and PyOpenGL its platform likewise. Every module of
this folder that imports `mujoco` is reached through `dbp_ros.sim`, whose `__init__` imports this
module first.
"""

import ctypes
import os

from dbp_ros.errors import ConfigError

LIBRARIES = {"egl": ("libEGL.so.1", "libGL.so.1"), "osmesa": ("libOSMesa.so.8",)}
PACKAGES = {"egl": "libegl1 libgl1", "osmesa": "libosmesa6"}


def loadable(backend: str) -> bool:
    """Return whether the shared libraries of an OpenGL backend can be loaded."""
    try:
        for library in LIBRARIES[backend]:
            ctypes.CDLL(library)
    except OSError:
        return False
    return True


def choose() -> str:
    """Return `egl`, `osmesa` or `disable`, and tell MuJoCo through `MUJOCO_GL`.

    What the user has set is respected, and is an error where this machine cannot do it.

    Raises:
        ConfigError: If `MUJOCO_GL` names a backend whose libraries are missing.
    """
    asked = os.environ.get("MUJOCO_GL", "").strip().lower()
    if asked in LIBRARIES and not loadable(asked):
        raise ConfigError(
            f"MUJOCO_GL={asked}, but {' or '.join(LIBRARIES[asked])} cannot be loaded: "
            f"install {PACKAGES[asked]}, or unset MUJOCO_GL"
        )
    if asked:
        return asked
    found = next((backend for backend in LIBRARIES if loadable(backend)), "disable")
    os.environ["MUJOCO_GL"] = found
    return found


# The software rasteriser shall draw in the thread that asks: others would take the core that
# control needs, and small pictures take longer to hand over than to draw.
os.environ.setdefault("LP_NUM_THREADS", "0")
CHOSEN = choose()
