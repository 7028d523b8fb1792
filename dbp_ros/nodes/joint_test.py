"""`dbp joint-test`: each joint in turn moves slowly to and fro, and its motion is measured.

It finds joints that do not move, move in the opposite direction, or move another joint, before a
policy moves them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from dbp_ros.errors import DbpError
from dbp_ros.guard_state import GuardMode, GuardState
from dbp_ros.motion.joint_sweeps import JointSweeps
from dbp_ros.nodes.guarded_motion import GuardedMotion
from dbp_ros.nodes.operator_client import OperatorClient
from dbp_ros.types import Array

# Shares of the amplitude that the joint must reach, and that other joints must not.
MIN_MOVED, MAX_OTHERS = 0.6, 0.5


@dataclass(frozen=True)
class JointMotion:
    """Measured motion while one joint was commanded, in [rad] or [m].

    Attributes:
        joint: The joint.
        commanded: Its largest commanded displacement.
        moved: Its measured displacement of the largest magnitude.
        other: The other joint that moved most, compared to the displacement it would be tested by.
        other_moved: The displacement of that joint.
        other_share: That displacement as a share of its own test.
        hold: State of the guard if it held the arms during the motion; otherwise empty.
        ended: Why the test ended with this joint; empty if it did not.
    """

    joint: str
    commanded: float
    moved: float
    other: str
    other_moved: float
    other_share: float
    hold: str = ""
    ended: str = ""

    @property
    def problem(self) -> str:
        """Fault of the motion; empty if the joint moved as commanded."""
        fault = self._fault
        if fault and self.hold:
            fault = f"{self.joint} was not tested, as the guard was {self.hold}: repeat the test"
        return "; the test ended: ".join(filter(None, (fault, self.ended)))

    @property
    def _fault(self) -> str:
        share = self.moved / self.commanded
        if share < -MAX_OTHERS:
            return f"{self.joint} moves in the opposite direction: correct its sign in the driver"
        if self.other_share > MAX_OTHERS:
            return (
                f"a command of {self.joint} moves {self.other}: correct the order of the joints "
                "in the description of the robot or in its controller"
            )
        if share < MIN_MOVED:
            return f"{self.joint} does not follow: check its controller and its limits"
        return ""


class SweepRecorder:
    """Largest displacements of all joints while each of them is commanded.

    Attributes:
        tested: Number of joints that were commanded so far.
    """

    def __init__(self, joints: list[str], path: JointSweeps) -> None:
        self._joints, self._path = joints, path
        self.tested = 0
        # Row: commanded joint, column: measured joint.
        self._largest = np.zeros((len(joints), len(joints)))
        self._holds = [""] * len(joints)

    def record(self, path_s: float, positions: Array, state: GuardState) -> None:
        """Record the measured positions at a time on the path, and the state of the guard."""
        moving = int(self._path.moving_joints(np.array([path_s]))[0])
        self.tested = moving + 1
        # The guard waits for the first chunk at the start.
        if state.mode is GuardMode.HOLDING and path_s > 0.0:
            self._holds[moving] = self._holds[moving] or str(state)
        row = self._largest[moving]
        displacement = positions - self._path.goal
        np.copyto(row, displacement, where=np.abs(displacement) > np.abs(row))

    def motions(self) -> Iterator[JointMotion]:
        """Yield the motion of each joint, in the order of the test."""
        amplitude = self._path.amplitude
        for k, joint in enumerate(self._joints):
            shares = np.abs(self._largest[k] / amplitude)
            shares[k] = -1.0
            other = int(np.argmax(shares))
            moved = self._largest[k]
            yield JointMotion(
                joint,
                float(amplitude[k]),
                float(moved[k]),
                self._joints[other],
                float(moved[other]),
                float(shares[other]),
                self._holds[k],
            )


def run_joint_test(
    operator: OperatorClient, report: Callable[[str], None], enable: bool
) -> list[JointMotion]:
    """Move each joint in turn by up to 0.1 rad and back; return the measured motions.

    If an arm does not follow, the motions end with its joint.

    Args:
        operator: Connection to the stack.
        report: Prints a line of progress.
        enable: Whether to enable control if it is disabled.

    Raises:
        DbpError: If there is no guard, the arms cannot move, or they do not return.
    """
    motion = GuardedMotion(operator, report)
    limits = motion.limits
    start = motion.start(enable)
    if not ((limits.lower <= start) & (start <= limits.upper)).all():
        joint = motion.joints[int(np.argmax((start < limits.lower) | (start > limits.upper)))]
        raise DbpError(f"{joint} is beyond its position limits: move the arm, or run dbp home")
    path = JointSweeps(start, limits.lower, limits.upper, limits.velocity, limits.acceleration)
    report(f"moving {len(motion.joints)} joints in {motion.wall_duration_s(path):.0f} s")
    recorder = SweepRecorder(motion.joints, path)
    try:
        motion.follow(path, lambda s, positions: recorder.record(s, positions, motion.state))
    except DbpError as error:
        # A joint with the wrong sign stops the path; the motions so far name it.
        motions = list(recorder.motions())[: recorder.tested]
        if any(found.problem for found in motions):
            return [*motions[:-1], replace(motions[-1], ended=str(error))]
        raise
    return list(recorder.motions())
