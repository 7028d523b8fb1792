import numpy as np
import pytest
from builtin_interfaces.msg import Time
from visualization_msgs.msg import Marker, MarkerArray

from dbp_ros.nodes.object_markers import scene_objects
from dbp_ros.nodes.simulated_objects import object_marker
from dbp_ros.sim.simulation import Simulation


def test_the_page_shows_the_objects_that_the_simulation_publishes() -> None:
    shapes = Simulation("can").objects
    shown = scene_objects(MarkerArray(markers=[object_marker(one, Time()) for one in shapes]))
    assert [one.kind for one in shown] == [one.kind for one in shapes]
    for one, shape in zip(shown, shapes, strict=True):
        np.testing.assert_allclose(one.size, shape.size)
        np.testing.assert_allclose(one.position, shape.position)
        np.testing.assert_allclose(one.wxyz, shape.wxyz)
        np.testing.assert_allclose(one.colour, 255 * shape.colour[:3], atol=0.5)


@pytest.mark.parametrize("kind", [Marker.ARROW, Marker.MESH_RESOURCE])
def test_other_markers_are_left_out(kind: int) -> None:
    assert scene_objects(MarkerArray(markers=[Marker(type=kind)])) == ()
