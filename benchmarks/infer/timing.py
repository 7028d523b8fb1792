"""`dbp bench infer`: what a decision costs, by backbone, method and runtime, and at the least.

On one thread, in turns. The least time of a pass is that of reading its weights once or of its
arithmetic, whichever is more; both are measured in the same turns: a dot product of as many bytes
with themselves, and a product of matrices.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.infer.backbones import (
    BACKBONES,
    OnnxNetwork,
    TorchNetwork,
    flops_of,
    method_of,
    weights_of,
    weights_read,
    write_graphs,
)
from benchmarks.infer.memory_growth import peak_growth_mb
from benchmarks.infer.samplers import SAMPLERS
from dbp_ros.errors import ConfigError
from dbp_ros.evaluation.result_table import ResultTable, Row
from dbp_ros.telemetry.stopwatch import Call, Times, time_interleaved

NAME = "infer"
KEY = ("backbone", "method", "runtime", "device")
COLUMNS = (
    *KEY,
    *("weights_m", "mflop", "calls", "p50_ms", "p99_ms", "cold_ms", "working_ms"),
    *("decisions_per_s", "peak_mb", "floor_ms", "times_floor", "note"),
)
RUNTIMES = ("onnxruntime", "torch", "torch_compile")
# Compilation takes minutes and the largest networks gigabytes: what is not run says so.
COMPILED = ("small", "unet_64")
LARGEST, LARGEST_METHODS = "unet_512", ("one_pass", "ddim_10")
HUNDREDS_IN_TORCH = ("small", "unet_64", "unet_128")
MATRIX, COPIED_BYTES, READ_LIMIT_BYTES = 512, 256 << 20, 1 << 30
ENOUGH_FOR_P99 = 100


@dataclass(frozen=True)
class Contestant:
    """One way to decide."""

    backbone: str
    method: str
    runtime: str
    device: str
    graphs: Path

    @property
    def steps(self) -> int:
        """Passes of a decision."""
        return SAMPLERS[self.method].evaluations

    @property
    def key(self) -> Row:
        """What tells its row from others."""
        return {name: getattr(self, name) for name in KEY}

    def why_not(self) -> str:
        """Return why it is not run; empty where it is."""
        if self.runtime == "torch_compile" and self.backbone not in COMPILED:
            return f"compiled for {', '.join(COMPILED)} only: it takes minutes"
        if self.backbone == LARGEST and self.method not in LARGEST_METHODS:
            return f"{LARGEST} is run with {', '.join(LARGEST_METHODS)} only"
        if self.runtime != "onnxruntime" and self.steps == 100:
            return "" if self.backbone in HUNDREDS_IN_TORCH else "as ddim_10, ten times as often"
        return ""

    def call(self) -> Call:
        """Return a decision, ready to be called."""
        torch.set_num_threads(1)
        sampler, steps = SAMPLERS[self.method], self.steps
        network: Any
        if self.runtime == "onnxruntime":
            network = OnnxNetwork(self.folder, self.device, steps == 1)
        else:
            method = method_of(self.backbone, steps)
            network = TorchNetwork(method, self.device, self.runtime == "torch_compile")
        return partial(sampler.sample, network, network.draw())

    @property
    def folder(self) -> Path:
        """Where its graphs are."""
        return self.graphs / self.backbone / ("one" if self.steps == 1 else "several")

    def write(self) -> None:
        """Write its graphs."""
        if self.runtime == "onnxruntime":
            write_graphs(method_of(self.backbone, self.steps), self.folder)


def contestants(
    backbones: Sequence[str], runtimes: Sequence[str], devices: Sequence[str], graphs: Path
) -> dict[str, list[Contestant]]:
    """Return who takes turns, for each backbone.

    Raises:
        ConfigError: If a name is unknown.
    """
    for what, asked, known in (
        ("backbone", backbones, BACKBONES),
        ("runtime", runtimes, RUNTIMES),
        ("device", devices, ("cpu", "cuda")),
    ):
        for name in asked:
            if name not in known:
                raise ConfigError(f"{what} {name!r} is unknown: use some of {', '.join(known)}")
    return {
        backbone: [
            Contestant(backbone, method, runtime, device, graphs)
            for device in devices
            for runtime in runtimes
            for method in SAMPLERS
        ]
        for backbone in backbones
    }


def run_backbone(group: Sequence[Contestant], seconds: float, table: ResultTable) -> None:
    """Let the contestants of one backbone take turns and add a row for each that has none."""
    missing = [one for one in group if not table.has(one.key)]
    if not missing:
        return
    runnable, weights = [], weights_of(method_of(missing[0].backbone, 1))
    calls: dict[str, Call] = dict(floor_calls(4 * weights))
    for one in missing:
        problem = one.why_not()
        if not problem:
            try:
                one.write()
                calls[_name(one)] = one.call()
                runnable.append(one)
                continue
            except Exception as error:
                problem = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        table.add({**dict.fromkeys(COLUMNS, ""), **one.key, "note": problem})
    if not runnable:
        return
    times = time_interleaved(calls, seconds)
    limits = floors(times, min(4 * weights, READ_LIMIT_BYTES))
    for one in runnable:
        table.add(_row(one, times[_name(one)], limits))
    key = {"backbone": missing[0].backbone, "device": "cpu"}
    for name in ("read", "multiply", "copy"):
        row = {**dict.fromkeys(COLUMNS, ""), **key, "method": name, "runtime": "floor"}
        if not table.has(row):
            table.add({**row, **_times(times[f"floor {name}"]), "note": limits.words[name]})


def _name(one: Contestant) -> str:
    return " ".join(one.key.values())


@dataclass(frozen=True)
class Floors:
    """The least that a pass can take on this machine.

    Attributes:
        read_ms: Time in which a core reads as many bytes as the weights have, again and again.
        flops_per_ms: Floating-point operations of a core.
        words: What each was found to be.
    """

    read_ms: float
    flops_per_ms: float
    words: dict[str, str]


def floor_calls(weight_bytes: int) -> dict[str, Call]:
    """Return what takes the least time: reading the weights, multiplying, copying a stream."""
    weights = np.ones(min(weight_bytes, READ_LIMIT_BYTES) // 4, np.float32)
    matrix = np.ones((MATRIX, MATRIX), np.float32)
    source, target = (np.ones(COPIED_BYTES // 8) for _ in range(2))
    return {
        "floor read": lambda: weights @ weights,
        "floor multiply": lambda: torch.from_numpy(matrix) @ torch.from_numpy(matrix),
        "floor copy": lambda: np.copyto(target, source),
    }


def floors(times: dict[str, Times], weight_bytes: int) -> Floors:
    """Return the floors that were measured."""
    read_ms, cold_ms = times["floor read"].working_ms, times["floor read"].cold_ms
    flops_per_ms = 2 * MATRIX**3 / times["floor multiply"].working_ms
    copied = 2 * COPIED_BYTES / times["floor copy"].working_ms
    words = {
        "read": f"{weight_bytes / 1e6:.1f} MB: {weight_bytes / read_ms / 1e6:.1f} GB/s again and "
        f"again, {weight_bytes / cold_ms / 1e6:.1f} GB/s with cold caches",
        "multiply": f"{flops_per_ms / 1e6:.0f} GFLOP/s",
        "copy": f"{copied / 1e6:.1f} GB/s read and written",
    }
    return Floors(read_ms, flops_per_ms, words)


def _times(times: Times) -> Row:
    many = len(times.warm) >= ENOUGH_FOR_P99
    return {
        "calls": len(times.warm),
        "p50_ms": times.warm_ms(50),
        "p99_ms": times.warm_ms(99) if many else "",
        "cold_ms": times.cold_ms,
        "working_ms": times.working_ms,
        "decisions_per_s": 1e3 / float(np.mean(times.warm) / 1e6),
    }


def _row(one: Contestant, times: Times, limits: Floors) -> Row:
    method = method_of(one.backbone, one.steps)
    flops = flops_of(method)
    weights = weights_of(method)
    passes = weights_read(method) / weights
    floor_ms = max(passes * limits.read_ms, flops / limits.flops_per_ms)
    here_ms = times.working_ms if one.device == "cpu" else times.warm_ms(50)
    return {
        **one.key,
        **_times(times),
        "weights_m": weights / 1e6,
        "mflop": flops / 1e6,
        "peak_mb": peak_growth_mb(one.call),
        "floor_ms": floor_ms,
        "times_floor": here_ms / floor_ms,
        "note": "",
    }
