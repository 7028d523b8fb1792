"""Scene of a robot as an MJCF file, for other simulators with MuJoCo."""

from xml.etree import ElementTree

import mujoco

from dbp_ros.settings.robot import RobotDescription
from dbp_ros.sim.arm_simulation import ArmSimulation

# Keyframe with the start pose of the robot and the objects of the task.
HOME_KEY = "home"


def scene_xml(simulation: ArmSimulation, robot: RobotDescription) -> str:
    """Return the scene of a simulation, with image sizes and the keyframe `home`.

    Args:
        simulation: The simulation, just after a reset.
        robot: Its description, for the sizes of the images.
    """
    spec = simulation.spec
    for name, camera in robot.cameras.items():
        spec.camera(name).resolution = [camera.width, camera.height]
    data = mujoco.MjData(simulation.model)
    data.qpos[:] = simulation.qpos
    for joint, position in zip(simulation.joint_names, simulation.home, strict=True):
        data.actuator(joint).ctrl[0] = position
    spec.add_key(name=HOME_KEY, qpos=data.qpos.copy(), ctrl=data.ctrl.copy())
    spec.compile()
    return _with_unique_defaults(spec.to_xml())


def _with_unique_defaults(xml: str) -> str:
    """Return an MJCF document in which no default class has the name of another.

    A gripper that is attached to an arm that is attached to a cell leaves two classes of one name;
    no element refers to the inner one, which only holds other classes.
    """
    document = ElementTree.fromstring(xml)
    seen = set[str]()
    for default in document.iter("default"):
        name = default.get("class", "")
        while name in seen:
            name += "_inner"
        seen.add(name)
        if name:
            default.set("class", name)
    return ElementTree.tostring(document, encoding="unicode")
