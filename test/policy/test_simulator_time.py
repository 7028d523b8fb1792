"""A policy in an external simulator, at any real-time factor."""

import math

import numpy as np
import pytest
from simulated_clock import FIRST_NS, NS, START_NS, ticks

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.errors import ObservationError
from dbp_ros.policy.observation_buffer import ObservationBuffer
from dbp_ros.policy.policy_runner import PolicyRunner
from dbp_ros.runtime.clock_estimator import ClockEstimator, ClockLine
from dbp_ros.runtime.clock_mapping import ClockMapping
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.types import Frame

MS = 1_000_000
CAMERAS = ("head_camera", "left_wrist_camera")
PERIOD_NS = 8 * MS


class Simulator:
    """Publisher of `/clock` and joint states per step, and of late images every third step."""

    def __init__(self, manifest) -> None:
        self.clocks, self.estimator = ClockMapping(None), ClockEstimator()
        self.buffer = ObservationBuffer(manifest, PolicyConfig(), self.clocks)
        self.refusals: list[str] = []

    def run(self, clock, from_s: float) -> int:
        """Request an observation every 8 ms from a time; return the number."""
        decisions, next_ns, step_ns = 0, START_NS + round(from_s * NS), 0
        for k, (arrival_ns, _, ros_ns) in enumerate(clock):
            while next_ns < arrival_ns:
                decisions += 1
                self.decide(next_ns)
                next_ns += PERIOD_NS
            self.estimator.add(arrival_ns, ros_ns)
            self.clocks.line = self.estimator.line
            self.add_joints(ros_ns, arrival_ns)
            for camera in CAMERAS if k % 3 == 0 else ():
                frame = Frame(
                    np.full((2, 2, 3), k % 256, np.uint8),
                    self.clocks.record_stamp(ros_ns - step_ns),
                )
                self.buffer.add_features(
                    camera, frame, np.full(3, ros_ns / NS, np.float32), arrival_ns
                )
            step_ns = 10 * MS
        return decisions

    def add_joints(self, ros_ns: int, arrival_ns: int) -> None:
        values = np.full(3, (ros_ns - FIRST_NS) / NS, np.float32)
        self.buffer.add_joint_state(values, self.clocks.record_stamp(ros_ns), arrival_ns)

    def decide(self, now_ns: int) -> None:
        try:
            self.buffer.get_observation(now_ns)
        except ObservationError as error:
            self.refusals.append(str(error))


@pytest.fixture
def simulator(make_bundle) -> Simulator:
    return Simulator(read_bundle(make_bundle()).manifest)


@pytest.mark.parametrize("jitter", [0.0, 0.3])
@pytest.mark.parametrize("factor", [0.05, 0.25, 0.5, 0.95, 1.0, 5.0, 20.0])
def test_no_decision_is_refused_at_any_real_time_factor(simulator, factor, jitter):
    assert simulator.run(ticks(factor, 10.0, jitter=jitter), from_s=3.0) > 800
    assert simulator.refusals == []


def test_no_decision_is_refused_while_the_factor_varies(simulator):
    waves = ticks(lambda t: 1.0 + 0.5 * math.sin(2.0 * math.pi * t), 10.0)
    assert simulator.run(waves, from_s=1.0) > 1000
    assert simulator.refusals == []


def test_a_stalled_simulator_is_refused_by_arrival_until_it_continues(simulator):
    simulator.run(ticks(1.0, 3.0), from_s=2.0)
    assert simulator.refusals == []
    for late_ms in (90, 250, 5000):
        simulator.decide(START_NS + 3 * NS + late_ms * MS)
    assert len(simulator.refusals) == 2
    assert all("joint_states is stale" in sentence for sentence in simulator.refusals)
    simulator.refusals.clear()
    later = [(a + 9 * NS, true_ns, ros_ns + 3 * NS) for a, true_ns, ros_ns in ticks(1.0, 3.0)]
    simulator.run(iter(later), from_s=9.1)
    assert simulator.refusals == []


def test_a_reset_simulator_is_accepted_from_its_first_messages_on(simulator):
    simulator.run(ticks(0.5, 3.0), from_s=3.0)
    again = [(a + 3 * NS, true_ns, ros_ns - 50 * NS) for a, true_ns, ros_ns in ticks(0.5, 3.0)]
    simulator.run(iter(again), from_s=3.1)
    assert simulator.refusals == []


@pytest.mark.parametrize("factor", [0.1, 0.5, 5.0])
def test_the_history_is_spaced_in_simulated_time(make_bundle, factor):
    simulator = Simulator(read_bundle(make_bundle(history=3)).manifest)
    simulator.run(ticks(factor, 10.0), from_s=10.0)
    seen_ns = simulator.buffer._positions.newest.arrival_ns
    positions = simulator.buffer.get_observation(seen_ns).positions[:, 0]
    np.testing.assert_allclose(np.diff(positions), 0.1, atol=1e-3)


def test_a_reset_clears_the_history(make_bundle):
    simulator = Simulator(read_bundle(make_bundle(history=3)).manifest)
    simulator.run(ticks(1.0, 3.0), from_s=3.0)
    again = [(a + 3 * NS, true_ns, ros_ns - 50 * NS) for a, true_ns, ros_ns in ticks(1.0, 0.5)]
    simulator.run(iter(again), from_s=9.0)
    seen_ns = simulator.buffer._positions.newest.arrival_ns
    positions = simulator.buffer.get_observation(seen_ns).positions[:, 0]
    np.testing.assert_allclose(positions, positions[-1] - np.array([0.2, 0.1, 0.0]), atol=1e-3)
    assert positions[-1] < 0.0


def test_a_constant_stamp_does_not_fill_the_history(make_bundle):
    buffer = ObservationBuffer(read_bundle(make_bundle(history=3)).manifest, PolicyConfig())
    for k in range(1000):
        buffer.add_joint_state(np.zeros(3, np.float32), START_NS, START_NS + k * MS)
    assert len(buffer._positions._samples) == 1


@pytest.mark.parametrize("factor", [0.05, 0.5, 1.0, 20.0])
def test_a_chunk_is_due_in_simulated_time(model, factor):
    clocks = ClockMapping(ClockLine(START_NS, FIRST_NS, factor))
    runner = PolicyRunner(model, PolicyConfig(latent_seed=0), clocks=clocks)
    stamp_ns = clocks.record_stamp(FIRST_NS + 5 * MS)
    runner.add_joint_state(np.zeros(3, np.float32), stamp_ns, stamp_ns)
    for camera in CAMERAS:
        runner.add_image(camera, Frame(np.zeros((8, 12, 3), np.uint8), stamp_ns), stamp_ns)
    chunk = runner.step(stamp_ns)
    steps_ns = 20 * MS * np.arange(1, 5) / factor
    np.testing.assert_allclose(chunk.due_ns - stamp_ns, steps_ns, atol=1)


def test_a_candidate_has_the_clock_of_the_simulator(model):
    clocks = ClockMapping(ClockLine(START_NS, FIRST_NS, 0.5))
    runner = PolicyRunner(model, PolicyConfig(), clocks=clocks)
    assert runner.create_candidate(model)._clocks is clocks
