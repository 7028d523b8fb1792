"""A guard with two simulated joints."""

from dataclasses import dataclass

import numpy as np

from dbp_ros.motion.feedback import SPEED_NS
from dbp_ros.motion.guard import MotionGuard
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.types import NS_PER_S, ActionChunk

CONFIG = GuardConfig(
    joints=("left_elbow_joint", "right_elbow_joint"),
    position_lower=(-1.0, -1.0),
    position_upper=(1.0, 1.0),
    velocity_limit=(2.0, 2.0),
    acceleration_limit=(12.0, 12.0),
    tracking_error_limit=(0.3, 0.3),
    command_rate_hz=250.0,
    position_margin=np.inf,
)
PERIOD_NS = 4_000_000
DT = PERIOD_NS / NS_PER_S
STEP_NS = 20_000_000
START = np.array([0.2, -0.2])
AHEAD = np.array([0.8, 0.4])


@dataclass
class Cell:
    """Two joints that follow every command at once, their guard and its clock."""

    guard: MotionGuard
    positions: np.ndarray
    now_ns: int = NS_PER_S

    def run(self, periods, chunk=None, measured=True):
        """Return the command of each period; `chunk` makes a fresh chunk for each."""
        commands = []
        for _ in range(periods):
            self.now_ns += PERIOD_NS
            if measured:
                self.guard.add_measurement(self.positions, self.now_ns)
            if chunk is not None:
                self.guard.accept(chunk(self.now_ns), self.now_ns)
            commands.append(self.guard.tick(self.now_ns))
            self.positions = self.positions if commands[-1] is None else commands[-1]
        return commands


@dataclass
class FaultyCell(Cell):
    """A cell whose arms can be made not to follow."""

    follows: bool = True
    offset: float = 0.0

    def run(self, periods, chunk=None, measured=True):
        commands = []
        for _ in range(periods):
            before = self.positions
            commands += super().run(1, chunk, measured)
            self.positions = self.positions + self.offset if self.follows else before
        return commands


def measure_rest(guard, positions, now_ns):
    """Measure arms at rest for as long as the guard needs to know their speed."""
    for at_ns in (now_ns - SPEED_NS, now_ns):
        guard.add_measurement(np.asarray(positions), at_ns)


def towards(target, points=10):
    """Return a function that makes a chunk at one target."""
    return lambda now_ns: ActionChunk(
        positions=np.tile(np.asarray(target, dtype=float), (points, 1)),
        due_ns=now_ns + STEP_NS * np.arange(1, points + 1),
        stamp_ns=now_ns,
    )


def reset_after_a_jump(faulty):
    """Stop arms that do not follow, let their joint states jump, and reset the stop."""
    faulty.run(40, towards(AHEAD))
    faulty.follows = False
    while not faulty.guard.stop_reason:
        faulty.run(1, towards(AHEAD))
    faulty.positions = np.array([-0.9, -0.9])
    faulty.run(600)
    faulty.guard.reset()


def sent(commands):
    """Return the commands without the periods that had none."""
    return np.array([command for command in commands if command is not None])


def assert_smooth(commands):
    steps = np.diff(sent(commands), axis=0)
    assert (np.abs(steps) <= 2.0 * DT + 1e-9).all()
    assert (np.abs(np.diff(steps, axis=0)) <= 12.0 * DT**2 + 1e-9).all()
