"""`dbp bench scale`: what cameras, pixels, points, arms and decisions cost, and where it breaks.

The threads of the policy node run here in one process, with their scheduling, fed by memory
instead of DDS: what comes on top of it is in `dbp bench rate`.
"""

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.scale.random_bundle import Size, write_random_bundle
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
USUAL = Size(cameras=3, pixels=84, horizon=8, arms=2)
USUAL_HZ = DECISION_RATE_HZ
AXES: dict[str, tuple[Any, ...]] = {
    "cameras": (1, 2, 3, 4, 5, 6),
    "pixels": (84, 128, 168, 252, 336, 480),
    "horizon": (8, 16, 32, 64),
    "arms": (1, 2, 3, 4),
    "rate_hz": (50.0, 125.0, 250.0, 500.0, 1000.0),
}
# All of it at once, and more and more of it.
TOGETHER = (
    (Size(6, 84, 16, 4), 125.0),
    (Size(6, 84, 16, 4), 250.0),
    (Size(6, 84, 16, 4), 500.0),
    (Size(6, 168, 16, 4), 500.0),
    (Size(6, 252, 16, 4), 500.0),
)
WARM_UP_S = 0.5
RATE_SLACK, LOST_SLACK = 0.99, 0.01
PICTURES = 8


@dataclass(frozen=True)
class Point:
    """One policy at one rate.

    Attributes:
        axis: What it is a point of.
        size: Of the policy.
        rate_hz: Decisions a second.
        seconds: How long to run it.
        bundle: Its folder.
    """

    axis: str
    size: Size
    rate_hz: float
    seconds: float
    bundle: Path

    @property
    def key(self) -> Row:
        """What tells its row from others."""
        size = self.size
        named = (self.axis, size.cameras, size.pixels, size.horizon, size.arms, self.rate_hz)
        return dict(zip(KEY, named, strict=True))


def points(axes: tuple[str, ...], seconds: float, folder: Path) -> list[Point]:
    """Return the points of some axes, each with the folder that its bundle belongs in."""
    found = []
    for axis in axes:
        for size, rate_hz in _along(axis):
            name = f"{size.cameras}-{size.pixels}-{size.horizon}-{size.arms}"
            found.append(Point(axis, size, rate_hz, seconds, folder / name))
    return found


def _along(axis: str) -> Iterator[tuple[Size, float]]:
    if axis == "together":
        yield from TOGETHER
        return
    for value in AXES[axis]:
        if axis == "rate_hz":
            yield USUAL, value
        else:
            yield replace(USUAL, **{axis: value}), USUAL_HZ


def prepare(point: Point) -> None:
    """Write the bundle of a point, unless it is there."""
    if not point.bundle.exists():
        write_random_bundle(point.bundle, point.size)


class Feed:
    """What the robot would say: noise as pictures, and joints that stand still."""

    def __init__(self, runner: PolicyRunner, encoder: EncoderThread, size: Size) -> None:
        chance = np.random.default_rng(0)
        shape = (PICTURES, size.pixels, size.pixels, 3)
        self._runner, self._encoder = runner, encoder
        self._pictures: list[Image] = list(chance.integers(0, 256, shape, dtype=np.uint8))
        self._joints = np.zeros(len(runner.model.manifest.joints), np.float32)
        self._turn = itertools.count()
        self.shown = 0

    def show(self, now_ns: int) -> None:
        """Let every camera see."""
        picture = self._pictures[next(self._turn) % PICTURES]
        for camera in self._runner.model.manifest.camera_names:
            self.shown += 1
            self._encoder.submit_image(camera, Frame(picture, now_ns), now_ns)

    def feel(self, now_ns: int) -> None:
        """Measure the joints."""
        self._runner.add_joint_state(self._joints, now_ns, now_ns)


def run_point(point: Point) -> list[Row]:
    """Run a policy's threads for a while, and return its row. The process is made punctual."""
    config = replace(PolicyConfig(), decision_rate_hz=point.rate_hz)
    model = Model(read_bundle(point.bundle))
    model.self_test()
    runner = PolicyRunner(model, config)
    encoder = EncoderThread(runner.add_image)
    feed, refused = Feed(runner, encoder, point.size), [0]

    def decide(now_ns: int) -> None:
        try:
            runner.step(now_ns)
        except ObservationError:
            refused[0] += 1

    request_realtime(config)
    cell = SimulationConfig()
    threads = [
        RateThread("cameras", cell.camera_rate_hz, feed.show),
        RateThread("joints", cell.joint_state_rate_hz, feed.feel),
        RateThread("decisions", point.rate_hz, decide, config.realtime_priority),
    ]
    encoder.start()
    for thread in threads:
        thread.start()
    time.sleep(WARM_UP_S)
    runner.clear_statistics()
    refused[0], dropped, shown = 0, encoder.dropped, feed.shown
    start_s, spent_s = time.monotonic(), time.process_time()
    time.sleep(point.seconds)
    lasted_s, spent_s = time.monotonic() - start_s, time.process_time() - spent_s
    for thread in reversed(threads):
        thread.stop()
    encoder.stop()
    statistics = runner.execution.statistics
    shares = {
        "refused_share": refused[0] / max(1, refused[0] + statistics.inference.count),
        "dropped_share": (encoder.dropped - dropped) / max(1, feed.shown - shown),
        "cores": spent_s / lasted_s,
    }
    return [_row(point, runner, lasted_s, shares, encoder.problem)]


def _row(
    point: Point, runner: PolicyRunner, lasted_s: float, shares: dict[str, float], problem: str
) -> Row:
    statistics = runner.execution.statistics
    decisions_hz = statistics.inference.count / lasted_s
    inference, encoding = statistics.inference, statistics.encoding
    problems = {
        f"{decisions_hz:.0f} decisions a second": decisions_hz < RATE_SLACK * point.rate_hz,
        f"{shares['refused_share']:.0%} refused": shares["refused_share"] > LOST_SLACK,
        f"{shares['dropped_share']:.0%} of the pictures dropped": shares["dropped_share"]
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
