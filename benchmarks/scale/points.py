"""Measurement points of `dbp bench scale`.

The threads of the policy node run in one process with their scheduling. Inputs come from memory
instead of DDS, whose cost is part of `dbp bench rate`.
"""

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.scale.random_bundle import PolicySize, write_random_bundle
from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.errors import ObservationError
from dbp_ros.evaluation.result_table import Row
from dbp_ros.policy.encoder_thread import EncoderThread
from dbp_ros.policy.model import Model
from dbp_ros.policy.policy_runner import PolicyRunner
from dbp_ros.runtime.rate_loop import RateThread
from dbp_ros.runtime.realtime import request_realtime
from dbp_ros.settings.policy import DECISION_RATE_HZ, PolicyConfig
from dbp_ros.settings.simulation import SimulationConfig
from dbp_ros.types import Frame, Image

NAME = "scale"
KEY = ("axis", "cameras", "pixels", "horizon", "arms", "rate_hz")
COLUMNS = (
    *KEY,
    *("seconds", "decisions_hz", "refused_share", "dropped_share", "period_error_p99_ms"),
    *("inference_p50_ms", "inference_p99_ms", "encoding_p50_ms", "encoding_p99_ms", "cores"),
    *("holds", "breaks"),
)
BASELINE = PolicySize(cameras=3, pixels=84, horizon=8, arms=2)
BASELINE_HZ = DECISION_RATE_HZ
AXES: dict[str, tuple[Any, ...]] = {
    "cameras": (1, 2, 3, 4, 5, 6),
    "pixels": (84, 128, 168, 252, 336, 480),
    "horizon": (8, 16, 32, 64),
    "arms": (1, 2, 3, 4),
    "rate_hz": (50.0, 125.0, 250.0, 500.0, 1000.0),
}
# Combined and increasing load.
COMBINED = (
    (PolicySize(6, 84, 16, 4), 125.0),
    (PolicySize(6, 84, 16, 4), 250.0),
    (PolicySize(6, 84, 16, 4), 500.0),
    (PolicySize(6, 168, 16, 4), 500.0),
    (PolicySize(6, 252, 16, 4), 500.0),
)
WARM_UP_S = 0.5
RATE_SLACK, LOST_SLACK = 0.99, 0.01
NUM_IMAGES = 8


@dataclass(frozen=True)
class Point:
    """One policy at one rate.

    Attributes:
        axis: Axis that the point belongs to.
        size: Size of the policy.
        rate_hz: Decision rate.
        seconds: Duration.
        bundle: Folder of the bundle.
    """

    axis: str
    size: PolicySize
    rate_hz: float
    seconds: float
    bundle: Path

    @property
    def key(self) -> Row:
        """Key of its row."""
        size = self.size
        named = (self.axis, size.cameras, size.pixels, size.horizon, size.arms, self.rate_hz)
        return dict(zip(KEY, named, strict=True))


def points(axes: tuple[str, ...], seconds: float, folder: Path) -> list[Point]:
    """Return the points of some axes, with bundles below `folder`."""
    found = []
    for axis in axes:
        for size, rate_hz in _along(axis):
            name = f"{size.cameras}-{size.pixels}-{size.horizon}-{size.arms}"
            found.append(Point(axis, size, rate_hz, seconds, folder / name))
    return found


def _along(axis: str) -> Iterator[tuple[PolicySize, float]]:
    if axis == "together":
        yield from COMBINED
        return
    for value in AXES[axis]:
        if axis == "rate_hz":
            yield BASELINE, value
        else:
            yield replace(BASELINE, **{axis: value}), BASELINE_HZ


def write_bundle(point: Point) -> None:
    """Write the bundle of a point if it is missing."""
    if not point.bundle.exists():
        write_random_bundle(point.bundle, point.size)


class SyntheticSensors:
    """Source of noise images and constant joint positions."""

    def __init__(self, runner: PolicyRunner, encoder: EncoderThread, size: PolicySize) -> None:
        rng = np.random.default_rng(0)
        shape = (NUM_IMAGES, size.pixels, size.pixels, 3)
        self._runner, self._encoder = runner, encoder
        self._images: list[Image] = list(rng.integers(0, 256, shape, dtype=np.uint8))
        self._joints = np.zeros(len(runner.model.manifest.joints), np.float32)
        self._counter = itertools.count()
        self.submitted = 0

    def submit_images(self, now_ns: int) -> None:
        """Submit one image of each camera."""
        image = self._images[next(self._counter) % NUM_IMAGES]
        for camera in self._runner.model.manifest.camera_names:
            self.submitted += 1
            self._encoder.submit_image(camera, Frame(image, now_ns), now_ns)

    def submit_joints(self, now_ns: int) -> None:
        """Submit the joint positions."""
        self._runner.add_joint_state(self._joints, now_ns, now_ns)


def run_point(point: Point) -> list[Row]:
    """Run the threads of a policy and return its row. Requests real-time scheduling."""
    # The setting has an upper limit, the thread has none.
    config = PolicyConfig(decision_rate_hz=min(point.rate_hz, max(AXES["rate_hz"])))
    model = Model(read_bundle(point.bundle))
    model.self_test()
    runner = PolicyRunner(model, config)
    encoder = EncoderThread(runner.add_image)
    sensors, refused = SyntheticSensors(runner, encoder, point.size), [0]

    def decide(now_ns: int) -> None:
        try:
            runner.step(now_ns)
        except ObservationError:
            refused[0] += 1

    request_realtime(config)
    cell = SimulationConfig()
    threads = [
        RateThread("cameras", cell.camera_rate_hz, sensors.submit_images),
        RateThread("joints", cell.joint_state_rate_hz, sensors.submit_joints),
        RateThread("decisions", point.rate_hz, decide, config.realtime_priority),
    ]
    encoder.start()
    for thread in threads:
        thread.start()
    time.sleep(WARM_UP_S)
    runner.clear_statistics()
    refused[0], dropped, submitted = 0, encoder.dropped, sensors.submitted
    start_s, cpu_s = time.monotonic(), time.process_time()
    time.sleep(point.seconds)
    duration_s, cpu_s = time.monotonic() - start_s, time.process_time() - cpu_s
    for thread in reversed(threads):
        thread.stop()
    encoder.stop()
    statistics = runner.execution.statistics
    shares = {
        "refused_share": refused[0] / max(1, refused[0] + statistics.inference.count),
        "dropped_share": (encoder.dropped - dropped) / max(1, sensors.submitted - submitted),
        "cores": cpu_s / duration_s,
    }
    return [_row(point, runner, duration_s, shares, encoder.problem)]


def _row(
    point: Point, runner: PolicyRunner, duration_s: float, shares: dict[str, float], problem: str
) -> Row:
    statistics = runner.execution.statistics
    decisions_hz = statistics.inference.count / duration_s
    inference, encoding = statistics.inference, statistics.encoding
    problems = {
        f"{decisions_hz:.0f} decisions per second": decisions_hz < RATE_SLACK * point.rate_hz,
        f"{shares['refused_share']:.0%} refused": shares["refused_share"] > LOST_SLACK,
        f"{shares['dropped_share']:.0%} of the images dropped": shares["dropped_share"]
        > LOST_SLACK,
        problem: bool(problem),
    }
    found = [problem for problem, holds in problems.items() if holds]
    return {
        **point.key,
        **shares,
        "seconds": point.seconds,
        "decisions_hz": decisions_hz,
        "period_error_p99_ms": statistics.period.errors.percentile_ms(99),
        "inference_p50_ms": inference.percentile_ms(50),
        "inference_p99_ms": inference.percentile_ms(99),
        "encoding_p50_ms": encoding.percentile_ms(50),
        "encoding_p99_ms": encoding.percentile_ms(99),
        "holds": int(not found),
        "breaks": ", ".join(found),
    }
