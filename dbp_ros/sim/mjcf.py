"""Scene of a robot as an MJCF file, for other simulators with MuJoCo."""

import mujoco

from dbp_ros.settings.robot import RobotDescription
from dbp_ros.sim.robot_simulation import RobotSimulation

# Keyframe with the start pose of the robot.
HOME_KEY = "home"


def scene_xml(simulation: RobotSimulation, robot: RobotDescription) -> str:
    """Return the scene of a robot, with image sizes and the keyframe `home`.

    All joints have names, and every commanded joint has an actuator of its name, as
    mujoco_ros2_control requires.

    Args:
        simulation: Simulation of the robot, just after a reset.
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
    xml: str = spec.to_xml()
    return xml
