"""Physics of a robot from its description: position servos without contacts."""

from typing import Any
from xml.etree import ElementTree

import mujoco
import numpy as np

from dbp_ros.robots.check import urdf_of
from dbp_ros.robots.urdf import Urdf
from dbp_ros.settings.dual_ur5e import DUAL_UR5E
from dbp_ros.settings.robot import Capsule, RobotDescription
from dbp_ros.settings.robot_files import read_robot
from dbp_ros.sim.arm_simulation import NO_TASK, ArmSimulation
from dbp_ros.sim.simulation import Simulation
from dbp_ros.types import Array

TIME_LIMIT_S = 30.0
STEP_S = 0.002
# Time constant of the constraint between a joint and one that mimics it, in [s].
COUPLING_S = 0.005
# Natural frequency of the joint servos, which are critically damped, in [rad/s].
SERVO_FREQUENCY = 60.0
# Geometry of links, in place of which the scene has the capsules of the description.
SHAPES = ("visual", "collision")
# Smallest principal inertia of a link, in [kg m^2].
MIN_INERTIA = 1e-9
# A shorter capsule is a sphere.
MIN_LENGTH_M = 1e-4
COMPILER = {
    "fusestatic": "false",
    "discardvisual": "false",
    "balanceinertia": "true",
    "boundmass": "0.01",
    "boundinertia": "0.00001",
}
# From an optical frame, z forward and y down, to a camera of MuJoCo, -z forward and y up.
OPTICAL_TO_CAMERA = (0.0, 1.0, 0.0, 0.0)
FLOOR = (0.62, 0.60, 0.56, 1.0)
COLOURS = ((0.80, 0.82, 0.84, 1.0), (0.36, 0.55, 0.78, 1.0), (0.93, 0.55, 0.13, 1.0))


def simulation_of(robot: str, task: str) -> ArmSimulation:
    """Return the simulation of a robot.

    Args:
        robot: Name of a description in `config/robots/`, or the path of a file.
        task: Task, for the robot of the simulated cell.

    Returns:
        The simulated cell for the dual UR5e, otherwise only the robot of the description.

    Raises:
        ConfigError: If the description, its URDF or the task is invalid.
    """
    description = read_robot(robot)
    if _is_cell(description):
        return Simulation(task)
    return RobotSimulation(description, urdf_of(robot))


def _is_cell(robot: RobotDescription) -> bool:
    """Return whether a description is that of the cell, perhaps with other limits or topics."""
    return all(
        getattr(robot, name) == getattr(DUAL_UR5E, name)
        for name in ("joints", "home_positions", "camera_names", "name")
    )


class RobotSimulation(ArmSimulation):
    """Arms of a description above a floor, without objects and contacts."""

    def __init__(self, robot: RobotDescription, urdf: Urdf) -> None:
        """Compose the scene, and reset."""
        self._urdf = urdf
        super().__init__(robot_scene(robot, urdf), robot.joints, robot.home_positions)
        self.time_limit_s = TIME_LIMIT_S
        self.reset(0)

    @property
    def task_name(self) -> str:
        """`NO_TASK`."""
        return NO_TASK

    @property
    def reward(self) -> float:
        """Zero."""
        return 0.0

    @property
    def terminated(self) -> bool:
        """Never."""
        return False

    def _start_positions(self, rng: np.random.Generator) -> Array:
        return self.home.copy()

    def _reset_scene(self, rng: np.random.Generator) -> None:
        pass

    def _count_steps(self, steps: int) -> None:
        pass

    def _set_joints(self, positions: Array) -> None:
        values = dict(zip(self.joint_names, positions, strict=True))
        for joint in self._urdf.joints.values():
            if joint.mimic:
                followed = values.get(joint.mimic.joint, 0.0)
                values[joint.name] = joint.mimic.multiplier * followed + joint.mimic.offset
        for name, position in values.items():
            self.data.joint(name).qpos[0] = position


def robot_scene(robot: RobotDescription, urdf: Urdf) -> mujoco.MjSpec:
    """Return the scene of a robot, with a position servo per joint.

    The gain of a servo is its natural frequency squared, times the inertia about the joint in the
    start pose.
    """
    spec = _without_actuators(robot, urdf)
    model = spec.compile()
    data = mujoco.MjData(model)
    for joint, position in robot.home.items():
        data.joint(joint).qpos[0] = position
    mujoco.mj_forward(model, data)
    inertia = np.zeros((model.nv, model.nv))
    mujoco.mj_fullM(model, inertia, data.qM)
    for joint in robot.joints:
        dof = int(model.joint(joint).dofadr[0])
        gain = inertia[dof, dof] * SERVO_FREQUENCY**2
        actuator = spec.add_actuator(name=joint, target=joint, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        actuator.set_to_position(kp=gain, kv=2.0 * gain / SERVO_FREQUENCY)
    return spec


def _without_actuators(robot: RobotDescription, urdf: Urdf) -> mujoco.MjSpec:
    """Return the scene of a robot without its servos."""
    spec = mujoco.MjSpec.from_string(_for_mujoco(urdf.text))
    spec.option.timestep = STEP_S
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    for body in spec.bodies[1:]:
        body.gravcomp = 1.0
    for joint in spec.joints:
        # The servos are critically damped by themselves.
        joint.damping = np.zeros(3)
        joint.frictionloss = 0.0
    for number, (link, capsules) in enumerate(robot.collision_capsules.items()):
        for capsule in capsules:
            spec.body(link).add_geom(
                **_shape(capsule),
                size=[capsule.radius, 0.0, 0.0],
                rgba=COLOURS[number % len(COLOURS)],
                contype=0,
                conaffinity=0,
                mass=0.0,
            )
    for name, camera in robot.cameras.items():
        body = spec.body(camera.frame) if camera.frame else spec.worldbody
        body.add_camera(name=name, quat=OPTICAL_TO_CAMERA, fovy=camera.vertical_fov_deg)
    for joint in urdf.joints.values():
        if joint.moves and not joint.mimic and joint.name not in robot.joints:
            # A joint that nothing commands stays at zero, as the kinematics assume.
            _couple(spec, joint.name, "", 0.0, 0.0)
        if joint.mimic and urdf.joints[joint.mimic.joint].moves:
            _couple(spec, joint.name, joint.mimic.joint, joint.mimic.offset, joint.mimic.multiplier)
    spec.visual.headlight.ambient = [0.4, 0.4, 0.4]
    spec.worldbody.add_geom(
        type=mujoco.mjtGeom.mjGEOM_PLANE, size=[3.0, 3.0, 0.1], rgba=FLOOR, contype=0, conaffinity=0
    )
    for direction in ((0.35, -0.45, -1.0), (-0.6, 0.75, -0.45)):
        spec.worldbody.add_light(
            type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
            dir=direction,
            diffuse=[0.4, 0.4, 0.4],
            castshadow=False,
        )
    return spec


def _couple(
    spec: mujoco.MjSpec, joint: str, followed: str, offset: float, multiplier: float
) -> None:
    """Constrain a joint to another one, or to a constant if `followed` is empty."""
    spec.add_equality(
        type=mujoco.mjtEq.mjEQ_JOINT,
        objtype=mujoco.mjtObj.mjOBJ_JOINT,
        name1=joint,
        name2=followed,
        data=[offset, multiplier, *([0.0] * 9)],
        solref=[COUPLING_S, 1.0],
    )


def _shape(capsule: Capsule) -> dict[str, Any]:
    """Return type and place of the geom of a capsule, which may be a sphere."""
    start, end = np.array(capsule.start), np.array(capsule.end)
    if np.linalg.norm(end - start) < MIN_LENGTH_M:
        return {"type": mujoco.mjtGeom.mjGEOM_SPHERE, "pos": start}
    return {"type": mujoco.mjtGeom.mjGEOM_CAPSULE, "fromto": [*start, *end]}


def _for_mujoco(text: str) -> str:
    """Return a URDF without the geometry of its links, and without impossible inertias."""
    document = ElementTree.fromstring(text)
    for link in document.findall("link"):
        for child in list(link):
            if child.tag in SHAPES or (child.tag == "inertial" and not _is_possible(child)):
                link.remove(child)
    for element in [child for child in document if child.tag not in ("link", "joint")]:
        document.remove(element)
    ElementTree.SubElement(ElementTree.SubElement(document, "mujoco"), "compiler", COMPILER)
    return ElementTree.tostring(document, encoding="unicode")


def _is_possible(inertial: ElementTree.Element) -> bool:
    """Return whether mass and inertia of a link are those of a body; MuJoCo refuses others."""
    mass, inertia = inertial.find("mass"), inertial.find("inertia")
    if mass is None or inertia is None:
        return False
    names = (("ixx", "ixy", "ixz"), ("ixy", "iyy", "iyz"), ("ixz", "iyz", "izz"))
    try:
        matrix = np.array([[float(inertia.get(name, "0")) for name in row] for row in names])
        smallest = float(np.linalg.eigvalsh(matrix).min())
        return float(mass.get("value", "0")) > 0.0 and smallest > MIN_INERTIA
    except ValueError:
        return False
