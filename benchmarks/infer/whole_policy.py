"""CPU time of an image policy: encoders once per frame, or one graph per decision."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dbp_ros.bundle.bundle import Bundle, read_bundle
from dbp_ros.bundle.golden import GoldenCases, read_golden
from dbp_ros.evaluation.result_table import ResultTable, Row
from dbp_ros.learning.onnx_graphs import join_graphs
from dbp_ros.learning.quantization import quantize_bundle
from dbp_ros.policy.model import Model
from dbp_ros.policy.onnx_sessions import open_session
from dbp_ros.settings.policy import DECISION_RATE_HZ
from dbp_ros.settings.simulation import SimulationConfig
from dbp_ros.telemetry.stopwatch import NS_PER_MS, Times, timed
from dbp_ros.types import Floats

NAME = "infer_policy"
COLUMNS = (
    *("model", "way", "decisions_hz", "frames_hz", "decisions", "per_decision_ms"),
    *("working_per_decision_ms", "latency_p50_ms", "latency_p99_ms", "core_share"),
)
DECISIONS_HZ = round(DECISION_RATE_HZ)
FRAMES_HZ = round(SimulationConfig.camera_rate_hz)
MIN_TURNS = 3
WHOLE, SPLIT = "whole graph", "split"
QUANTIZED = ("int8", "int8_all")


@dataclass
class LatencyTally:
    """Times of the decisions of a policy.

    Attributes:
        latencies: Time from request to chunk.
        total: Total time per second of decisions, encoders included.
    """

    latencies: Times = field(default_factory=Times)
    total: Times = field(default_factory=Times)


class SplitPolicy:
    """A policy as deployed: encoders run for each frame, the head for each decision."""

    def __init__(self, bundle: Bundle, golden: GoldenCases) -> None:
        self._model, self._golden = Model(bundle), golden
        self._features: dict[str, Floats] = {}

    def set_frames(self, case: int) -> None:
        """Encode a frame of each sensor."""
        self._features = self._model.encode_case(self._golden, case)

    def decide(self, case: int) -> Floats:
        """Return a chunk."""
        golden = self._golden
        return self._model.predict(golden.positions[case], self._features, golden.latent[case])


class WholePolicy:
    """The same policy as one graph that runs for each decision."""

    def __init__(self, bundle: Bundle, golden: GoldenCases, path: Path) -> None:
        manifest = bundle.manifest
        encoders = {sensor.name: bundle.path(sensor.encoder) for sensor in manifest.sensors}
        join_graphs(encoders, bundle.path(manifest.head), path)
        self._session = open_session(path, "cpu", 1)
        self._golden = golden
        self._frames: dict[str, Any] = {}

    def set_frames(self, case: int) -> None:
        """Store the frame of each sensor."""
        self._frames = {
            f"{name}.{'image' if name in self._golden.images else 'points'}": frames[case][0]
            for name, frames in self._golden.frames.items()
        }

    def decide(self, case: int) -> Floats:
        """Return a chunk."""
        feeds = {
            "positions": self._golden.positions[case][None],
            "latent": self._golden.latent[case][None],
        }
        action: Floats = self._session.run(["action"], feeds | self._frames)[0][0]
        return action


def run_policy(source: Bundle, seconds: float, table: ResultTable) -> None:
    """Time split, whole and quantized policies, interleaved.

    Args:
        source: A policy with one observation step.
        seconds: Duration.
        table: Receives a row for each policy.
    """
    golden, model = read_golden(source), source.manifest.name
    if table.has({"model": model, "way": WHOLE}):
        return
    with tempfile.TemporaryDirectory() as path:
        folder = Path(path)
        policies: dict[str, SplitPolicy | WholePolicy] = {
            WHOLE: WholePolicy(source, golden, folder / "whole.onnx"),
            SPLIT: SplitPolicy(source, golden),
        }
        for precision in QUANTIZED:
            quantize_bundle(source, folder / precision, precision, golden, precision, "")
            quantized = read_bundle(folder / precision)
            policies[f"{WHOLE}, {precision}"] = WholePolicy(
                quantized, golden, folder / f"{precision}.onnx"
            )
            policies[f"{SPLIT}, {precision}"] = SplitPolicy(quantized, golden)
        for name, tally in time_policies_interleaved(policies, len(golden.action), seconds).items():
            table.add({"model": model, "way": name, **_row(tally)})


def time_policies_interleaved(
    policies: dict[str, SplitPolicy | WholePolicy], cases: int, seconds: float
) -> dict[str, LatencyTally]:
    """Run one second of frames and decisions of each policy in turn."""
    tallies = {name: LatencyTally() for name in policies}
    for policy in policies.values():
        _run_second(policy, cases, LatencyTally())
    total_s = 0.0
    turns = 0
    while turns < MIN_TURNS or total_s < seconds:
        for name, policy in policies.items():
            wall_ns, cpu_ns = timed(partial(_run_second, policy, cases, tallies[name]))
            tallies[name].total.warm.append(wall_ns)
            tallies[name].total.cpu.append(cpu_ns)
            total_s += wall_ns / 1e9
        turns += 1
    return tallies


def _run_second(policy: SplitPolicy | WholePolicy, cases: int, tally: LatencyTally) -> None:
    frames = 0
    for decision in range(DECISIONS_HZ):
        if decision * FRAMES_HZ >= frames * DECISIONS_HZ:
            policy.set_frames(frames % cases)
            frames += 1
        decide: Callable[[], Floats] = partial(policy.decide, decision % cases)
        wall_ns, cpu_ns = timed(decide)
        tally.latencies.warm.append(wall_ns)
        tally.latencies.cpu.append(cpu_ns)


def _row(tally: LatencyTally) -> Row:
    working_ms = float(np.median(tally.total.cpu)) / NS_PER_MS
    return {
        "decisions_hz": DECISIONS_HZ,
        "frames_hz": FRAMES_HZ,
        "decisions": len(tally.latencies.warm),
        "per_decision_ms": float(np.median(tally.total.warm)) / NS_PER_MS / DECISIONS_HZ,
        "working_per_decision_ms": working_ms / DECISIONS_HZ,
        "latency_p50_ms": tally.latencies.warm_ms(50),
        "latency_p99_ms": tally.latencies.warm_ms(99),
        "core_share": working_ms / 1e3,
    }


def summary(table: ResultTable) -> Iterator[Row]:
    """Yield a row for each policy, with the speed-up over the whole graph."""
    for row in table.rows:
        [whole] = table.numbers("working_per_decision_ms", model=row["model"], way=WHOLE)
        [whole_latency] = table.numbers("latency_p50_ms", model=row["model"], way=WHOLE)
        working_ms, latency_ms = float(row["working_per_decision_ms"]), float(row["latency_p50_ms"])
        yield {
            "model": row["model"],
            "policy": row["way"],
            "CPU time per decision, encoders included [ms]": working_ms,
            "speed-up": whole / working_ms,
            "latency p50 [ms]": latency_ms,
            "latency ratio": whole_latency / latency_ms,
            "p99 [ms]": float(row["latency_p99_ms"]),
            "cores": float(row["core_share"]),
        }
