"""RViz view of a robot: the view that ships, with the cameras and the root frame of the robot."""

from collections.abc import Iterable, Mapping

import yaml

from dbp_ros.resources import resource_directory

IMAGE = "rviz_default_plugins/Image"


def rviz_view(fixed_frame: str, cameras: Iterable[str], rules: Mapping[str, str]) -> str:
    """Return the configuration file of RViz for a robot.

    Args:
        fixed_frame: Root link of the URDF.
        cameras: Names of the cameras.
        rules: Remap rules of the stack, as RViz has no names of cameras.
    """
    path = resource_directory() / "config" / "views" / "stack.rviz"
    view = yaml.safe_load(path.read_text(encoding="utf-8"))
    manager = view["Visualization Manager"]
    manager["Global Options"]["Fixed Frame"] = fixed_frame
    displays = manager["Displays"]
    image = next(display for display in displays if display["Class"] == IMAGE)
    manager["Displays"] = [display for display in displays if display["Class"] != IMAGE]
    for camera in cameras:
        topic = f"{camera}/image_raw"
        shown = {**image["Topic"], "Value": rules.get(topic, topic)}
        manager["Displays"].append({**image, "Name": camera, "Topic": shown})
    text: str = yaml.safe_dump(view, sort_keys=False)
    return text
