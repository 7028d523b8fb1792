"""Take-over and give-back at random moments: guard, policy and teleoperation in motion, no ROS.

The limits are checked from the commands alone.
"""

import numpy as np
import pytest
from motion.guard_cell import measure_rest

from dbp_ros.guard_state import OPERATOR_CONTROL, GuardState
from dbp_ros.motion.guard import MotionGuard
from dbp_ros.robots.check import urdf_of
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.settings.robot_files import read_robot
from dbp_ros.settings.teleop import TeleopConfig
from dbp_ros.teleop.session import Phase, Session
from dbp_ros.teleop.target_motion import TargetMotion
from dbp_ros.types import NS_PER_S, ActionChunk

ROBOT = read_robot("ur5e_dual")
CONFIG, TELEOP = GuardConfig(), TeleopConfig()
HOME = np.array(ROBOT.home_positions)
DT = 1.0 / CONFIG.command_rate_hz
PERIOD_NS = round(NS_PER_S * DT)
# Periods of the guard for one of the policy and of teleoperation.
EVERY = 5
STEP_NS = EVERY * PERIOD_NS
POINTS = 5
AMPLITUDE = np.array([0.03 if joint in ROBOT.gripper_joints else 0.35 for joint in ROBOT.joints])
CENTRE = np.where(AMPLITUDE == 0.03, 0.04, HOME)
CHANGES = 200


class Stack:
    """A guard with arms that follow at once, a policy, and an operator who moves both hands."""

    def __init__(self):
        self.rng = np.random.default_rng(11)
        self.guard = MotionGuard(CONFIG)
        self.motion = TargetMotion(ROBOT, urdf_of("ur5e_dual"), TELEOP)
        self.session = Session()
        self.now_ns, self.periods = NS_PER_S, 0
        self.positions = HOME
        measure_rest(self.guard, HOME, self.now_ns)
        self.guard.enable(self.now_ns)
        self.commands = [HOME]
        self.first_points: list[np.ndarray] = []
        self.operator_moves = True

    def run(self, periods):
        for _ in range(periods):
            self.now_ns += PERIOD_NS
            self.periods += 1
            self.guard.add_measurement(self.positions, self.now_ns)
            if self.periods % EVERY == 0:
                self.publish_policy()
                self.publish_operator()
            command = self.guard.tick(self.now_ns)
            assert command is not None, self.guard.reason
            self.positions = command
            self.commands.append(command)

    def publish_policy(self):
        due_ns = self.now_ns + STEP_NS * np.arange(1, 9)
        phases = 1e-9 * due_ns[:, None] * np.linspace(0.9, 2.3, len(HOME)) + np.arange(len(HOME))
        points = CENTRE + AMPLITUDE * np.sin(phases)
        self.guard.accept(ActionChunk(points, due_ns, self.now_ns), self.now_ns)

    def publish_operator(self):
        operator = self.guard.chunks.operator_control
        self.session.guard = GuardState(self.guard.mode, OPERATOR_CONTROL if operator else "")
        self.session.add_command(self.positions, self.now_ns)
        start = self.session.update(self.motion.positions, self.now_ns)
        if start is not None:
            self.motion.start(start)
        if self.session.phase is not Phase.DRIVING:
            return
        if self.operator_moves:
            for k, arm in enumerate(self.motion.arms):
                seconds = 1e-9 * self.now_ns
                twist = 0.3 * np.sin(np.arange(1, 7) * seconds + k)
                self.motion.set_twist(arm, twist, self.now_ns)
        self.motion.step(self.now_ns)
        points = np.tile(self.motion.positions, (POINTS, 1))
        points += DT * EVERY * np.arange(POINTS)[:, None] * self.motion.velocity
        due_ns = self.now_ns + STEP_NS * np.arange(1, POINTS + 1)
        if start is not None:
            self.first_points.append(np.abs(points - self.positions).max(axis=1))
        self.guard.accept(ActionChunk(points, due_ns, self.now_ns), self.now_ns, by_operator=True)

    def take_over(self):
        self.guard.chunks.set_operator_control(True)
        self.session.begin(self.now_ns)

    def give_back(self):
        self.session.end()
        self.guard.chunks.set_operator_control(False)


@pytest.fixture(scope="module")
def stack() -> Stack:
    return Stack()


def test_200_changes_at_random_moments_keep_every_command_within_the_limits(stack: Stack) -> None:
    stack.run(200)
    moving = 0
    for change in range(CHANGES):
        moving += stack.guard.moving
        if change % 2 == 0:
            stack.take_over()
        else:
            stack.give_back()
        stack.run(int(stack.rng.integers(40, 260)))
    assert moving > 0.95 * CHANGES
    assert not stack.guard.stop_reason
    path = np.array(stack.commands)
    speeds = np.diff(path, axis=0) / DT
    assert (path >= np.array(CONFIG.position_lower) - 1e-9).all()
    assert (path <= np.array(CONFIG.position_upper) + 1e-9).all()
    assert (np.abs(speeds) <= np.array(CONFIG.velocity_limit) + 1e-6).all()
    changes = np.abs(np.diff(speeds, axis=0)) / DT
    assert (changes <= np.array(CONFIG.acceleration_limit) + 1e-3).all()
    # Most take-overs lasted long enough for the operator to drive.
    assert len(stack.first_points) > CHANGES // 4


def test_after_a_take_over_nothing_moves_before_an_input(stack: Stack) -> None:
    stack.operator_moves = False
    stack.take_over()
    stack.run(400)
    rest = stack.positions
    assert stack.session.phase is Phase.DRIVING
    np.testing.assert_array_equal(stack.first_points[-1], 0.0)
    stack.run(100)
    np.testing.assert_array_equal(stack.positions, rest)
    # The first command of the policy is one step away at most.
    stack.give_back()
    stack.run(EVERY + 1)
    allowed = np.array(CONFIG.acceleration_limit) * (DT * (EVERY + 1)) ** 2
    assert (np.abs(stack.positions - rest) <= allowed).all()
