"""The closest command that a robot can follow: position, velocity and acceleration limits.

All three hold at once and for ever: a joint is never allowed a speed from which it could not stop
before its position limit. With `v` the speed taken for one period `dt` and `a` the deceleration,
the way to standstill is at most `v dt + v^2 / (2 a)`, so a way `d` allows the speed
`sqrt((a dt)^2 + 2 a d) - a dt`; from a speed that was allowed, braking by `a dt` stays allowed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dbp_ros.errors import ConfigError
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.types import Array, Flags

# A joint this far from its target, in [rad] or [m], was kept from it by a limit.
NOTICEABLE = 1e-3
# A joint this close to where it was to go, in [rad] or [m], is there.
ARRIVED = 1e-5
# A warning while most commands are limited begins above one share and ends below another.
LIMITED_WINDOW_S = 2.0
WARN_ABOVE, QUIET_BELOW = 0.5, 0.25


@dataclass(frozen=True)
class Limits:
    """Limits of each joint, in [rad] and [m] and their derivatives. Shapes (nu,)."""

    lower: Array
    upper: Array
    velocity: Array
    acceleration: Array

    @classmethod
    def of(cls, config: GuardConfig) -> "Limits":
        """Take the limits from settings.

        Raises:
            ConfigError: If a list does not have one finite value a joint, or lower is not below
                upper.
        """
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
        """Return the limits as text, one line a joint."""
        rows = zip(joints, self.lower, self.upper, self.velocity, self.acceleration, strict=True)
        return "\n".join(
            f"  {joint}: position {low:.3g} to {high:.3g}, velocity {v:.3g}, acceleration {a:.3g}"
            for joint, low, high, v, a in rows
        )


def stoppable_speed(way: Array, acceleration: Array, dt: float) -> Array:
    """Return the highest speed for one period from which a joint can stop within `way`."""
    braking = acceleration * dt
    return np.sqrt(braking**2 + 2.0 * acceleration * np.maximum(way, 0.0)) - braking


class Limiter:
    """The last command and its velocity, moved on by one safe step at a time.

    Attributes:
        command: Last command in [rad] and [m]. Shape (nu,).
        velocity: Its velocity in [rad/s] and [m/s]. Shape (nu,).
        behind: Distance from the last target, in [rad] and [m]. Shape (nu,).
    """

    def __init__(self, limits: Limits, start: Array, dt: float) -> None:
        """Start at rest.

        Args:
            limits: Limits of each joint.
            start: First command; one outside the position limits is left slowly, never jumped
                from. Shape (nu,).
            dt: Time between two commands, in [s].
        """
        self.limits = limits
        self.dt = dt
        self.command = np.array(start, dtype=np.float64)
        self.velocity = np.zeros_like(self.command)
        self.behind = np.zeros_like(self.command)

    @property
    def at_rest(self) -> bool:
        """Whether the last step moved no joint."""
        return not self.velocity.any()

    def follow(self, target: Array, target_velocity: Array) -> bool:
        """Move towards a moving target, as far as the limits allow.

        A joint that lags catches up no faster than it can brake again when it arrives. A joint
        whose target is not a number brakes.

        Args:
            target: Where to be at the end of this period. Shape (nu,).
            target_velocity: How fast the target moves. Shape (nu,).

        Returns:
            Whether a limit kept any joint noticeably from the target.
        """
        limits, dt = self.limits, self.dt
        target_velocity = np.clip(target_velocity, -limits.velocity, limits.velocity)
        lag = target - target_velocity * dt - self.command
        catch_up = stoppable_speed(np.abs(lag), limits.acceleration, dt)
        self._move(target_velocity + np.copysign(catch_up, lag))
        self.behind = np.abs(self.command - target)
        return not (self.behind <= NOTICEABLE).all()

    def reanchor(self, joints: Flags, positions: Array) -> None:
        """Set the command of some joints to where they are, at rest.

        Args:
            joints: Which. Shape (nu,).
            positions: Where they are. Shape (nu,).
        """
        self.command = np.where(joints, positions, self.command)
        self.velocity = np.where(joints, 0.0, self.velocity)

    def give_way(self, joints: Flags, targets: Array) -> bool:
        """Move some joints to a target that stands still, and bring the others to rest.

        They do not follow their command, so it turns round at once, at the velocity limit.

        Args:
            joints: Which. Shape (nu,).
            targets: Where to. Shape (nu,).

        Returns:
            Whether they have arrived.
        """
        before, step = self.command, self.limits.velocity * self.dt
        self._move(np.zeros_like(self.velocity))
        towards = before + np.clip(targets - before, -step, step)
        self.command = np.where(joints, towards, self.command)
        self.velocity = np.where(joints, 0.0, self.velocity)
        return bool((np.abs(targets - self.command)[joints] <= ARRIVED).all())

    def brake(self) -> None:
        """Come to rest as fast as the acceleration limits allow, then stay."""
        self._move(np.zeros_like(self.velocity))

    def _move(self, velocity: Array) -> None:
        limits, dt = self.limits, self.dt
        step = limits.acceleration * dt
        velocity = np.where(np.isnan(velocity), 0.0, velocity)
        velocity = np.clip(velocity, -limits.velocity, limits.velocity)
        velocity = np.minimum(
            velocity, stoppable_speed(limits.upper - self.command, limits.acceleration, dt)
        )
        velocity = np.maximum(
            velocity, -stoppable_speed(self.command - limits.lower, limits.acceleration, dt)
        )
        self.velocity = np.clip(velocity, self.velocity - step, self.velocity + step)
        self.command = self.command + self.velocity * dt


class LimitedShare:
    """How large a share of the last commands the limits kept far from their targets."""

    def __init__(self, joints: Sequence[str], rate_hz: float, far: Array) -> None:
        """Start without commands.

        Args:
            joints: Names of the joints.
            rate_hz: Commands a second.
            far: Distance from its target at which a command counts, in [rad] and [m]. Shape (nu,).
        """
        self._joints = joints
        self._decay = 1.0 / (LIMITED_WINDOW_S * rate_hz)
        self._shares = np.zeros(len(joints))
        self._far = far
        self._warning = ""

    def add(self, behind: Array) -> None:
        """Record how far each command is from its target. Shape (nu,)."""
        self._shares += self._decay * (~(behind <= self._far) - self._shares)

    @property
    def warning(self) -> str:
        """A sentence while most commands are limited; empty otherwise."""
        worst = int(np.argmax(self._shares))
        if self._shares[worst] < (QUIET_BELOW if self._warning else WARN_ABOVE):
            self._warning = ""
        elif not self._warning:
            self._warning = (
                f"most commands are limited, most of all for {self._joints[worst]}: the chunks "
                "exceed the limits of velocity, acceleration or position"
            )
        return self._warning
