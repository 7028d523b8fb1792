"""Objects of the simulated cell in the 3-D scene of the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import viser

from dbp_ros.panel.shapes import Colour

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class SceneObject:
    """A box or a cylinder.

    Attributes:
        kind: Its kind; the axis of a cylinder is z.
        size: Edges of its bounding box before the rotation, in [m].
        colour: Red, green and blue from 0 to 255.
        position: Of its centre in the frame of the root link, in [m].
        wxyz: Its rotation as a unit quaternion.
    """

    kind: Literal["box", "cylinder"]
    size: Vector
    colour: Colour
    position: Vector
    wxyz: tuple[float, float, float, float]

    @property
    def looks(self) -> tuple[str, Vector, Colour]:
        """Appearance of the object, without its pose."""
        return self.kind, self.size, self.colour


class ObjectScene:
    """Objects in the scene, which move and may be replaced."""

    def __init__(self, server: viser.ViserServer) -> None:
        """Start without objects."""
        self._server = server
        self._shown: tuple[SceneObject, ...] = ()
        self._handles: list[viser.BoxHandle | viser.CylinderHandle] = []

    def show(self, objects: Sequence[SceneObject]) -> None:
        """Show these objects, and no others."""
        if [one.looks for one in objects] != [one.looks for one in self._shown]:
            self._replace(objects)
        with self._server.atomic():
            for handle, one, before in zip(self._handles, objects, self._shown, strict=True):
                if one != before:
                    handle.position, handle.wxyz = one.position, one.wxyz
        self._shown = tuple(objects)

    def _replace(self, objects: Sequence[SceneObject]) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = [self._add(f"/objects/{k}", one) for k, one in enumerate(objects)]
        self._shown = tuple(objects)

    def _add(self, name: str, one: SceneObject) -> viser.BoxHandle | viser.CylinderHandle:
        scene = self._server.scene
        if one.kind == "box":
            return scene.add_box(name, one.colour, one.size, position=one.position, wxyz=one.wxyz)
        radius, height = one.size[0] / 2, one.size[2]
        return scene.add_cylinder(
            name, radius, height, one.colour, position=one.position, wxyz=one.wxyz
        )
