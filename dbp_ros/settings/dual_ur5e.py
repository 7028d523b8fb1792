"""The robot of the simulated cell, which is the default of every node."""

from dbp_ros.settings.robot_files import read_robot

DEFAULT_ROBOT = "ur5e_dual"
DUAL_UR5E = read_robot(DEFAULT_ROBOT)
DUAL_UR5E_JOINTS = DUAL_UR5E.joints
CAMERAS = DUAL_UR5E.camera_names
SIDES = tuple(DUAL_UR5E.arms)
ARM_JOINTS = tuple(joint.removeprefix("left_") for joint in DUAL_UR5E.arms["left"].joints)
