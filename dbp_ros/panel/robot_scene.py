"""Robot and action chunk in the 3-D scene of the page."""

from collections.abc import Sequence

import numpy as np
import viser

from dbp_ros.panel.shapes import Colour, Shape, quaternion, shapes_of
from dbp_ros.robots.kinematics import Kinematics
from dbp_ros.robots.urdf import Urdf
from dbp_ros.settings.robot import RobotDescription
from dbp_ros.types import Array

# Motions below this are not sent, in the elements of a pose.
SMALLEST_CHANGE = 1e-4
GHOST_COLOUR: Colour = (60, 140, 230)
GHOST_OPACITY = 0.35
PATH_WIDTH_PX = 5.0
# Colours of the arms' paths, repeated; a path fades to the colour of the background.
PATH_COLOURS: tuple[Colour, ...] = ((237, 115, 33), (38, 115, 217), (64, 166, 77))
BACKGROUND: Colour = (235, 235, 235)
FADED_SHARE = 0.85


class RobotScene:
    """Shapes of a robot, moved by forward kinematics; a `RobotGhost` if it is translucent."""

    def __init__(
        self,
        server: viser.ViserServer,
        name: str,
        urdf: Urdf,
        robot: RobotDescription,
        ghost: bool = False,
    ) -> None:
        """Add the shapes; a ghost is hidden at first.

        Args:
            server: Server of the page.
            name: Name in the scene, such as `/robot`.
            urdf: The robot.
            robot: Its description.
            ghost: Whether it is translucent and of one colour.
        """
        shapes = shapes_of(urdf, robot)
        self._server = server
        self._kinematics = Kinematics(urdf, robot.joints, list(shapes))
        self._root = server.scene.add_frame(name, show_axes=False, visible=not ghost)
        self._frames = [
            server.scene.add_frame(f"{name}/{link}", show_axes=False) for link in shapes
        ]
        self._shown = np.full((len(shapes), 4, 4), np.nan)
        for link, parts in shapes.items():
            for number, shape in enumerate(parts):
                _add_shape(server.scene, f"{name}/{link}/{number}", shape, ghost)
        if not ghost:
            self.show(np.array(robot.home_positions))

    def show(self, positions: Array | None) -> None:
        """Show the robot at joint positions in [rad] and [m], shape (nu,); None hides it."""
        if positions is None:
            self._root.visible = False
            return
        if not self._root.visible:
            self._root.visible = True
        poses = self._kinematics.poses(positions)
        # A comparison with NaN, of the first call, is false.
        moved = ~(np.abs(poses - self._shown).max(axis=(1, 2)) < SMALLEST_CHANGE)
        with self._server.atomic():
            for number in np.flatnonzero(moved):
                self._frames[number].position = poses[number, :3, 3]
                self._frames[number].wxyz = quaternion(poses[number, :3, :3])
        self._shown[moved] = poses[moved]


class ChunkPaths:
    """Fading paths of the hands on the newest action chunk."""

    def __init__(
        self, server: viser.ViserServer, urdf: Urdf, robot: RobotDescription, name: str = "/chunk"
    ) -> None:
        """Prepare the kinematics; paths are added with the first chunk."""
        self._server, self._name = server, name
        self._arms: Sequence[str] = list(robot.arms)
        self._tips = Kinematics(urdf, robot.joints, [arm.tip for arm in robot.arms.values()])
        self._paths: dict[str, viser.LineSegmentsHandle] = {}

    def show(self, start: Array | None, chunk: Array | None) -> None:
        """Show the paths of a chunk.

        Args:
            start: Measured positions. Shape (nu,).
            chunk: Positions of the chunk, None to hide the paths. Shape (horizon, nu).
        """
        if chunk is None or not len(chunk):
            for path in self._paths.values():
                path.visible = False
            return
        first = chunk[:1] if start is None else start[None]
        points = self._tips.poses(np.concatenate([first, chunk]))[:, :, :3, 3]
        for number, arm in enumerate(self._arms):
            self._show_path(number, arm, points[:, number])

    def _show_path(self, number: int, arm: str, points: Array) -> None:
        segments = np.stack([points[:-1], points[1:]], axis=1).astype(np.float32)
        path = self._paths.get(arm)
        if path is None or path.points.shape != segments.shape:
            colours = fading_colours(PATH_COLOURS[number % len(PATH_COLOURS)], len(segments))
            self._paths[arm] = self._server.scene.add_line_segments(
                f"{self._name}/{arm}",
                segments,
                colours,
                thickness=PATH_WIDTH_PX,
                thickness_units="screen",
            )
            return
        path.points = segments
        if not path.visible:
            path.visible = True


def fading_colours(colour: Colour, segments: int) -> np.ndarray:
    """Return the colours of both ends of each segment, fading to the background.

    Returns:
        Shape (segments, 2, 3), from 0 to 255.
    """
    shares = np.linspace(0.0, FADED_SHARE, segments + 1)[:, None]
    colours = (1.0 - shares) * np.array(colour) + shares * np.array(BACKGROUND)
    return np.stack([colours[:-1], colours[1:]], axis=1).round().astype(np.uint8)


def _add_shape(scene: viser.SceneApi, name: str, shape: Shape, ghost: bool) -> None:
    colour = GHOST_COLOUR if ghost else shape.colour
    options = {
        "color": colour,
        "opacity": GHOST_OPACITY if ghost else None,
        "position": shape.pose[:3, 3],
        "wxyz": quaternion(shape.pose[:3, :3]),
    }
    match shape.kind:
        case "box":
            scene.add_box(name, dimensions=shape.size, **options)
        case "cylinder":
            radius, height = shape.size
            scene.add_cylinder(name, radius=radius, height=height, **options)
        case "sphere":
            scene.add_icosphere(name, radius=shape.size[0], **options)
