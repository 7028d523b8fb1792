"""Ray-cast images without OpenGL: one ray per pixel, ambient and Lambert light.

The scene has no texture, specular light or shadow, so the images differ from those of MuJoCo's
OpenGL renderer only in pixels on an edge. A policy trained with one renderer works with the other.
"""

import copy

import mujoco
import numpy as np
from numpy.typing import NDArray

from dbp_ros.types import Array, Image

VISIBLE_GROUPS = np.array([1, 1, 1, 0, 0, 0], np.uint8)
HIDDEN_GROUP = 5
# Rows: forward, left and up of a camera that looks along -z with y up.
CAMERA_AXES = np.array(((0.0, 0.0, -1.0), (-1.0, 0.0, 0.0), (0.0, 1.0, 0.0)))


def pixel_rays(fovy_deg: float, height: int, width: int) -> Array:
    """Return a unit ray through the centre of each pixel, x forward. Shape (height * width, 3)."""
    half = np.tan(np.deg2rad(fovy_deg) / 2)
    rays = np.ones((height, width, 3))
    rays[..., 1] = half * width / height * (1 - (2 * np.arange(width) + 1) / width)
    rays[..., 2] = half * (1 - (2 * np.arange(height)[:, None] + 1) / height)
    rays /= np.linalg.norm(rays, axis=2, keepdims=True)
    return rays.reshape(-1, 3)


def frustum_normals(fovy_deg: float, height: int, width: int) -> Array:
    """Return the inward normals of the four sides of the view frustum. Shape (4, 3)."""
    up = np.deg2rad(fovy_deg) / 2
    across = np.arctan(np.tan(up) * width / height)
    return np.array(
        (
            *((np.sin(across), sign * np.cos(across), 0.0) for sign in (-1, 1)),
            *((np.sin(up), 0.0, sign * np.cos(up)) for sign in (-1, 1)),
        )
    )


def geom_colours(model: mujoco.MjModel) -> Array:
    """Return the colour of each geom. Shape (ngeom, 3)."""
    colours: Array = model.geom_rgba[:, :3].astype(float)
    has_material = model.geom_matid >= 0
    colours[has_material] = model.mat_rgba[model.geom_matid[has_material], :3]
    return colours


class RayCaster:
    """Ray casting renderer of selected cameras.

    The scene is rotated into the frame of each camera instead of the rays into the world:
    `mj_multiRay` culls geoms by azimuth and elevation, which fails near the vertical, where wrist
    cameras look. In its own frame a camera looks along the horizon.
    """

    def __init__(
        self, model: mujoco.MjModel, names: tuple[str, ...], height: int, width: int
    ) -> None:
        """Prepare the rays.

        Args:
            model: Scene. Lights other than directional ones are not supported.
            names: Names of the cameras.
            height: Rows of an image.
            width: Columns of an image.
        """
        self._cameras = {name: model.camera(name).id for name in names}
        self._rays = {
            name: pixel_rays(float(model.cam_fovy[camera]), height, width)
            for name, camera in self._cameras.items()
        }
        self._source, self._model = model, copy.copy(model)
        # MuJoCo culls by the angles of the corners of a box, but its edges may extend further.
        self._model.geom_aabb[:, 3:] *= 1.2
        self._frustums = {
            name: frustum_normals(float(model.cam_fovy[camera]), height, width)
            for name, camera in self._cameras.items()
        }
        self._rotated = mujoco.MjData(self._model)
        self._shape = (height, width, 3)
        self._geom = np.empty(height * width, np.int32)
        self._distance = np.empty(height * width)
        self._normal = np.empty(height * width * 3)

    def render(self, data: mujoco.MjData, name: str) -> Image:
        """Return the image of a camera. Shape (height, width, 3)."""
        camera = self._cameras[name]
        rotation = CAMERA_AXES @ data.cam_xmat[camera].reshape(3, 3).T
        self._rotated.geom_xpos[:] = (data.geom_xpos - data.cam_xpos[camera]) @ rotation.T
        self._rotated.geom_xmat[:] = (rotation @ data.geom_xmat.reshape(-1, 3, 3)).reshape(-1, 9)
        self._model.geom_group[:] = np.where(self._in_view(name), 0, HIDDEN_GROUP)
        mujoco.mj_multiRay(
            self._model,
            self._rotated,
            np.zeros(3),
            self._rays[name].ravel(),
            VISIBLE_GROUPS,
            1,
            -1,
            self._geom,
            self._distance,
            self._normal,
            len(self._geom),
            self._model.vis.map.zfar * self._model.stat.extent,
        )
        # Geom -1 is the background, the last row. Colours and lights may vary.
        surfaces = 255 * np.vstack((geom_colours(self._source), np.zeros(3)))
        colours = self._light(data.light_xdir @ rotation.T) * surfaces[self._geom]
        return np.rint(np.minimum(colours, 255)).astype(np.uint8).reshape(self._shape)

    def close(self) -> None:
        """Do nothing."""

    def _in_view(self, name: str) -> NDArray[np.bool_]:
        """Return which geoms may be in an image. Shape (ngeom,)."""
        radius = self._model.geom_rbound
        outside = self._rotated.geom_xpos @ self._frustums[name].T < -radius[:, None]
        visible = VISIBLE_GROUPS[self._source.geom_group] > 0
        in_view: NDArray[np.bool_] = visible & ((radius == 0) | ~outside.any(axis=1))
        return in_view

    def _light(self, beams: Array) -> Array:
        """Return the light on each pixel. Shape (pixels, 3).

        Args:
            beams: Directions of the scene's lights in the camera's frame. Shape (nlight, 3).
        """
        head = self._source.vis.headlight
        directions = np.vstack(((1.0, 0.0, 0.0), beams))
        diffuse = np.vstack((head.diffuse, self._source.light_diffuse))
        ambient = head.ambient + self._source.light_ambient.sum(axis=0)
        towards = np.maximum(self._normal.reshape(-1, 3) @ -directions.T, 0)
        light: Array = towards @ diffuse + ambient
        return light
