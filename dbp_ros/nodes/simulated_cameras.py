"""Cameras of the simulated cell.

Like real cameras they have the same rate but not the same phase: they are rendered in turn, and
each image is published as soon as it is rendered.
"""

import threading
from collections.abc import Callable
from itertools import cycle

from builtin_interfaces.msg import Time
from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import CameraInfo, Image

from dbp_ros.nodes.conversions import camera_info_message, image_message
from dbp_ros.nodes.qos import SENSOR
from dbp_ros.runtime.rate_loop import RateThread
from dbp_ros.runtime.realtime import set_niceness
from dbp_ros.runtime.sim_clock import SimClock
from dbp_ros.settings.simulation import SimulationConfig
from dbp_ros.sim.arm_simulation import ArmSimulation
from dbp_ros.sim.camera import CameraRig, open_cameras
from dbp_ros.sim.sensor_noise import SensorNoise
from dbp_ros.sim.upscaling import Upscaler
from dbp_ros.telemetry.latency import Histogram
from dbp_ros.telemetry.trace import Hop, Trace

# A real camera has its own hardware, so rendering has priority over computation.
CAMERA_NICENESS = -10


class SimulatedCameras:
    """Renderer and publisher of the images in their own thread.

    Attributes:
        thread: The thread.
        render_time: From the time of an image to its publication.
    """

    def __init__(
        self,
        node: Node,
        config: SimulationConfig,
        simulation: ArmSimulation,
        sim_clock: SimClock,
        trace: Trace,
        stamp: Callable[[int], Time],
    ) -> None:
        """Start the thread, which opens the renderer; call `publish` to render.

        Args:
            node: Node of the publishers.
            config: Sizes, rate and renderer.
            simulation: Rendered.
            sim_clock: Its clock.
            trace: Trace of the images.
            stamp: Converts simulation time to a stamp.
        """
        self.render_time = Histogram()
        self._node, self._config, self._simulation = node, config, simulation
        self._sim_clock, self._trace, self._stamp = sim_clock, trace, stamp
        self._size = (
            config.render_height or config.image_height,
            config.render_width or config.image_width,
        )
        self._noise = SensorNoise(*self._size, config.seed)
        self._upscale = Upscaler(self._size, (config.image_height, config.image_width))
        self._rig: CameraRig | None = None
        self._next_camera = cycle(enumerate(config.cameras))
        self._publishing = threading.Event()
        self._topics: dict[str, Publisher] = {}
        self._info_topics: dict[str, Publisher] = {}
        self._infos: dict[str, CameraInfo] = {}
        trace.cameras = config.cameras
        rate_hz = max(1, len(config.cameras)) * config.camera_rate_hz
        self.thread = RateThread("cameras", rate_hz, self._render, sim_clock=sim_clock)
        self.thread.start()

    @property
    def backend(self) -> str:
        """Backend of the renderer."""
        return self._rig.backend if self._rig else "not open"

    def publish(self) -> None:
        """Start to render and publish."""
        create = self._node.create_publisher
        names = self._config.cameras
        self._info_topics = {n: create(CameraInfo, f"{n}/camera_info", SENSOR) for n in names}
        self._topics = {name: create(Image, f"{name}/image_raw", SENSOR) for name in names}
        self._publishing.set()

    def show(self, simulation: ArmSimulation) -> None:
        """Render another simulation from the next image on."""
        self._simulation = simulation

    def close(self) -> None:
        """Stop the thread."""
        self.thread.stop()

    def _render(self, _: int) -> None:
        simulation = self._simulation
        rig = self._rig_of(simulation)
        if not (self._publishing.is_set() and self._topics):
            return
        index, camera = next(self._next_camera)
        qpos = simulation.qpos
        captured_ns = self._sim_clock.now_ns()
        image = self._noise.add(rig.render_camera(camera, qpos))
        message = image_message(self._upscale(image), camera, self._stamp(captured_ns))
        self._topics[camera].publish(message)
        if camera not in self._infos:
            field_of_view_deg = float(simulation.model.camera(camera).fovy[0])
            # The published image may be a stretched view.
            height, width = self._size
            self._infos[camera] = camera_info_message(message, field_of_view_deg, width / height)
        self._infos[camera].header.stamp = message.header.stamp
        self._info_topics[camera].publish(self._infos[camera])
        published_ns = self._sim_clock.now_ns()
        self.render_time.record(self._sim_clock.wall_duration_ns(captured_ns, published_ns))
        self._trace.add_span(Hop.RENDERED, captured_ns, published_ns, index, captured_ns)

    def _rig_of(self, simulation: ArmSimulation) -> CameraRig:
        """Return the cameras of a simulation, opened at its first image."""
        if self._rig is None:
            self._node.get_logger().info(set_niceness(CAMERA_NICENESS))
        elif self._rig.model is simulation.model:
            return self._rig
        else:
            self._rig.close()
        backend = self._config.camera_backend
        self._rig = open_cameras(simulation.model, self._config.cameras, *self._size, backend)
        return self._rig
