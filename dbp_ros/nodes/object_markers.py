"""Markers of objects, as the operator's page shows them."""

from typing import Literal

from visualization_msgs.msg import Marker, MarkerArray

from dbp_ros.panel.object_scene import SceneObject

KINDS: dict[int, Literal["box", "cylinder"]] = {Marker.CUBE: "box", Marker.CYLINDER: "cylinder"}


def scene_objects(message: MarkerArray) -> tuple[SceneObject, ...]:
    """Return the boxes and cylinders of a message; other markers are left out."""
    return tuple(_scene_object(one) for one in message.markers if one.type in KINDS)


def _scene_object(marker: Marker) -> SceneObject:
    size, colour = marker.scale, marker.color
    place, turn = marker.pose.position, marker.pose.orientation
    red, green, blue = (round(255 * value) for value in (colour.r, colour.g, colour.b))
    return SceneObject(
        kind=KINDS[marker.type],
        size=(size.x, size.y, size.z),
        colour=(red, green, blue),
        position=(place.x, place.y, place.z),
        wxyz=(turn.w, turn.x, turn.y, turn.z),
    )
