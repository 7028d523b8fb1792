"""Motion of the joint targets of an operator, from all kinds of inputs."""

from dataclasses import replace
from enum import Enum

import numpy as np

from dbp_ros.motion.limits import Limiter, Limits
from dbp_ros.robots.urdf import Urdf
from dbp_ros.settings.robot import RobotDescription
from dbp_ros.settings.teleop import TeleopConfig, check_teleop
from dbp_ros.teleop.grippers import Grippers
from dbp_ros.teleop.hand_goal import HandGoal
from dbp_ros.teleop.hand_kinematics import HandKinematics
from dbp_ros.teleop.leader_arm import LeaderArm
from dbp_ros.types import Array, Flags, seconds_to_ns

# A joint has arrived at the leader within this distance, and within this share of its range.
ALIGNED, ALIGNED_SHARE = 0.01, 0.02


class Source(Enum):
    """Source of the motion of an arm."""

    NONE = "held"
    HAND = "hand"
    LEADER = "leader"


class TargetMotion:
    """Joint targets that move within shares of the limits of position, speed and acceleration.

    An arm is held until the first input. It follows its hand goal, or a leader arm while no other
    input of the arm is recent. An arm without inputs or `keep_alive` comes to rest: a target may be
    far away, and the device that set it may be lost. Inputs of other arms, a device at rest and a
    leader do not count. All times are on the steady clock. Not thread-safe.

    Attributes:
        arms: Names of the arms.
        leader: The leader arm.
        kinematics: Kinematics of the hands.
        driven: Whether an arm had a recent input, or a leader, in the last step.
    """

    def __init__(self, robot: RobotDescription, urdf: Urdf, config: TeleopConfig) -> None:
        """Start at the start pose of the robot.

        Raises:
            ConfigError: If the settings or the kinematics do not fit the robot.
        """
        check_teleop(config, robot)
        self.arms = tuple(robot.arms)
        self._dt = 1.0 / config.teleop_rate_hz
        self._limits = _scaled_limits(robot, config)
        self.kinematics = HandKinematics(robot, urdf, self._limits.velocity, self._dt)
        self.leader = LeaderArm(robot.joints, config.leader())
        self._grippers = Grippers(robot, config)
        self._config = config
        self._columns = {
            name: np.array([robot.joints.index(j) for j in (*arm.joints, *arm.gripper_joints)])
            for name, arm in robot.arms.items()
        }
        self._align_velocity = config.leader_align_share * np.array(robot.limits("max_velocity"))
        width = self._limits.upper - self._limits.lower
        self._aligned_distance = np.minimum(ALIGNED, ALIGNED_SHARE * width)
        self._twist_timeout_ns = seconds_to_ns(config.twist_timeout_s)
        self._input_timeout_ns = seconds_to_ns(config.input_timeout_s)
        self._speed_scaling = 1.0
        self.start(np.array(robot.home_positions))

    def start(self, positions: Array) -> None:
        """Set all targets to some positions, at rest. Shape (nu,)."""
        self._limiter = Limiter(self._limits, positions, self._dt)
        self._limiter.scale_speed(self._speed_scaling)
        poses = self.kinematics.poses(positions)
        self._goals = {arm: HandGoal(self._config, pose) for arm, pose in poses.items()}
        for arm in self.arms:
            self._grippers.hold(arm, positions)
        self._hand_input_ns = dict.fromkeys(self.arms, 0)
        self._alive_ns = dict.fromkeys(self.arms, 0)
        self.driven = False
        self._source = dict.fromkeys(self.arms, Source.NONE)
        self._rest = positions
        self._aligned = np.zeros(len(positions), bool)
        self.leader.clear()

    @property
    def positions(self) -> Array:
        """Present targets in [rad] and [m]. Shape (nu,)."""
        return self._limiter.command

    @property
    def velocity(self) -> Array:
        """Their velocity in [rad/s] and [m/s]. Shape (nu,)."""
        return self._limiter.velocity

    def scale_speed(self, factor: float) -> None:
        """Multiply all speed limits by a factor of at most 1."""
        self._speed_scaling = factor
        self._limiter.scale_speed(factor)

    def keep_alive(self, arm: str, now_ns: int) -> None:
        """Continue to the targets of an arm: the device that set them is connected."""
        self._alive_ns[arm] = now_ns

    def set_hand_target(self, arm: str, pose: Array, now_ns: int) -> None:
        """Move a hand to a pose. Shape (4, 4)."""
        self._take_hand(arm, now_ns)
        self._goals[arm].hold(pose)

    def set_twist(self, arm: str, twist: Array, now_ns: int) -> None:
        """Move a hand by a twist in [m/s] and [rad/s], in the root frame; zero stops it.

        Args:
            arm: Name of the arm.
            twist: Linear and angular velocity. Shape (6,).
            now_ns: Present time.
        """
        if twist.any():
            self._take_hand(arm, now_ns)
            self._goals[arm].set_twist(twist, now_ns)
        elif self._goals[arm].twisting:
            self._hold_arm(arm)

    def set_opening(self, arm: str, share: float, now_ns: int) -> None:
        """Move a gripper to an opening share: 0 is closed, 1 is open."""
        self.keep_alive(arm, now_ns)
        self._grippers.set_share(arm, share)

    def set_opening_speed(self, arm: str, speed: float, now_ns: int) -> None:
        """Open or close a gripper with a speed in opening shares [1/s] until the timeout."""
        if speed:
            self.keep_alive(arm, now_ns)
        self._grippers.set_speed(arm, speed, now_ns)

    def step(self, now_ns: int) -> None:
        """Move all targets by one step."""
        leader = self.leader.target(now_ns, self._twist_timeout_ns)
        self._end_silent_inputs(now_ns)
        self.driven = any(self._alive_ns.values()) or bool(np.isfinite(leader).any())
        self._update_sources(leader, now_ns)
        target, velocity = self.positions.copy(), np.zeros_like(self.positions)
        steps: dict[str, Array] = {}
        for arm, source in self._source.items():
            columns = self._columns[arm]
            if source is Source.HAND:
                pose = self.kinematics.poses(self.positions)[arm]
                steps[arm] = self._goals[arm].next_pose(pose, now_ns)
            elif source is Source.NONE:
                target[columns] = self._rest[columns]
        hands = self._speed_scaling * self.kinematics.velocities(self.positions, steps)
        self._grippers.move(target, now_ns, self._dt)
        led = self._follow_leader(target, leader)
        moving = hands != 0.0
        target[moving] += hands[moving] * self._dt
        velocity[moving] = hands[moving]
        self._limiter.follow(target, velocity)
        # A gripper stays where the leader moved it when the leader is silent.
        self._grippers.follow(led, self.positions)

    def _end_silent_inputs(self, now_ns: int) -> None:
        """Hold the arms whose last input is older than the timeout, once."""
        for arm, alive_ns in self._alive_ns.items():
            if alive_ns and now_ns - alive_ns > self._input_timeout_ns:
                self._alive_ns[arm] = 0
                self._hold_arm(arm)
                self._grippers.hold(arm, self._rest)

    def _update_sources(self, leader: Array, now_ns: int) -> None:
        """Follow the leader with arms without another recent input; end twists by their timeout."""
        for arm, columns in self._columns.items():
            recent = now_ns - self._hand_input_ns[arm] <= self._input_timeout_ns
            if not recent and np.isfinite(leader[columns]).any():
                self._source[arm] = Source.LEADER
            elif self._source[arm] is Source.HAND and self._goals[arm].expired(now_ns):
                self._hold_arm(arm)

    def _follow_leader(self, target: Array, leader: Array) -> Flags:
        """Set the targets of the joints that follow the leader, slowly until they are there.

        Returns:
            These joints. Shape (nu,).
        """
        limiter, scaling = self._limiter, self._speed_scaling
        led = np.isfinite(leader)
        for arm, columns in self._columns.items():
            if self._source[arm] is not Source.LEADER:
                led[columns] = False
        target[led] = leader[led]
        near = np.abs(leader - self.positions) <= self._aligned_distance
        self._aligned = (self._aligned | near) & led
        slow = led & ~self._aligned
        limiter.max_velocity = scaling * np.where(slow, self._align_velocity, self._limits.velocity)
        return led

    def _take_hand(self, arm: str, now_ns: int) -> None:
        """Move an arm by its hand from now on, from its present pose."""
        self._hand_input_ns[arm] = now_ns
        self.keep_alive(arm, now_ns)
        if self._source[arm] is not Source.HAND:
            self._source[arm] = Source.HAND
            self._goals[arm].hold(self.kinematics.poses(self.positions)[arm])
            self.kinematics.set_posture(arm, self.positions)

    def _hold_arm(self, arm: str) -> None:
        """Bring an arm to rest within the limits."""
        braking = self.velocity * np.abs(self.velocity) / (2.0 * self._limits.acceleration)
        stop = np.clip(self.positions + braking, self._limits.lower, self._limits.upper)
        columns = self._columns[arm]
        self._rest = self._rest.copy()
        self._rest[columns] = stop[columns]
        self._goals[arm].hold(self._goals[arm].pose)
        self._source[arm] = Source.NONE


def _scaled_limits(robot: RobotDescription, config: TeleopConfig) -> Limits:
    """Return the position limits of a robot, and shares of its other limits."""
    limits = Limits(
        *(
            np.array(robot.limits(name))
            for name in ("min_position", "max_position", "max_velocity", "max_acceleration")
        )
    )
    return replace(
        limits,
        velocity=config.velocity_share * limits.velocity,
        acceleration=config.acceleration_share * limits.acceleration,
    )
