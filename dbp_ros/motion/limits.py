"""Position, velocity and acceleration limits of commands.

A joint never exceeds the speed from which it can stop before its position limit. With a speed `v`
for one period `dt` and a deceleration `a`, the stopping distance is at most `v dt + v^2 / (2 a)`.
A distance `d` thus allows the speed `sqrt((a dt)^2 + 2 a d) - a dt`. From an allowed speed, braking
by `a dt` leads to an allowed speed, so the limits also hold in all later periods.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dbp_ros.errors import ConfigError
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.types import Array, Flags

# A joint counts as limited if it is this far from its target, in [rad] or [m].
LIMITED_DISTANCE = 1e-3
# A joint has arrived within this distance of its target, in [rad] or [m].
ARRIVED = 1e-5
# The warning begins above the first share of limited commands and ends below the second.
LIMITED_WINDOW_S = 2.0
WARN_ABOVE, CLEAR_BELOW = 0.5, 0.25


@dataclass(frozen=True)
class Limits:
    """Limits of the joints, in [rad], [m] and their time derivatives. Shapes (nu,)."""

    lower: Array
    upper: Array
    velocity: Array
    acceleration: Array

    @classmethod
    def from_config(cls, config: GuardConfig) -> "Limits":
        """Return the limits in the settings.

        Raises:
            ConfigError: If a list does not have one finite value per joint, lower is not below
                upper, or a gripper joint is not a joint.
        """
        unknown = [name for name in config.gripper_joints if name not in config.joints]
        # The default names are those of one robot.
        if unknown and config.gripper_joints != GuardConfig.gripper_joints:
            raise ConfigError(
                f"gripper_joints has {unknown[0]}, expected joints of {', '.join(config.joints)}: "
                "correct its name"
            )
        names = ("position_lower", "position_upper", "velocity_limit", "acceleration_limit")
        for name in (*names, "tracking_error_limit"):
            if len(getattr(config, name)) != len(config.joints):
                raise ConfigError(
                    f"{name} has {len(getattr(config, name))} values, expected "
                    f"{len(config.joints)}: one for each of {', '.join(config.joints)}"
                )
            if not np.isfinite(getattr(config, name)).all():
                raise ConfigError(f"{name} is {getattr(config, name)}, expected finite numbers")
        limits = cls(*(np.array(getattr(config, name), dtype=np.float64) for name in names))
        if (limits.lower >= limits.upper).any():
            joint = config.joints[int(np.argmax(limits.lower >= limits.upper))]
            raise ConfigError(f"position_lower is not below position_upper for {joint}")
        return limits

    def table(self, joints: Sequence[str]) -> str:
        """Return the limits as text, one line per joint."""
        rows = zip(joints, self.lower, self.upper, self.velocity, self.acceleration, strict=True)
        return "\n".join(
            f"  {joint}: position {low:.3g} to {high:.3g}, velocity {v:.3g}, acceleration {a:.3g}"
            for joint, low, high, v, a in rows
        )


def stoppable_speed(distance: Array, acceleration: Array, dt: float) -> Array:
    """Return the highest speed for one period from which a joint can stop within a distance."""
    braking = acceleration * dt
    return np.sqrt(braking**2 + 2.0 * acceleration * np.maximum(distance, 0.0)) - braking


class Limiter:
    """Last command and its velocity, advanced by one safe step per period.

    Attributes:
        command: Last command in [rad] and [m]. Shape (nu,).
        velocity: Its velocity in [rad/s] and [m/s]. Shape (nu,).
        target_distance: Distance from the last target, in [rad] and [m]. Shape (nu,).
        max_velocity: Scaled velocity limits. Shape (nu,).
    """

    def __init__(self, limits: Limits, start: Array, dt: float) -> None:
        """Start at rest.

        Args:
            limits: Limits of each joint.
            start: First command; it may be outside the position limits. Shape (nu,).
            dt: Time between two commands, in [s].
        """
        self.limits = limits
        self.dt = dt
        self.command = np.array(start, dtype=np.float64)
        self.velocity = np.zeros_like(self.command)
        self.target_distance = np.zeros_like(self.command)
        self.max_velocity = limits.velocity

    @property
    def at_rest(self) -> bool:
        """Whether the last step moved no joint."""
        return not self.velocity.any()

    def scale_speed(self, factor: float) -> None:
        """Multiply the velocity limits by a factor; faster joints decelerate within their limits.

        A lower speed only shortens the stopping distance, so the position limits hold.
        """
        self.max_velocity = factor * self.limits.velocity

    def follow(self, target: Array, target_velocity: Array) -> bool:
        """Move towards a moving target, as far as the limits allow.

        A lagging joint catches up at a speed from which it can still brake. A joint whose target is
        NaN brakes.

        Args:
            target: Position at the end of this period. Shape (nu,).
            target_velocity: Velocity of the target. Shape (nu,).

        Returns:
            Whether a limit kept a joint from the target.
        """
        limits, dt = self.limits, self.dt
        target_velocity = np.clip(target_velocity, -self.max_velocity, self.max_velocity)
        lag = target - target_velocity * dt - self.command
        catch_up = stoppable_speed(np.abs(lag), limits.acceleration, dt)
        self._move(target_velocity + np.copysign(catch_up, lag))
        self.target_distance = np.abs(self.command - target)
        return not (self.target_distance <= LIMITED_DISTANCE).all()

    def set_command(self, joints: Flags, positions: Array) -> None:
        """Set the command of some joints, at rest. Both arguments have shape (nu,)."""
        self.command = np.where(joints, positions, self.command)
        self.velocity = np.where(joints, 0.0, self.velocity)

    def ramp(self, joints: Flags, targets: Array) -> bool:
        """Move the commands of some joints to fixed targets; bring the others to rest.

        The commands move at the velocity limit, without an acceleration limit, as these joints do
        not follow them.

        Args:
            joints: Joints to move. Shape (nu,).
            targets: Their targets. Shape (nu,).

        Returns:
            Whether the commands have arrived.
        """
        before, step = self.command, self.max_velocity * self.dt
        self._move(np.zeros_like(self.velocity))
        towards = before + np.clip(targets - before, -step, step)
        self.command = np.where(joints, towards, self.command)
        self.velocity = np.where(joints, 0.0, self.velocity)
        return bool((np.abs(targets - self.command)[joints] <= ARRIVED).all())

    def brake(self) -> None:
        """Decelerate at the acceleration limits, then stay."""
        self._move(np.zeros_like(self.velocity))

    def _move(self, velocity: Array) -> None:
        limits, dt = self.limits, self.dt
        step = limits.acceleration * dt
        velocity = np.where(np.isnan(velocity), 0.0, velocity)
        velocity = np.clip(velocity, -self.max_velocity, self.max_velocity)
        velocity = np.minimum(
            velocity, stoppable_speed(limits.upper - self.command, limits.acceleration, dt)
        )
        velocity = np.maximum(
            velocity, -stoppable_speed(self.command - limits.lower, limits.acceleration, dt)
        )
        self.velocity = np.clip(velocity, self.velocity - step, self.velocity + step)
        self.command = self.command + self.velocity * dt


class LimitedShare:
    """Share of recent commands that the limits kept far from their targets."""

    def __init__(self, joints: Sequence[str], rate_hz: float, distance: Array) -> None:
        """Start without commands.

        Args:
            joints: Names of the joints.
            rate_hz: Commands per second.
            distance: Distance from its target from which a command counts. Shape (nu,).
        """
        self._joints = joints
        self._decay = 1.0 / (LIMITED_WINDOW_S * rate_hz)
        self._shares = np.zeros(len(joints))
        self._distance = distance
        self._warning = ""

    def add(self, target_distance: Array) -> None:
        """Record the distance of a command from its target. Shape (nu,)."""
        self._shares += self._decay * (~(target_distance <= self._distance) - self._shares)

    @property
    def warning(self) -> str:
        """Warning while most commands are limited; empty otherwise."""
        worst = int(np.argmax(self._shares))
        if self._shares[worst] < (CLEAR_BELOW if self._warning else WARN_ABOVE):
            self._warning = ""
        elif not self._warning:
            self._warning = (
                f"most commands are limited, most of all for {self._joints[worst]}: the chunks "
                "exceed the limits of velocity, acceleration or position"
            )
        return self._warning
