"""What a policy that sees costs a second: encoders once a frame, or the whole graph each time."""

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
from dbp_ros.learning.graphs import join_graphs
from dbp_ros.learning.quantization import quantize_bundle
from dbp_ros.policy.model import Model
from dbp_ros.policy.sessions import open_session
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
LEAST_SECONDS = 3
UNSPLIT, SPLIT = "whole graph", "split"
REDUCED = ("int8", "int8_all")


@dataclass
class LatencyTally:
    """What some simulated seconds of decisions cost.

    Attributes:
        latencies: From the question to the chunk.
        spent: Of all, encoders included, per simulated second.
    """

    latencies: Times = field(default_factory=Times)
    spent: Times = field(default_factory=Times)


class Split:
    """A policy as it is deployed: encoders when a frame comes, the head when a decision is due."""

    def __init__(self, bundle: Bundle, proof: GoldenCases) -> None:
        self._model, self._proof = Model(bundle), proof
        self._features: dict[str, Floats] = {}

    def see(self, case: int) -> None:
        """Take in a frame of each sensor."""
        self._features = self._model.encode_case(self._proof, case)

    def decide(self, case: int) -> Floats:
        """Return a chunk."""
        proof = self._proof
        return self._model.predict(proof.positions[case], self._features, proof.latent[case])


class Whole:
    """The same policy as one graph that sees and decides."""

    def __init__(self, bundle: Bundle, proof: GoldenCases, path: Path) -> None:
        manifest = bundle.manifest
        encoders = {sensor.name: bundle.path(sensor.encoder) for sensor in manifest.sensors}
        join_graphs(encoders, bundle.path(manifest.head), path)
        self._session = open_session(path, "cpu", 1)
        self._proof = proof
        self._frames: dict[str, Any] = {}

    def see(self, case: int) -> None:
        """Keep the newest frame of each sensor."""
        self._frames = {
            f"{name}.{'image' if name in self._proof.images else 'points'}": frames[case][0]
            for name, frames in self._proof.frames.items()
        }

    def decide(self, case: int) -> Floats:
        """Return a chunk."""
        feeds = {
            "positions": self._proof.positions[case][None],
            "latent": self._proof.latent[case][None],
        }
        action: Floats = self._session.run(["action"], feeds | self._frames)[0][0]
        return action


def run_policy(source: Bundle, seconds: float, table: ResultTable) -> None:
    """Let split, whole and reduced policies take turns, a simulated second each.

    Args:
        source: A policy that takes one observation, not a history.
        seconds: How long to go on.
        table: Gets a row for each way.
    """
    proof, model = read_golden(source), source.manifest.name
    if table.has({"model": model, "way": UNSPLIT}):
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ways: dict[str, Split | Whole] = {
            UNSPLIT: Whole(source, proof, folder / "whole.onnx"),
            SPLIT: Split(source, proof),
        }
        for precision in REDUCED:
            quantize_bundle(source, folder / precision, precision, proof, precision, "")
            reduced = read_bundle(folder / precision)
            ways[f"{UNSPLIT}, {precision}"] = Whole(reduced, proof, folder / f"{precision}.onnx")
            ways[f"{SPLIT}, {precision}"] = Split(reduced, proof)
        for way, tally in in_turns(ways, len(proof.action), seconds).items():
            table.add({"model": model, "way": way, **_row(tally)})


def in_turns(ways: dict[str, Split | Whole], cases: int, seconds: float) -> dict[str, LatencyTally]:
    """Give each way a simulated second of frames and decisions, again and again."""
    tallies = {way: LatencyTally() for way in ways}
    for policy in ways.values():
        _second(policy, cases, LatencyTally())
    spent_s = 0.0
    turns = 0
    while turns < LEAST_SECONDS or spent_s < seconds:
        for way, policy in ways.items():
            lasted_ns, working_ns = timed(partial(_second, policy, cases, tallies[way]))
            tallies[way].spent.warm.append(lasted_ns)
            tallies[way].spent.working.append(working_ns)
            spent_s += lasted_ns / 1e9
        turns += 1
    return tallies


def _second(policy: Split | Whole, cases: int, tally: LatencyTally) -> None:
    frames = 0
    for decision in range(DECISIONS_HZ):
        if decision * FRAMES_HZ >= frames * DECISIONS_HZ:
            policy.see(frames % cases)
            frames += 1
        decide: Callable[[], Floats] = partial(policy.decide, decision % cases)
        lasted_ns, working_ns = timed(decide)
        tally.latencies.warm.append(lasted_ns)
        tally.latencies.working.append(working_ns)


def _row(tally: LatencyTally) -> Row:
    working_ms = float(np.median(tally.spent.working)) / NS_PER_MS
    return {
        "decisions_hz": DECISIONS_HZ,
        "frames_hz": FRAMES_HZ,
        "decisions": len(tally.latencies.warm),
        "per_decision_ms": float(np.median(tally.spent.warm)) / NS_PER_MS / DECISIONS_HZ,
        "working_per_decision_ms": working_ms / DECISIONS_HZ,
        "latency_p50_ms": tally.latencies.warm_ms(50),
        "latency_p99_ms": tally.latencies.warm_ms(99),
        "core_share": working_ms / 1e3,
    }


def summary(table: ResultTable) -> Iterator[Row]:
    """Yield a row for each way, with how many times faster than the whole graph it is."""
    for row in table.rows:
        [whole] = table.numbers("working_per_decision_ms", model=row["model"], way=UNSPLIT)
        [late] = table.numbers("latency_p50_ms", model=row["model"], way=UNSPLIT)
        working_ms, latency_ms = float(row["working_per_decision_ms"]), float(row["latency_p50_ms"])
        yield {
            "model": row["model"],
            "way": row["way"],
            "a decision, frames included [ms of a core]": working_ms,
            "times faster": whole / working_ms,
            "from question to chunk p50 [ms]": latency_ms,
            "times sooner": late / latency_ms,
            "p99": float(row["latency_p99_ms"]),
            "share of a core": float(row["core_share"]),
        }
