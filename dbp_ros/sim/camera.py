"""Cameras of the scene, rendered with OpenGL, or by ray casting where OpenGL is missing."""

from typing import Protocol

import mujoco
import numpy as np

from dbp_ros.errors import ConfigError
from dbp_ros.sim import gl
from dbp_ros.sim.raycast import RayCaster
from dbp_ros.sim.simulation import set_qpos
from dbp_ros.types import Array, Image

GL_BACKENDS = ("egl", "osmesa")
BACKENDS = ("auto", *GL_BACKENDS, "raycast")


class Renderer(Protocol):
    """Interface of renderers."""

    def render(self, data: mujoco.MjData, name: str) -> Image:
        """Return the image of a camera."""

    def close(self) -> None:
        """Free all resources."""


class CameraRig:
    """Selected cameras of a scene with their renderer.

    Use it only in the thread that opened it, since an OpenGL context is bound to one thread. A
    rendering thread separate from the physics passes copies of `qpos`.

    Attributes:
        backend: `egl`, `osmesa` or `raycast`.
        names: Names of the cameras, in the order of `render`.
        model: The rendered scene.
    """

    def __init__(
        self, backend: str, names: tuple[str, ...], renderer: Renderer, model: mujoco.MjModel
    ) -> None:
        """Store a renderer; use `open_cameras` to make one."""
        self.backend = backend
        self.names = names
        self.model = model
        self._renderer = renderer
        self._data = mujoco.MjData(model)

    def render(self, data: mujoco.MjData) -> dict[str, Image]:
        """Return a new image of each camera: rgb8, shapes (height, width, 3)."""
        return {name: self._renderer.render(data, name) for name in self.names}

    def render_qpos(self, qpos: Array) -> dict[str, Image]:
        """Return an image of each camera at `qpos`. Shape (nq,)."""
        set_qpos(self.model, self._data, qpos)
        return self.render(self._data)

    def render_camera(self, name: str, qpos: Array) -> Image:
        """Return the image of one camera at `qpos`. Shape (nq,)."""
        set_qpos(self.model, self._data, qpos)
        return self._renderer.render(self._data, name)

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
    """MuJoCo's off-screen renderer, without shadows and multisampling."""

    def __init__(
        self, model: mujoco.MjModel, names: tuple[str, ...], height: int, width: int, backend: str
    ) -> None:
        """Create the context and upload the scene.

        Raises:
            ImportError: If a library of the backend is missing.
            RuntimeError: If the driver cannot create a context.
            mujoco.FatalError: If the driver's OpenGL is insufficient.
        """
        self._model = model
        self._context = gl.make_context(backend, width, height)
        self._context.make_current()
        model.vis.quality.offsamples = 0
        # Pixels beyond this buffer would be undefined.
        buffer = model.vis.global_
        buffer.offwidth = max(buffer.offwidth, width)
        buffer.offheight = max(buffer.offheight, height)
        self._mjr_context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._mjr_context)
        self._scene = mujoco.MjvScene(model, maxgeom=model.ngeom + 100)
        self._options = mujoco.MjvOption()
        self._viewport = mujoco.MjrRect(0, 0, width, height)
        self._cameras = {}
        for name in names:
            camera = mujoco.MjvCamera()
            camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
            camera.fixedcamid = model.camera(name).id
            self._cameras[name] = camera
        self._flipped = np.empty((height, width, 3), np.uint8)

    def render(self, data: mujoco.MjData, name: str) -> Image:
        """Return the image of a camera."""
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
        mujoco.mjr_render(self._viewport, self._scene, self._mjr_context)
        mujoco.mjr_readPixels(self._flipped, None, self._viewport, self._mjr_context)
        return np.ascontiguousarray(self._flipped[::-1])

    def close(self) -> None:
        """Free the context."""
        self._mjr_context.free()
        self._context.free()


def camera_names(model: mujoco.MjModel) -> list[str]:
    """Return the names of the cameras of a scene."""
    return [model.camera(index).name for index in range(model.ncam)]


def open_cameras(
    model: mujoco.MjModel, names: tuple[str, ...], height: int, width: int, backend: str = "auto"
) -> CameraRig:
    """Open cameras in the thread that will render.

    Args:
        model: Scene with directional lights only.
        names: Names of cameras of the scene.
        height: Rows of an image.
        width: Columns of an image.
        backend: `egl`, `osmesa`, `raycast`, or `auto` for `MUJOCO_GL` if set, else the first that
            works.

    Raises:
        ConfigError: If the backend is unknown or does not work here, or a camera does not exist.
    """
    if backend not in BACKENDS:
        raise ConfigError(
            f"camera backend '{backend}' is unknown: use one of {', '.join(BACKENDS)}"
        )
    known = camera_names(model)
    for name in names:
        if name not in known:
            raise ConfigError(f"no camera '{name}' in this scene: it has {', '.join(known)}")
    selected = gl.BACKEND if backend == "auto" else backend
    if selected not in GL_BACKENDS:
        return CameraRig("raycast", names, RayCaster(model, names, height, width), model)
    try:
        return CameraRig(selected, names, GLRenderer(model, names, height, width, selected), model)
    except (ImportError, AttributeError, RuntimeError, mujoco.FatalError) as error:
        if backend == "auto":
            return CameraRig("raycast", names, RayCaster(model, names, height, width), model)
        raise ConfigError(
            f"camera backend '{backend}' does not work here ({error}): "
            f"install {gl.PACKAGES[backend]}, or use 'auto' or 'raycast'"
        ) from error
