"""Rate and offset of a simulator's `/clock`, estimated from its messages.

A simulator may run at any real-time factor, change it, publish in coarse steps, stall or restart.
Each message gives one sample: its arrival on the steady clock and the time in it. A delayed
message makes a sample lag and no effect makes it lead, so the fit uses the most advanced samples.
"""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

MIN_FACTOR, MAX_FACTOR = 0.02, 50.0
# Window and smallest number of samples for the estimate of the factor.
WINDOW_NS = 400_000_000
MIN_SAMPLES = 4
MIN_SPAN_NS = 100_000_000
# The offset follows the most advanced sample of this window, or of a shorter one after the clock
# has slowed down.
ANCHOR_NS = 150_000_000
NEWEST_NS = 40_000_000
SLOWED_NS = 10_000_000
# Only the most advanced sample of each bin is kept.
BIN_NS = 10_000_000
# The line is unchanged while it predicts the samples this well, so that stamps map back exactly.
TOLERANCE_NS = 1_000_000
FACTOR_TOLERANCE = 0.02
# A factor this close to the nominal one is replaced by it.
NOMINAL_TOLERANCE = 0.003
# A larger step of `/clock` counts as a jump.
JUMP_NS = 100_000_000
# `/clock` has stalled after this time and this number of its usual intervals without a message.
STALL_NS = 150_000_000
STALL_INTERVALS = 4
# The reference point of a line is moved after this time, so that differences stay small.
REANCHOR_NS = 1_000_000_000
# A clock that jumps back this often within a second has two publishers.
BACKWARD_JUMPS = 3
BACKWARD_NS = 1_000_000_000


class ClockSample(NamedTuple):
    """A message on `/clock`.

    Attributes:
        steady_ns: Arrival on the steady clock.
        ros_ns: Time in the message.
    """

    steady_ns: int
    ros_ns: int


class ClockLine(NamedTuple):
    """Linear relation between the steady clock and the ROS clock.

    Attributes:
        steady_ns: Reference time on the steady clock.
        ros_ns: The same time on the ROS clock.
        factor: Real-time factor: seconds of the ROS clock per second of the steady clock.
    """

    steady_ns: int
    ros_ns: int
    factor: float

    def at(self, steady_ns: int) -> "ClockLine":
        """Return the same line with another reference time."""
        return ClockLine(steady_ns, self.ros_at(steady_ns), self.factor)

    def ros_at(self, steady_ns: int) -> int:
        """Convert a time from the steady clock to the ROS clock."""
        since_ns = steady_ns - self.steady_ns
        return self.ros_ns + (since_ns if self.factor == 1.0 else round(since_ns * self.factor))

    def steady_at(self, ros_ns: int) -> int:
        """Convert a time from the ROS clock to the steady clock."""
        since_ns = ros_ns - self.ros_ns
        return self.steady_ns + (since_ns if self.factor == 1.0 else round(since_ns / self.factor))

    def lag_ns(self, sample: ClockSample) -> float:
        """Return the delay of a sample with respect to the line, in [ns]."""
        return sample.steady_ns - self.steady_ns - (sample.ros_ns - self.ros_ns) / self.factor


class ClockEstimator:
    """Estimator of the line of `/clock`. One thread adds the messages.

    Attributes:
        line: Current estimate, replaced as a whole; None before the first message.
    """

    def __init__(self, nominal_factor: float = 1.0) -> None:
        """Start without a message.

        Args:
            nominal_factor: Configured real-time factor of the simulator.
        """
        self.line: ClockLine | None = None
        self._nominal_factor = nominal_factor
        # Smaller for a fast simulator: the tolerance is in simulation time.
        self._lead_ns = TOLERANCE_NS / max(1.0, nominal_factor)
        self._samples: deque[ClockSample] = deque()
        self._intervals_ns: deque[int] = deque([0], maxlen=5)
        self._newest: ClockSample | None = None
        self._backward_ns: deque[int] = deque(maxlen=BACKWARD_JUMPS)

    def add(self, steady_ns: int, ros_ns: int) -> None:
        """Add a message.

        Args:
            steady_ns: Arrival on the steady clock.
            ros_ns: Time in the message.
        """
        sample, last = ClockSample(steady_ns, ros_ns), self._newest
        self._newest = sample
        if last is None or self.line is None:
            self._restart(sample, self._nominal_factor)
            return
        discontinuous = self._discontinuous(last, sample, self.line.factor)
        self._intervals_ns.append(steady_ns - last.steady_ns)
        if discontinuous:
            self._restart(sample, self.line.factor)
            return
        self._add_sample(sample, self.line)
        if not -self._lead_ns <= self.line.lag_ns(sample) <= TOLERANCE_NS:
            self._fit(self.line)
        elif steady_ns - self.line.steady_ns > REANCHOR_NS:
            self.line = self.line.at(steady_ns)

    def problem(self, now_ns: int, silent_ns: int) -> str:
        """Return the problem of `/clock` with a fix; empty if there is none.

        Args:
            now_ns: Steady time.
            silent_ns: Time without a message after which the clock has stalled.
        """
        if self._newest is None:
            return (
                "use_sim_time is true, but nothing arrives on /clock: start the simulator, or set "
                "use_sim_time to false"
            )
        silent_ns = max(silent_ns, STALL_INTERVALS * self._intervals_ns[-1])
        if now_ns - self._newest.steady_ns > silent_ns:
            return "/clock has stalled: continue the simulation, or restart the simulator"
        jumps = self._backward_ns
        if len(jumps) == BACKWARD_JUMPS and now_ns - jumps[-1] < silent_ns:
            return "/clock goes back and forth: stop all but one of its publishers"
        return ""

    def _discontinuous(self, last: ClockSample, sample: ClockSample, factor: float) -> bool:
        """Return whether the clock jumped, or had stalled before a sample."""
        elapsed_ns, advance_ns = sample.steady_ns - last.steady_ns, sample.ros_ns - last.ros_ns
        if advance_ns < 0:
            self._record_backward_jump(sample.steady_ns)
            return True
        if advance_ns > JUMP_NS + MAX_FACTOR * elapsed_ns:
            # Messages may arrive in bursts.
            usual_ns = sorted(self._intervals_ns)[len(self._intervals_ns) // 2]
            return advance_ns > JUMP_NS + MAX_FACTOR * usual_ns
        silent = elapsed_ns > max(STALL_NS, STALL_INTERVALS * self._intervals_ns[-1])
        return silent and advance_ns < factor * elapsed_ns / 2

    def _record_backward_jump(self, now_ns: int) -> None:
        if self._backward_ns and now_ns - self._backward_ns[-1] > BACKWARD_NS:
            self._backward_ns.clear()
        self._backward_ns.append(now_ns)

    def _restart(self, sample: ClockSample, factor: float) -> None:
        self._samples = deque([sample])
        self.line = ClockLine(*sample, factor)

    def _add_sample(self, sample: ClockSample, line: ClockLine) -> None:
        samples = self._samples
        newest = samples[-1]
        if sample.steady_ns // BIN_NS != newest.steady_ns // BIN_NS:
            samples.append(sample)
        elif line.lag_ns(sample) < line.lag_ns(newest):
            samples[-1] = sample
        self._drop_before(sample.steady_ns - WINDOW_NS)

    def _fit(self, line: ClockLine) -> None:
        samples = tuple(self._samples)
        now_ns = samples[-1].steady_ns
        newest = most_advanced((s for s in samples if s.steady_ns > now_ns - NEWEST_NS), line)
        recent = (s for s in samples[:-MIN_SAMPLES] if s.steady_ns > now_ns - ANCHOR_NS)
        anchor = most_advanced((*recent, *samples[-MIN_SAMPLES:]), line)
        if line.lag_ns(newest) - line.lag_ns(anchor) > SLOWED_NS:
            anchor = newest
            self._drop_before(now_ns - MIN_SPAN_NS)
        factor = self._slope(line)
        same = abs(factor / line.factor - 1.0) <= FACTOR_TOLERANCE
        if not same or not -self._lead_ns <= line.lag_ns(anchor) <= TOLERANCE_NS:
            self.line = ClockLine(*anchor, factor)

    def _drop_before(self, time_ns: int) -> None:
        """Drop samples up to the last one before a time."""
        samples = self._samples
        while len(samples) > MIN_SAMPLES and samples[1].steady_ns <= time_ns:
            samples.popleft()

    def _slope(self, line: ClockLine) -> float:
        """Return the slope between the most advanced samples of the first and the last third."""
        samples = tuple(self._samples)
        if samples[-1].steady_ns - samples[0].steady_ns < MIN_SPAN_NS:
            return line.factor
        third = max(1, len(samples) // 3)
        first, last = most_advanced(samples[:third], line), most_advanced(samples[-third:], line)
        factor = (last.ros_ns - first.ros_ns) / (last.steady_ns - first.steady_ns)
        factor = min(max(factor, MIN_FACTOR), MAX_FACTOR)
        nominal = self._nominal_factor
        return nominal if abs(factor / nominal - 1.0) < NOMINAL_TOLERANCE else factor


def most_advanced(samples: Iterable[ClockSample], line: ClockLine) -> ClockSample:
    """Return the sample with the smallest delay."""
    return min(samples, key=line.lag_ns)
