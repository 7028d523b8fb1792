"""Objects of the simulated cell as markers, for the operator's page, RViz and Foxglove."""

from collections.abc import Callable

from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from dbp_ros.sim.object_shapes import ObjectShape

TOPIC = "objects"
# Root link of the robot in the cell, whose origin is that of the scene.
FRAME = "world"
RATE_HZ = 15.0
# The objects of an earlier task disappear.
LIFETIME_NS = 500_000_000
TYPES = {"box": Marker.CUBE, "cylinder": Marker.CYLINDER}


class SimulatedObjects:
    """Publisher of the objects, only while another node subscribes."""

    def __init__(self, node: Node, objects: Callable[[], list[ObjectShape]]) -> None:
        """Create the publisher.

        Args:
            node: Node of the cell.
            objects: Returns the objects at the present time; thread-safe.
        """
        self._node, self._objects = node, objects
        self._publisher = node.create_publisher(MarkerArray, f"~/{TOPIC}", 1)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        node.create_timer(1.0 / RATE_HZ, self._publish, clock=steady)

    def _publish(self) -> None:
        if not self._publisher.get_subscription_count():
            return
        stamp = self._node.get_clock().now().to_msg()
        markers = [object_marker(shape, stamp) for shape in self._objects()]
        if markers:
            self._publisher.publish(MarkerArray(markers=markers))


def object_marker(shape: ObjectShape, stamp: Time) -> Marker:
    """Return the marker of a shape."""
    marker = Marker(ns=shape.body, id=shape.number, type=TYPES[shape.kind], action=Marker.ADD)
    marker.header.frame_id, marker.header.stamp = FRAME, stamp
    x, y, z = shape.position.tolist()
    w, i, j, k = shape.wxyz.tolist()
    marker.pose = Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(w=w, x=i, y=j, z=k))
    marker.scale = Vector3(**dict(zip("xyz", shape.size.tolist(), strict=True)))
    marker.color = ColorRGBA(**dict(zip("rgba", shape.colour.tolist(), strict=True)))
    marker.lifetime = Duration(nanosec=LIFETIME_NS)
    return marker
