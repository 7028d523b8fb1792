"""Stream of the page's snapshots to Rerun."""

import rerun as rr

from dbp_ros.errors import ConfigError
from dbp_ros.panel.camera_images import JPEG_QUALITY
from dbp_ros.panel.plots import LATENCIES, LIMITED, RATES, Curve
from dbp_ros.panel.robot_scene import PATH_COLOURS
from dbp_ros.panel.shapes import Shape, shapes_of
from dbp_ros.panel.snapshot import PanelSnapshot
from dbp_ros.robots.kinematics import Kinematics
from dbp_ros.robots.urdf import Urdf
from dbp_ros.settings.robot import RobotDescription

APPLICATION, TIMELINE = "dbp_ros", "steady_time"
SPAWN, SUFFIX = "spawn", ".rrd"
PLOT_PERIOD_S = 1.0
CURVES = (*RATES, *LATENCIES, *LIMITED)


class RerunStream:
    """Stream of links, cameras, chunk paths and plots; a `Tab` without elements."""

    def __init__(self, target: str, urdf: Urdf, robot: RobotDescription) -> None:
        """Open the stream and log the shapes of the links.

        Args:
            target: A file `*.rrd`, `spawn`, or `HOST:PORT` of a viewer.
            urdf: The robot.
            robot: Its description.

        Raises:
            ConfigError: If the target is none of these.
        """
        self._stream = rr.RecordingStream(APPLICATION)
        if target == SPAWN:
            self._stream.spawn()
        elif target.endswith(SUFFIX):
            self._stream.save(target)
        elif target.rpartition(":")[2].isdecimal():
            self._stream.connect_grpc(f"rerun+http://{target}/proxy")
        else:
            raise ConfigError(f"rerun is {target!r}, expected a file *.rrd, spawn, or HOST:PORT")
        shapes = shapes_of(urdf, robot)
        self._links = list(shapes)
        self._kinematics = Kinematics(urdf, robot.joints, self._links)
        self._arms = list(robot.arms)
        self._tips = Kinematics(urdf, robot.joints, [arm.tip for arm in robot.arms.values()])
        self._numbers: dict[str, int] = {}
        self._plotted_s = -float("inf")
        for link, parts in shapes.items():
            for number, shape in enumerate(parts):
                self._log_shape(f"robot/{link}/{number}", shape)

    def update(self, snapshot: PanelSnapshot, now_s: float, shown: bool) -> None:
        """Log a snapshot."""
        self._stream.set_time(TIMELINE, duration=now_s)
        if snapshot.positions is not None:
            poses = self._kinematics.poses(snapshot.positions)
            for link, pose in zip(self._links, poses, strict=True):
                transform = rr.Transform3D(translation=pose[:3, 3], mat3x3=pose[:3, :3])
                self._stream.log(f"robot/{link}", transform)
        if snapshot.chunk is not None:
            points = self._tips.poses(snapshot.chunk)[:, :, :3, 3]
            for number, arm in enumerate(self._arms):
                colour = PATH_COLOURS[number % len(PATH_COLOURS)]
                path = rr.LineStrips3D([points[:, number]], colors=[colour])
                self._stream.log(f"chunk/{arm}", path)
        for name, newest in snapshot.images.items():
            if self._numbers.get(name) != newest.number:
                self._numbers[name] = newest.number
                image = rr.Image(newest.image).compress(jpeg_quality=JPEG_QUALITY)
                self._stream.log(f"cameras/{name}", image)
        if now_s - self._plotted_s >= PLOT_PERIOD_S:
            self._plotted_s = now_s
            for curve in CURVES:
                self._log_value(snapshot, curve)
            self._stream.log("guard", rr.TextLog(str(snapshot.guard)))

    def close(self) -> None:
        """Write what is pending, and close the stream."""
        self._stream.flush()
        self._stream.disconnect()

    def _log_value(self, snapshot: PanelSnapshot, curve: Curve) -> None:
        value = snapshot.number(curve.node, curve.key)
        # NaN is not equal to itself.
        if value == value:
            self._stream.log(f"plots/{curve.node}/{curve.key}", rr.Scalars(value))

    def _log_shape(self, path: str, shape: Shape) -> None:
        place = {"translation": shape.pose[:3, 3], "mat3x3": shape.pose[:3, :3]}
        self._stream.log(path, rr.Transform3D(**place), static=True)
        match shape.kind:
            case "box":
                half = [edge / 2 for edge in shape.size]
                body = rr.Boxes3D(half_sizes=[half], colors=[shape.colour], fill_mode="solid")
            case "cylinder":
                radius, length = shape.size
                body = rr.Cylinders3D(
                    radii=[radius], lengths=[length], colors=[shape.colour], fill_mode="solid"
                )
            case "sphere":
                body = rr.Ellipsoids3D(
                    half_sizes=[[shape.size[0]] * 3], colors=[shape.colour], fill_mode="solid"
                )
        self._stream.log(path, body, static=True)
