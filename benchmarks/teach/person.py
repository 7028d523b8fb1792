"""A scripted person who drags a hand over the topics of teleoperation, as the page does."""

import re
import time
from collections.abc import Callable

import mujoco
import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, String

from dbp_ros.errors import DbpError
from dbp_ros.nodes.panel_link import PanelLink
from dbp_ros.nodes.qos import LATCHED, SENSOR
from dbp_ros.nodes.stateful_topic import subscribe_stateful
from dbp_ros.panel.links import Action
from dbp_ros.panel.stack_recorder import AFTER_RESET_S, StackRecorder
from dbp_ros.robots.check import urdf_of
from dbp_ros.settings.dual_ur5e import DEFAULT_ROBOT
from dbp_ros.settings.robot_files import read_robot
from dbp_ros.sim.scene import GRIPPER_STROKE_M
from dbp_ros.sim.simulation import Simulation
from dbp_ros.sim.tasks.task import Waypoint
from dbp_ros.types import Array

DRAG_PERIOD_S = 0.05
# In simulation time, of the person and of the policy.
EPISODE_LIMIT_S, WATCH_S = 20.0, 10.0
START_LIMIT_S = 60.0
SEED = re.compile(r"seed (\d+)")


class Scene:
    """Copy of the simulated cell: positions as measured, objects as after the reset."""

    def __init__(self, task: str, mode: str) -> None:
        self._simulation, self._mode = Simulation(task), mode
        self._carry: Waypoint | None = None

    def reset(self, seed: int) -> None:
        """Place the objects as the cell does with a seed."""
        self._simulation.reset(seed)
        self._carry = None

    def waypoint(self, positions: Array) -> Waypoint:
        """Return where the hand is dragged next, with joints at `positions`.

        The copy does not move its objects, so the waypoint after the grasp stays the last one.
        """
        simulation = self._simulation
        if self._carry is None:
            simulation._set_joints(positions)
            mujoco.mj_forward(simulation.model, simulation.data)
            found = simulation.task.waypoints(simulation.model, simulation.data, self._mode)
            if found[self._mode].position[2] > 0.15 and found[self._mode].opening_m == 0.0:
                self._carry = found[self._mode]
            return found[self._mode]
        return self._carry


class Person(Node):  # type: ignore[misc]
    """Node of the person; call its methods from a thread that does not spin it.

    Attributes:
        link: Requests and topics of the page.
        recorder: The recorder, as the page has it.
        real_time_factor: Simulation time per wall time.
        states: Newest state of each node.
    """

    def __init__(self, real_time_factor: float = 1.0) -> None:
        """Join the stack.

        Args:
            real_time_factor: Simulation time per wall time.
        """
        super().__init__("person")
        self.real_time_factor = real_time_factor
        robot = read_robot(DEFAULT_ROBOT)
        self._joints = robot.joints
        self.link = PanelLink(self, list(robot.arms), urdf_of(DEFAULT_ROBOT).root)
        self.recorder = PersonsRecorder(self)
        self.states: dict[str, str] = {}
        self._positions: Array | None = None
        self._solved = False
        self._seed = 0
        self.create_subscription(JointState, "joint_states", self._on_joint_state, SENSOR)
        subscribe_stateful(self, Bool, "success", self._on_success)
        for name in ("guard", "teleop", "recorder", "policy", "simulation"):
            self.create_subscription(
                String, f"{name}/state", lambda m, n=name: self.states.update({n: m.data}), LATCHED
            )

    @property
    def positions(self) -> Array:
        """Newest measured positions in [rad] and [m].

        Raises:
            DbpError: If none have arrived.
        """
        if self._positions is None:
            raise DbpError("no joint states have arrived")
        return self._positions

    @property
    def seed(self) -> int:
        """Seed of the present scene."""
        return self._seed

    @property
    def solved(self) -> bool:
        """Whether the task was solved in the present scene."""
        return self._solved

    def new_scene(self) -> str:
        """Reset the cell; return its message.

        Raises:
            DbpError: If it is refused.
        """
        message = self.recorder.reset()
        self._solved = False
        found = SEED.search(message)
        if found is None:
            raise DbpError(f"the reset returned {message!r}, expected the seed")
        self._seed = int(found[1])
        return message

    def request(self, action: Action) -> str:
        """Make a request of the page; return its message."""
        return self.link.request(action, lambda line: None)

    def is_recording(self) -> bool:
        """Return whether the recorder records an episode."""
        return self.states.get("recorder", "").startswith("recording")

    def demonstrate(self, scene: Scene, arm: str) -> bool:
        """Drag a hand until the task is solved; return whether it is in time."""
        scene.reset(self._seed)
        deadline = time.monotonic() + EPISODE_LIMIT_S / self.real_time_factor
        while not self._solved and time.monotonic() < deadline:
            if self._positions is not None:
                self._drag(scene.waypoint(self._positions), arm)
            time.sleep(DRAG_PERIOD_S)
        return self._solved

    def watch(self) -> bool:
        """Wait until the task is solved by the policy; return whether it is in time."""
        deadline = time.monotonic() + WATCH_S / self.real_time_factor
        while not self._solved and time.monotonic() < deadline:
            time.sleep(DRAG_PERIOD_S)
        return self._solved

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until a condition holds.

        Raises:
            DbpError: If it does not within `START_LIMIT_S`.
        """
        deadline = time.monotonic() + START_LIMIT_S
        while not condition():
            if time.monotonic() > deadline:
                raise DbpError(f"waited {START_LIMIT_S:g} s for {what}; states: {self.states}")
            time.sleep(DRAG_PERIOD_S)

    def _drag(self, waypoint: Waypoint, arm: str) -> None:
        wxyz = np.empty(4)
        mujoco.mju_mat2Quat(wxyz, np.ascontiguousarray(waypoint.rotation).ravel())
        self.link.send_hand_target(arm, waypoint.position, wxyz)
        self.link.send_gripper(arm, waypoint.opening_m / GRIPPER_STROKE_M)

    def _on_joint_state(self, message: JointState) -> None:
        measured = dict(zip(message.name, message.position, strict=True))
        if all(joint in measured for joint in self._joints):
            self._positions = np.array([measured[joint] for joint in self._joints])

    def _on_success(self, message: Bool) -> None:
        self._solved = self._solved or bool(message.data)


class PersonsRecorder(StackRecorder):
    """Recorder whose state is that of the topic, and whose reset tells the seed to the person."""

    def __init__(self, person: Person) -> None:
        super().__init__(person.link, AFTER_RESET_S / person.real_time_factor)
        self._person = person

    @property
    def state(self) -> str:
        """State of the recorder."""
        return self._person.states.get("recorder", "")

    def reset(self) -> str:
        """Reset the simulated cell; return a message."""
        return super().new_scene()

    def new_scene(self) -> str:
        """Reset the simulated cell for the person; return a message."""
        return self._person.new_scene()
