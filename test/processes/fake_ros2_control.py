"""A fake of ros2_control with mock hardware: real messages over real DDS, faults on request.

One object has the hardware, the controllers and their manager. Each is a separate node in this
process, with the name of the real one. An update loop of 500 Hz reads the hardware, updates the
active controllers, and records the positions.
"""

import threading
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from processes.dds_participant import Participant
from processes.fake_broadcasters import Broadcaster
from processes.fake_controllers import (
    ACTIVE,
    Controller,
    ForwardController,
    TrajectoryController,
)
from processes.fake_hardware import UPDATE_RATE_HZ, Hardware, Step
from rclpy.context import Context
from rclpy.node import Node

from dbp_ros.motion.following import SLIP_SHARE
from dbp_ros.runtime.rate_loop import RateThread
from dbp_ros.settings.controllers import ControllersConfig
from dbp_ros.settings.dual_ur5e import DUAL_UR5E_JOINTS, SIDES
from dbp_ros.settings.guard import GuardConfig

START = np.array([0.2, -1.4, 1.5, -1.6, -1.5, 0.3, 0.04, -0.2, -1.7, 1.3, -1.2, 1.5, -0.3, 0.05])
CONFIG, GUARD = ControllersConfig(), GuardConfig()
# A gripper may hold an object: the guard keeps its command unless the error grows by this share.
KEPT_ERROR = np.where(
    np.isin(DUAL_UR5E_JOINTS, GUARD.gripper_joints),
    SLIP_SHARE * GUARD.reanchor_share * np.array(GUARD.tracking_error_limit),
    0.0,
)
JOINTS_OF = {
    name: CONFIG.joints[part]
    for name, part in zip(CONFIG.controllers, CONFIG.controller_slices(), strict=True)
}
LEFT, LEFT_GRIPPER, RIGHT, RIGHT_GRIPPER = CONFIG.controllers
TRAJECTORY, RIGHT_TRAJECTORY = (f"{side}_joint_trajectory_controller" for side in SIDES)
ONE_BROADCASTER = {"joint_state_broadcaster": DUAL_UR5E_JOINTS}
ONE_EACH_ARM = {
    f"{side}_joint_state_broadcaster": tuple(j for j in DUAL_UR5E_JOINTS if j.startswith(side))
    for side in SIDES
}
ARMS_AND_GRIPPERS = {
    "arm_state_broadcaster": tuple(j for j in DUAL_UR5E_JOINTS if "gripper" not in j),
    "gripper_state_broadcaster": tuple(j for j in DUAL_UR5E_JOINTS if "gripper" in j),
}


DEFAULTS: dict[str, tuple[type[Controller], Sequence[str]]] = {
    **{name: (ForwardController, joints) for name, joints in JOINTS_OF.items()},
    **{name: (Broadcaster, joints) for name, joints in ONE_BROADCASTER.items()},
    TRAJECTORY: (TrajectoryController, JOINTS_OF[LEFT]),
    RIGHT_TRAJECTORY: (TrajectoryController, JOINTS_OF[RIGHT]),
}
ACTIVE_AT_START = frozenset((*JOINTS_OF, *ONE_BROADCASTER))


class ControllerManager(Node):
    """Publishes the activity of the controllers at 1 Hz.

    Attributes:
        publishes_activity: Whether it publishes.
    """

    def __init__(self, controllers: Mapping[str, Controller], context: Context) -> None:
        super().__init__("controller_manager", context=context, enable_rosout=False)
        self.publishes_activity = True
        self._controllers = controllers
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.create_timer(1.0, self._publish)

    def _publish(self) -> None:
        if self.publishes_activity:
            states = [KeyValue(key=n, value=c.state) for n, c in list(self._controllers.items())]
            message = DiagnosticArray()
            message.header.stamp = self.get_clock().now().to_msg()
            message.status = [
                DiagnosticStatus(name="controller_manager: Controllers Activity", values=states),
                DiagnosticStatus(name="controller_manager: Hardware Components Activity"),
            ]
            self._diagnostics.publish(message)


class FakeRos2Control:
    """Fake robot with the topics of ros2_control, and operations on it.

    Attributes:
        hardware: Joints.
        controllers: Loaded controllers by name.
        manager: Controller manager; None after its end.
    """

    def __init__(self, positions: np.ndarray = START) -> None:
        """Create the nodes, with every controller active; `start` runs the loop."""
        self.hardware = Hardware(DUAL_UR5E_JOINTS, positions, KEPT_ERROR)
        self.controllers: dict[str, Controller] = {}
        self.manager: ControllerManager | None = None
        self._loaded: dict[str, tuple[type[Controller], Sequence[str], dict[str, Any]]] = {}
        self._process: Participant | None = None
        self._killed: list[Participant] = []
        self._lock = threading.RLock()
        self.loop = RateThread("ros2_control", UPDATE_RATE_HZ, self._update)
        self.launch()

    def start(self) -> None:
        self.loop.start()

    def stop(self) -> None:
        self.loop.stop()
        self.shut_down()
        self.remove_killed()

    def launch(self, delay_s: float = 0.0) -> None:
        """Start the manager and all controllers; the trajectory controller stays inactive.

        Args:
            delay_s: Time from the first joint states to the start of the other controllers.
        """
        self._process = Participant()
        self.manager = ControllerManager(self.controllers, self._process.context)
        self._process.add(self.manager)
        early, late = list(ONE_BROADCASTER), [n for n in DEFAULTS if n not in ONE_BROADCASTER]
        for names in (early, late) if delay_s else (late + early,):
            for name in names:
                kind, joints = DEFAULTS[name]
                self.load(name, joints, kind)
            self.activate(*ACTIVE_AT_START.intersection(names))
            time.sleep(delay_s)

    def shut_down(self, killed: bool = False) -> None:
        """End the manager with all controllers and joint states.

        Args:
            killed: Whether the nodes stay in the graph until `remove_killed`, like those of a
                killed process until its lease expires.
        """
        with self._lock:
            self.controllers.clear()
            process, self._process, self.manager = self._process, None, None
        if process is not None:
            self._killed.append(process)
        if not killed:
            self.remove_killed()

    def remove_killed(self) -> None:
        """Remove the nodes of killed managers from the graph."""
        while self._killed:
            self._killed.pop().shut_down()

    def restart(self, positions: np.ndarray | None = None, delay_s: float = 0.0) -> None:
        """Start the manager again, perhaps with other positions of the arms; see `launch`."""
        with self._lock:
            self.hardware.place(self.hardware.positions if positions is None else positions)
            self.hardware.follows = True
        self.launch(delay_s)

    def load(
        self,
        name: str,
        joints: Sequence[str],
        kind: type[Controller] = ForwardController,
        **options: Any,
    ) -> Controller:
        """Load and configure a controller, without activating it."""
        assert name not in self.controllers, f"{name} is loaded"
        controller = kind(name, self.hardware, joints, self._process.context, **options)
        self._process.add(controller)
        with self._lock:
            self.controllers[name] = controller
            self._loaded[name] = (kind, joints, options)
        return controller

    def unload(self, *names: str) -> None:
        """Deactivate and unload controllers."""
        with self._lock:
            ended = [self.controllers.pop(name) for name in names]
            for controller in ended:
                if controller.state == ACTIVE:
                    controller.perform("deactivate")
                controller.perform("cleanup")
                controller.perform("shutdown")
        self._process.destroy(*ended)

    def broadcast(
        self, broadcasters: Mapping[str, Sequence[str]], rate_hz: float = UPDATE_RATE_HZ
    ) -> None:
        """Replace the broadcasters."""
        self.unload(*[n for n, c in self.controllers.items() if isinstance(c, Broadcaster)])
        for name, joints in broadcasters.items():
            self.load(name, joints, Broadcaster, rate_hz=rate_hz)
        self.activate(*broadcasters)

    def switch(self, activate: Collection[str] = (), deactivate: Collection[str] = ()) -> None:
        """Switch controllers in one cycle, as `switch_controllers` does."""
        with self._lock:
            for name in deactivate:
                self.controllers[name].perform("deactivate")
            for name in activate:
                claimed = {joint for c in self._active() if c.claims for joint in c.joints}
                new = self.controllers[name]
                assert not (new.claims and claimed & set(new.joints)), f"{name}: claimed already"
                new.perform("activate")

    def activate(self, *names: str) -> None:
        self.switch(activate=names)

    def deactivate(self, *names: str) -> None:
        self.switch(deactivate=names)

    def repair(self) -> None:
        """End all faults: the robot follows, with the controllers of the start."""
        self.hardware.follows = True
        if self.manager is None:
            self.restart()
        self.remove_killed()
        changed = [n for n in self.controllers if self._loaded[n] != (*DEFAULTS.get(n, ()), {})]
        self.unload(*changed)
        for name, (kind, joints) in DEFAULTS.items():
            if name not in self.controllers:
                self.load(name, joints, kind)
        states = {name: controller.state for name, controller in self.controllers.items()}
        active = {name for name, state in states.items() if state == ACTIVE}
        self.switch(ACTIVE_AT_START - active, active - ACTIVE_AT_START)
        self.manager.publishes_activity = True
        for controller in self.controllers.values():
            controller.publishes_transitions = True
            if isinstance(controller, Broadcaster):
                controller.freezes = False

    def largest_step(self, first: int = 0) -> Step:
        """Return the step that exceeds the guard's velocity limits the most, from a cycle on."""
        return self.hardware.largest_step(GuardConfig().velocity_limit, first)

    def _active(self) -> list[Controller]:
        return [c for c in self.controllers.values() if c.state == ACTIVE]

    def _update(self, now_ns: int) -> None:
        with self._lock:
            self.hardware.cycle(now_ns)
            for controller in self._active():
                controller.update(now_ns)
