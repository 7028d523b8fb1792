"""Cameras that always work: OpenGL where there is one, ray casting where there is none."""

import importlib
from typing import Protocol

import mujoco
import numpy as np

from dbp_ros.errors import ConfigError
from dbp_ros.sim import gl
from dbp_ros.sim.raycast import RayCaster
from dbp_ros.sim.simulation import Snapshot, pose
from dbp_ros.types import Image

GL_BACKENDS = ("egl", "osmesa")
BACKENDS = ("auto", *GL_BACKENDS, "raycast")


class Renderer(Protocol):
    """Draws pictures of a posed scene."""

    def render(self, data: mujoco.MjData, name: str) -> Image:
        """Return the picture of a camera."""

    def close(self) -> None:
        """Free what is held."""


class CameraRig:
    """Some cameras of a scene and what draws their pictures.

    It belongs to the thread that opened it: an OpenGL context is current in one thread only. To
    draw from another thread than the one that steps the physics, open the rig in the drawing
    thread and hand it snapshots.

    Attributes:
        backend: What draws: `egl`, `osmesa` or `raycast`.
        names: Names of the cameras, in the order of `render`.
    """

    def __init__(
        self, backend: str, names: tuple[str, ...], renderer: Renderer, model: mujoco.MjModel
    ) -> None:
        """Take over a renderer; use `open_cameras` to get one."""
        self.backend = backend
        self.names = names
        self._renderer = renderer
        self._model = model
        self._posed = mujoco.MjData(model)

    def render(self, data: mujoco.MjData) -> dict[str, Image]:
        """Return one picture of each camera: rgb8, shapes (height, width, 3), never reused."""
        return {name: self._renderer.render(data, name) for name in self.names}

    def render_snapshot(self, snapshot: Snapshot) -> dict[str, Image]:
        """Return one image of each camera for a snapshot."""
        pose(self._model, self._posed, snapshot)
        return self.render(self._posed)

    def render_camera(self, name: str, snapshot: Snapshot) -> Image:
        """Return the image of one camera for a snapshot."""
        pose(self._model, self._posed, snapshot)
        return self._renderer.render(self._posed, name)

    def close(self) -> None:
        """Free the context. Call it in the thread that opened the rig."""
        self._renderer.close()

    def __enter__(self) -> "CameraRig":
        """Return the rig itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the rig."""
        self.close()


class GLRenderer:
    """MuJoCo's own renderer in an off-screen context, without shadows and multisampling."""

    def __init__(
        self, model: mujoco.MjModel, names: tuple[str, ...], height: int, width: int, backend: str
    ) -> None:
        """Make the context and upload the scene.

        Raises:
            ImportError: If the backend's libraries are missing.
            RuntimeError: If the driver gives no context.
            mujoco.FatalError: If the driver's OpenGL is not enough.
        """
        if not gl.loadable(backend):
            raise ImportError(f"{' or '.join(gl.LIBRARIES[backend])} cannot be loaded")
        self._model = model
        self._context = importlib.import_module(f"mujoco.{backend}").GLContext(width, height)
        self._context.make_current()
        model.vis.quality.offsamples = 0
        self._drawer = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._drawer)
        self._scene = mujoco.MjvScene(model, maxgeom=model.ngeom + 100)
        self._options = mujoco.MjvOption()
        self._viewport = mujoco.MjrRect(0, 0, width, height)
        self._cameras = {}
        for name in names:
            camera = mujoco.MjvCamera()
            camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
            camera.fixedcamid = model.camera(name).id
            self._cameras[name] = camera
        self._upside_down = np.empty((height, width, 3), np.uint8)

    def render(self, data: mujoco.MjData, name: str) -> Image:
        """Return the picture of a camera."""
        self._context.make_current()
        mujoco.mjv_updateScene(
            self._model,
            data,
            self._options,
            None,
            self._cameras[name],
            mujoco.mjtCatBit.mjCAT_ALL.value,
            self._scene,
        )
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = 0
        self._scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = 0
        mujoco.mjr_render(self._viewport, self._scene, self._drawer)
        mujoco.mjr_readPixels(self._upside_down, None, self._viewport, self._drawer)
        return np.ascontiguousarray(self._upside_down[::-1])

    def close(self) -> None:
        """Free the context."""
        self._drawer.free()
        self._context.free()


def camera_names(model: mujoco.MjModel) -> list[str]:
    """Return the names of the cameras of a scene."""
    return [model.camera(index).name for index in range(model.ncam)]


def open_cameras(
    model: mujoco.MjModel, names: tuple[str, ...], height: int, width: int, backend: str = "auto"
) -> CameraRig:
    """Open cameras, with the best backend that works here or with the one asked for.

    Call it in the thread that will render.

    Args:
        model: Scene with directional lights only.
        names: Names of cameras of the scene.
        height: Rows of a picture.
        width: Columns of a picture.
        backend: `auto`, `egl`, `osmesa` or `raycast`. `auto` follows `MUJOCO_GL` where it is set.

    Raises:
        ConfigError: If the backend is unknown or does not work here, or a camera is not in
            the scene.
    """
    if backend not in BACKENDS:
        raise ConfigError(
            f"camera backend '{backend}' is unknown: use one of {', '.join(BACKENDS)}"
        )
    known = camera_names(model)
    for name in names:
        if name not in known:
            raise ConfigError(f"no camera '{name}' in this scene: it has {', '.join(known)}")
    wanted = gl.CHOSEN if backend == "auto" else backend
    if wanted not in GL_BACKENDS:
        return CameraRig("raycast", names, RayCaster(model, names, height, width), model)
    try:
        return CameraRig(wanted, names, GLRenderer(model, names, height, width, wanted), model)
    except (ImportError, AttributeError, RuntimeError, mujoco.FatalError) as error:
        if backend == "auto":
            return CameraRig("raycast", names, RayCaster(model, names, height, width), model)
        raise ConfigError(
            f"camera backend '{backend}' does not work here ({error}): "
            f"install {gl.PACKAGES[backend]}, or use 'auto' or 'raycast'"
        ) from error
