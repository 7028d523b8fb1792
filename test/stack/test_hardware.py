"""Nodes of ros2_control and of simulators that the launch file starts."""

from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from robots.test_draft import drafted

from dbp_ros.errors import ConfigError
from dbp_ros.settings.robot_files import read_robot, robot_file, robot_names
from dbp_ros.stack.hardware import HardwareNode, hardware_nodes
from dbp_ros.stack.processes import StackConfig, processes
from dbp_ros.stack.rviz import rviz_view

EXECUTABLES = {
    "mock": ["robot_state_publisher", "ros2_control_node", "spawner", "spawner"],
    "mujoco": ["robot_state_publisher", "ros2_control_node", "spawner", "spawner"],
    "gazebo": [
        *("robot_state_publisher", "gz", "create", "parameter_bridge", "image_bridge"),
        *("spawner", "spawner"),
    ],
}


@pytest.fixture(autouse=True)
def ros_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ROS_HOME", str(tmp_path))
    return tmp_path


def nodes_of(robot: str, hardware: str) -> dict[str, HardwareNode]:
    nodes = hardware_nodes(StackConfig(robot=robot, hardware=hardware))
    assert [node.executable for node in nodes] == EXECUTABLES[hardware]
    return {node.name: node for node in nodes}


def test_no_hardware_is_started_by_default() -> None:
    assert hardware_nodes(StackConfig()) == []


@pytest.mark.parametrize("hardware", EXECUTABLES)
@pytest.mark.parametrize("robot", robot_names())
def test_the_nodes_of_each_hardware(robot: str, hardware: str, ros_home: Path) -> None:
    nodes = nodes_of(robot, hardware)
    description = read_robot(robot)
    folder = ros_home / "dbp_ros" / f"{robot}_{hardware}"
    controllers = yaml.safe_load((folder / "controllers.yaml").read_text())
    simulated = hardware != "mock"
    manager = controllers["/**/controller_manager"]["ros__parameters"]
    assert manager.get("use_sim_time", False) is simulated
    (parameters,) = nodes["robot_state_publisher"].parameters
    assert isinstance(parameters, dict)
    assert parameters.get("use_sim_time", False) is simulated
    assert str(folder) in parameters["robot_description"] or hardware == "mock"
    active = nodes["spawner"].arguments
    assert active[: 1 + len(description.controllers)] == (
        "joint_state_broadcaster",
        *description.controllers,
    )
    assert "--inactive" in nodes["homing_spawner"].arguments
    named = {*active, *nodes["homing_spawner"].arguments} & set(manager)
    assert named == {name for name, value in manager.items() if isinstance(value, dict)}


def test_mujoco_has_its_own_controller_manager_and_scene(ros_home: Path) -> None:
    manager = nodes_of("so101_dual", "mujoco")["controller_manager"]
    assert manager.package == "mujoco_ros2_control"
    assert ("~/robot_description", "robot_description") in manager.remaps
    assert (ros_home / "dbp_ros" / "so101_dual_mujoco" / "scene.xml").is_file()


def test_gazebo_starts_its_world_and_bridges_every_camera() -> None:
    nodes = nodes_of("aloha", "gazebo")
    world = Path(nodes["gazebo"].arguments[-1])
    (found,) = ElementTree.parse(world).getroot().findall("world")
    assert found.get("name") in nodes["create"].arguments
    assert any("Sensors" in p.get("name", "") for p in found.findall("plugin"))
    cameras = read_robot("aloha").cameras.values()
    assert nodes["images"].arguments == tuple(camera.topic for camera in cameras)
    bridged = nodes["bridge"].arguments
    assert bridged[0] == "/clock@rosgraph_msgs/msg/Clock[gz.msgs.Clock"
    assert len(bridged) == 1 + len(cameras)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"hardware": "mok"}, "hardware is 'mok', expected one of none, mock"),
        ({"hardware": "mock", "sim": True}, "set only one of them"),
        ({"hardware": "ur"}, "expected one for each arm, such as left=192.168.1.2 right="),
        ({"hardware": "ur", "addresses": "left=a left=b"}, "expected one for each arm"),
        ({"hardware": "ur", "addresses": "left=a right="}, "expected one for each arm"),
        ({"addresses": "left=a right=b"}, "but hardware is none"),
        ({"hardware": "gazebo", "real_time_factor": 2.0}, "has its own clock"),
    ],
)
def test_contradictory_arguments_are_refused(values: dict, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        StackConfig(**values)


def test_the_controllers_that_are_started_publish_on_the_default_topic(tmp_path: Path) -> None:
    text = robot_file("so101_dual").read_text(encoding="utf-8")
    urdf = robot_file("so101_dual").parent / "urdf" / "so101_dual.urdf.xacro"
    text = text.replace("urdf/so101_dual.urdf.xacro", str(urdf))
    text = text.replace("joint_states_topic: joint_states", "joint_states_topic: /mine")
    (tmp_path / "robot.yaml").write_text(text)
    robot = str(tmp_path / "robot.yaml")
    rule = ("joint_states", "/mine")
    assert rule in processes(StackConfig(robot=robot))[0].remaps
    assert rule not in processes(StackConfig(robot=robot, hardware="mock"))[0].remaps
    (publisher, _) = hardware_nodes(StackConfig(robot=robot, view=True))
    assert publisher.remaps == (rule,)
    with pytest.raises(ConfigError, match="do not remap it"):
        StackConfig(hardware="mock", remap="joint_states:=/other")


@pytest.mark.parametrize("hardware", ["mujoco", "gazebo"])
def test_the_stack_follows_the_clock_of_a_simulator(hardware: str) -> None:
    for process in processes(StackConfig(hardware=hardware)):
        assert process.parameters["use_sim_time"] is True


def test_rviz_shows_the_cameras_and_the_root_frame_of_the_robot(
    tmp_path: Path, ros_home: Path
) -> None:
    robot = drafted(tmp_path)
    config = StackConfig(robot=str(robot), view=True, remap="eye:=/camera/image_raw")
    (_, rviz) = hardware_nodes(config)
    path = Path(rviz.arguments[-1])
    assert path == ros_home / "dbp_ros" / "porter_none" / "stack.rviz"
    manager = yaml.safe_load(path.read_text())["Visualization Manager"]
    assert manager["Global Options"]["Fixed Frame"] == "base_footprint"
    images = [d for d in manager["Displays"] if d["Class"].endswith("/Image")]
    assert [(d["Name"], d["Topic"]["Value"]) for d in images] == [("eye", "/camera/image_raw")]
    rviz = hardware_nodes(StackConfig(robot="aloha", hardware="mock", view=True))[-1]
    text = Path(rviz.arguments[-1]).read_text()
    assert all(camera.topic in text for camera in read_robot("aloha").cameras.values())


def test_rviz_shows_a_robot_without_cameras() -> None:
    view = yaml.safe_load(rviz_view("base", [], {}))
    assert "Image" not in str(view["Visualization Manager"]["Displays"])
