"""Pictures without OpenGL: one ray a pixel, ambient and Lambert light, as MuJoCo's GL draws them.

The scene has no texture, no specular light and no shadow, so the two agree but for the pixels on
an edge: a policy trained on one works on the other.
"""

import copy

import mujoco
import numpy as np
from numpy.typing import NDArray

from dbp_ros.types import Array, Image

DRAWN_GROUPS = np.array([1, 1, 1, 0, 0, 0], np.uint8)
OUT_OF_VIEW = 5
# Rows: forward, left and up of a camera that looks along -z with y up.
LEVEL = np.array(((0.0, 0.0, -1.0), (-1.0, 0.0, 0.0), (0.0, 1.0, 0.0)))


def rays_of(fovy_deg: float, height: int, width: int) -> Array:
    """Return one ray through the middle of every pixel, x forward. Shape (height * width, 3)."""
    half = np.tan(np.deg2rad(fovy_deg) / 2)
    rays = np.ones((height, width, 3))
    rays[..., 1] = half * width / height * (1 - (2 * np.arange(width) + 1) / width)
    rays[..., 2] = half * (1 - (2 * np.arange(height)[:, None] + 1) / height)
    rays /= np.linalg.norm(rays, axis=2, keepdims=True)
    return rays.reshape(-1, 3)


def sides_of(fovy_deg: float, height: int, width: int) -> Array:
    """Return the inward normals of the four sides of a camera's view. Shape (4, 3)."""
    up = np.deg2rad(fovy_deg) / 2
    across = np.arctan(np.tan(up) * width / height)
    return np.array(
        (
            *((np.sin(across), turn * np.cos(across), 0.0) for turn in (-1, 1)),
            *((np.sin(up), 0.0, turn * np.cos(up)) for turn in (-1, 1)),
        )
    )


def geom_colours(model: mujoco.MjModel) -> Array:
    """Return what each geom is painted with. Shape (ngeom, 3)."""
    colours: Array = model.geom_rgba[:, :3].astype(float)
    painted = model.geom_matid >= 0
    colours[painted] = model.mat_rgba[model.geom_matid[painted], :3]
    return colours


class RayCaster:
    """Casts the rays of some cameras and shades what they hit.

    The scene is turned into each camera's frame rather than the rays into the world:
    `mj_multiRay` skips geoms by their azimuth and elevation, which goes wrong near the vertical,
    where wrist cameras look. In its own frame a camera always looks along the horizon.
    """

    def __init__(
        self, model: mujoco.MjModel, names: tuple[str, ...], height: int, width: int
    ) -> None:
        """Prepare the rays.

        Args:
            model: Scene. Lights other than directional ones are not supported.
            names: Names of the cameras.
            height: Rows of a picture.
            width: Columns of a picture.
        """
        self._cameras = {name: model.camera(name).id for name in names}
        self._rays = {
            name: rays_of(float(model.cam_fovy[camera]), height, width)
            for name, camera in self._cameras.items()
        }
        self._model = copy.copy(model)
        # The angles are those of the corners of a box; in the middle of an edge they are wider.
        self._model.geom_aabb[:, 3:] *= 1.2
        self._drawn = DRAWN_GROUPS[model.geom_group] > 0
        self._walls = {
            name: sides_of(float(model.cam_fovy[camera]), height, width)
            for name, camera in self._cameras.items()
        }
        self._turned = mujoco.MjData(self._model)
        self._shape = (height, width, 3)
        self._geom = np.empty(height * width, np.int32)
        self._distance = np.empty(height * width)
        self._normal = np.empty(height * width * 3)
        # The last row is what a ray sees that hits nothing: index -1.
        self._colours = 255 * np.vstack((geom_colours(model), np.zeros(3)))

    def render(self, data: mujoco.MjData, name: str) -> Image:
        """Return the picture of a camera. Shape (height, width, 3)."""
        camera = self._cameras[name]
        turn = LEVEL @ data.cam_xmat[camera].reshape(3, 3).T
        self._turned.geom_xpos[:] = (data.geom_xpos - data.cam_xpos[camera]) @ turn.T
        self._turned.geom_xmat[:] = (turn @ data.geom_xmat.reshape(-1, 3, 3)).reshape(-1, 9)
        self._model.geom_group[:] = np.where(self._in_view(name), 0, OUT_OF_VIEW)
        mujoco.mj_multiRay(
            self._model,
            self._turned,
            np.zeros(3),
            self._rays[name].ravel(),
            DRAWN_GROUPS,
            1,
            -1,
            self._geom,
            self._distance,
            self._normal,
            len(self._geom),
            self._model.vis.map.zfar * self._model.stat.extent,
        )
        colours = self._light(data.light_xdir @ turn.T) * self._colours[self._geom]
        return np.rint(np.minimum(colours, 255)).astype(np.uint8).reshape(self._shape)

    def close(self) -> None:
        """Do nothing: there is nothing to free."""

    def _in_view(self, name: str) -> NDArray[np.bool_]:
        """Return which geoms may be in a picture. Shape (ngeom,)."""
        reach = self._model.geom_rbound
        beyond = self._turned.geom_xpos @ self._walls[name].T < -reach[:, None]
        seen: NDArray[np.bool_] = self._drawn & ((reach == 0) | ~beyond.any(axis=1))
        return seen

    def _light(self, beams: Array) -> Array:
        """Return the light that falls on each pixel. Shape (pixels, 3).

        Args:
            beams: Directions of the scene's lights in the camera's frame. Shape (nlight, 3).
        """
        head = self._model.vis.headlight
        directions = np.vstack(((1.0, 0.0, 0.0), beams))
        diffuse = np.vstack((head.diffuse, self._model.light_diffuse))
        ambient = head.ambient + self._model.light_ambient.sum(axis=0)
        towards = np.maximum(self._normal.reshape(-1, 3) @ -directions.T, 0)
        light: Array = towards @ diffuse + ambient
        return light
