"""Controllers and hardware of ros2_control for every robot that ships."""

import re
from pathlib import Path
from xml.etree import ElementTree

import mujoco
import numpy as np
import pytest
import yaml
from robots.test_draft import FOREIGN, drafted

from dbp_ros.cli.main import main
from dbp_ros.errors import ConfigError
from dbp_ros.robots.ros2_control import controllers_yaml, hardware_urdf
from dbp_ros.robots.urdf import Urdf
from dbp_ros.settings.robot_files import read_robot, robot_names

ADDRESSES = {"addresses": "left=10.0.0.1 right=10.0.0.2"}
PLUGINS = {
    "mock": "mock_components/GenericSystem",
    "mujoco": "mujoco_ros2_control/MujocoSystemInterface",
    "gazebo": "gz_ros2_control/GazeboSimSystem",
}


@pytest.fixture(params=robot_names())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def ur_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install empty packages of the UR driver."""
    index = tmp_path / "prefix" / "share" / "ament_index" / "resource_index" / "packages"
    index.mkdir(parents=True)
    for package in ("ur_client_library", "ur_robot_driver"):
        (index / package).touch()
        (tmp_path / "prefix" / "share" / package).mkdir()
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path / "prefix"))
    return tmp_path / "prefix"


def systems(urdf: Urdf) -> list[ElementTree.Element]:
    return ElementTree.fromstring(urdf.text).findall("ros2_control")


def joints_of(urdf: Urdf) -> list[str]:
    return [joint.get("name", "") for s in systems(urdf) for joint in s.findall("joint")]


def test_forward_controllers_command_the_joints_in_the_order_of_the_guard(name: str) -> None:
    robot = read_robot(name)
    nodes = yaml.safe_load(controllers_yaml(robot))
    manager = nodes["/**/controller_manager"]["ros__parameters"]
    assert manager["update_rate"] == robot.command_rate_hz
    assert isinstance(manager["update_rate"], int)
    assert manager["enforce_command_limits"] is True
    listed: list[str] = []
    for controller in robot.controllers:
        assert manager[controller]["type"].endswith("/ForwardCommandController")
        parameters = nodes[f"/**/{controller}"]["ros__parameters"]
        assert parameters["interface_name"] == "position"
        listed += parameters["joints"]
    assert tuple(listed) == robot.joints


def test_trajectory_controllers_move_the_arms_without_the_grippers(name: str) -> None:
    robot = read_robot(name)
    nodes = yaml.safe_load(controllers_yaml(robot, use_sim_time=True))
    assert nodes["/**/controller_manager"]["ros__parameters"]["use_sim_time"] is True
    for arm in robot.arms.values():
        parameters = nodes[f"/**/{arm.homing_controller}"]["ros__parameters"]
        assert tuple(parameters["joints"]) == arm.joints
        for joint in arm.joints:
            tolerance = parameters["constraints"][joint]
            assert 0.0 < tolerance["goal"] < tolerance["trajectory"]


@pytest.mark.parametrize("hardware", PLUGINS)
def test_every_commanded_joint_has_interfaces_of_the_hardware(
    name: str, hardware: str, tmp_path: Path
) -> None:
    robot = read_robot(name)
    files = {"controllers": "/tmp/controllers.yaml", "scene": "/tmp/scene.xml"}
    urdf = hardware_urdf(name, hardware, tmp_path, files)
    assert tuple(joints_of(urdf)) == robot.joints
    assert {s.findtext("hardware/plugin") for s in systems(urdf)} == {PLUGINS[hardware]}
    for system in systems(urdf):
        for joint in system.findall("joint"):
            limits = robot.joint_limits[joint.get("name", "")]
            command = joint.find("command_interface[@name='position']")
            assert command is not None
            bounds = {p.get("name"): float(p.text or "nan") for p in command.findall("param")}
            assert bounds == {"min": limits.min_position, "max": limits.max_position}
            initial = joint.findtext("state_interface[@name='position']/param")
            assert float(initial or "nan") == robot.home[joint.get("name", "")]
            assert joint.find("state_interface[@name='velocity']") is not None


def test_cameras_of_mujoco_publish_on_the_topics_of_the_description(
    name: str, tmp_path: Path
) -> None:
    robot = read_robot(name)
    (system,) = systems(hardware_urdf(name, "mujoco", tmp_path, {"scene": "s.xml"}))
    assert system.findtext("hardware/param[@name='mujoco_model']") == "s.xml"
    sensors = {sensor.get("name"): sensor for sensor in system.findall("sensor")}
    assert list(sensors) == list(robot.cameras)
    for camera, description in robot.cameras.items():
        topic = sensors[camera].findtext("param[@name='image_topic']")
        assert topic == (description.topic or f"{camera}/image_raw")


def test_cameras_of_gazebo_have_the_field_of_view_of_the_description(
    name: str, tmp_path: Path
) -> None:
    robot = read_robot(name)
    text = hardware_urdf(name, "gazebo", tmp_path, {"controllers": "c.yaml"}).text
    document = ElementTree.fromstring(text)
    assert document.findtext("gazebo/plugin/parameters") == "c.yaml"
    sensors = {s.get("name"): s for s in document.findall("gazebo/sensor")}
    assert list(sensors) == list(robot.cameras)
    for camera, description in robot.cameras.items():
        horizontal = float(sensors[camera].findtext("camera/horizontal_fov") or "nan")
        ratio = description.height / description.width
        vertical = 2.0 * np.arctan(np.tan(horizontal / 2.0) * ratio)
        assert np.degrees(vertical) == pytest.approx(description.vertical_fov_deg)


def test_each_ur_arm_has_an_address_and_ports_of_its_own(ur_packages: Path, tmp_path: Path) -> None:
    urdf = hardware_urdf("ur5e_dual", "ur", tmp_path, ADDRESSES)
    drivers = [s for s in systems(urdf) if "gripper" not in s.get("name", "")]
    assert [d.findtext("hardware/param[@name='robot_ip']") for d in drivers] == [
        "10.0.0.1",
        "10.0.0.2",
    ]
    ports = [
        parameter.text
        for driver in drivers
        for parameter in driver.findall("hardware/param")
        if parameter.get("name", "").endswith("_port")
    ]
    assert len(set(ports)) == 8
    assert sorted(joints_of(urdf)) == sorted(read_robot("ur5e_dual").joints)
    for driver in drivers:
        assert driver.findtext("hardware/param[@name='ur_type']") == "ur5e"
        for found in driver.findall("joint"):
            commands = [c.get("name") for c in found.findall("command_interface")]
            assert commands == ["position", "velocity"]
            states = [c.get("name") for c in found.findall("state_interface")]
            assert states == ["position", "velocity", "effort"]
    script = drivers[0].findtext("hardware/param[@name='script_filename']") or ""
    assert script.startswith(str(ur_packages))


def test_unknown_hardware_and_a_missing_address_are_refused(
    ur_packages: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="hardware is moc, expected none, mock"):
        hardware_urdf("ur5e_dual", "moc", tmp_path, {})
    with pytest.raises(ConfigError, match="addresses has no address of right"):
        hardware_urdf("ur5e_dual", "ur", tmp_path, {"addresses": "left=10.0.0.1"})
    with pytest.raises(ConfigError, match="the arms of this robot are not of Universal Robots"):
        hardware_urdf("aloha", "ur", tmp_path, {})


def test_the_hardware_of_a_urdf_is_never_started_in_place_of_another(tmp_path: Path) -> None:
    robot = drafted(tmp_path)
    real = FOREIGN.read_text().replace(
        "</robot>",
        '<ros2_control name="real" type="system"><hardware><plugin>servos/Servos</plugin>'
        "</hardware></ros2_control></robot>",
    )
    (tmp_path / "real.urdf").write_text(real)
    robot.write_text(re.sub(r"(?m)^urdf: .*$", "urdf: real.urdf", robot.read_text()))
    with pytest.raises(ConfigError, match="has ros2_control with servos/Servos, but hardware is m"):
        hardware_urdf(str(robot), "mock", tmp_path, {})
    (tmp_path / "real.urdf").write_text(
        FOREIGN.read_text().replace("</robot>", "<!-- no <ros2_control> here --></robot>")
    )
    assert joints_of(hardware_urdf(str(robot), "mock", tmp_path, {}))


def test_gazebo_gets_the_namespace_of_the_stack(tmp_path: Path) -> None:
    files = {"controllers": "c.yaml", "namespace": "/cell_1"}
    document = ElementTree.fromstring(hardware_urdf("aloha", "gazebo", tmp_path, files).text)
    assert document.findtext("gazebo/plugin/ros/namespace") == "/cell_1"


def test_an_arm_without_a_gripper_has_the_interfaces_of_its_joints(tmp_path: Path) -> None:
    robot = drafted(tmp_path)
    values = yaml.safe_load(robot.read_text())
    values["arms"]["r"]["gripper"] = None
    values["cameras"]["eye"]["frame"] = ""
    robot.write_text(yaml.safe_dump(values, sort_keys=False))
    for hardware in PLUGINS:
        urdf = hardware_urdf(str(robot), hardware, tmp_path, {})
        assert tuple(joints_of(urdf)) == read_robot(str(robot)).joints


def test_a_urdf_without_hardware_gets_it(tmp_path: Path) -> None:
    robot = drafted(tmp_path)
    assert "ros2_control" not in FOREIGN.read_text()
    urdf = hardware_urdf(str(robot), "mock", tmp_path, {})
    assert tuple(joints_of(urdf)) == read_robot(str(robot)).joints
    assert urdf.name == "porter"


def test_mujoco_loads_the_scene_of_a_robot(name: str, tmp_path: Path) -> None:
    out = tmp_path / "scene.xml"
    assert main(["robot", "mjcf", name, "--out", str(out)]) == 0
    robot, model = read_robot(name), mujoco.MjModel.from_xml_path(str(out))
    assert [model.actuator(k).name for k in range(model.nu)] == list(robot.joints)
    assert {*robot.cameras} <= {model.camera(k).name for k in range(model.ncam)}
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, model.key("home").id)
    mujoco.mj_forward(model, data)
    positions = [data.actuator(joint).length[0] for joint in robot.joints]
    np.testing.assert_allclose(positions, robot.home_positions, atol=1e-5)
    # mujoco_ros2_control pairs interfaces with joints by name.
    joints = [model.joint(k).name for k in range(model.njnt)]
    assert all(joints)
    assert {*robot.joints} <= {*joints}
