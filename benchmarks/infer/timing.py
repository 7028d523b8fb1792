"""Time of a decision by backbone, sampler and runtime, and the hardware limit.

All variants run on one thread, interleaved. The limit of a pass is the larger of the time to read
its weights and the time of its arithmetic. Both are measured interleaved
with the variants, by a dot product of as many bytes and by a matrix product.
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
    build_untrained,
    count_flops,
    count_weight_reads,
    count_weights,
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
# Compilation takes minutes and the largest networks gigabytes; skipped variants have a note.
COMPILED = ("small", "unet_64")
LARGEST, LARGEST_METHODS = "unet_512", ("one_pass", "ddim_10")
HUNDRED_STEPS_IN_TORCH = ("small", "unet_64", "unet_128")
MATRIX, COPIED_BYTES, READ_LIMIT_BYTES = 512, 256 << 20, 1 << 30
ENOUGH_FOR_P99 = 100


@dataclass(frozen=True)
class Variant:
    """A backbone with a sampler in a runtime on a device."""

    backbone: str
    method: str
    runtime: str
    device: str
    graphs: Path

    @property
    def steps(self) -> int:
        """Passes per decision."""
        return SAMPLERS[self.method].num_inference_steps

    @property
    def key(self) -> Row:
        """Key of its row."""
        return {name: getattr(self, name) for name in KEY}

    def skip_reason(self) -> str:
        """Return why the variant is skipped, empty if it is not."""
        if self.runtime == "torch_compile" and self.backbone not in COMPILED:
            return f"compiled only for {', '.join(COMPILED)}, because it takes minutes"
        if self.backbone == LARGEST and self.method not in LARGEST_METHODS:
            return f"{LARGEST} runs only with {', '.join(LARGEST_METHODS)}"
        if self.runtime != "onnxruntime" and self.steps == 100:
            return (
                "" if self.backbone in HUNDRED_STEPS_IN_TORCH else "ten times the steps of ddim_10"
            )
        return ""

    def build_call(self) -> Call:
        """Return a function that runs one decision."""
        torch.set_num_threads(1)
        sampler, steps = SAMPLERS[self.method], self.steps
        network: Any
        if self.runtime == "onnxruntime":
            network = OnnxNetwork(self.folder, self.device, steps == 1)
        else:
            method = build_untrained(self.backbone, steps)
            network = TorchNetwork(method, self.device, self.runtime == "torch_compile")
        return partial(sampler.sample, network, network.sample_noise())

    @property
    def folder(self) -> Path:
        """Folder of its graphs."""
        return self.graphs / self.backbone / ("one" if self.steps == 1 else "several")

    def write(self) -> None:
        """Write its graphs."""
        if self.runtime == "onnxruntime":
            write_graphs(build_untrained(self.backbone, self.steps), self.folder)


def variants(
    backbones: Sequence[str], runtimes: Sequence[str], devices: Sequence[str], graphs: Path
) -> dict[str, list[Variant]]:
    """Return the variants of each backbone.

    Raises:
        ConfigError: If a name is unknown.
    """
    for what, names, known in (
        ("backbone", backbones, BACKBONES),
        ("runtime", runtimes, RUNTIMES),
        ("device", devices, ("cpu", "cuda")),
    ):
        for name in names:
            if name not in known:
                raise ConfigError(f"{what} {name!r} is unknown: use some of {', '.join(known)}")
    return {
        backbone: [
            Variant(backbone, method, runtime, device, graphs)
            for device in devices
            for runtime in runtimes
            for method in SAMPLERS
        ]
        for backbone in backbones
    }


def run_backbone(group: Sequence[Variant], seconds: float, table: ResultTable) -> None:
    """Time the missing variants of one backbone and add a row for each."""
    missing = [variant for variant in group if not table.has(variant.key)]
    if not missing:
        return
    runnable, weights = [], count_weights(build_untrained(missing[0].backbone, 1))
    calls: dict[str, Call] = dict(limit_calls(4 * weights))
    for variant in missing:
        problem = variant.skip_reason()
        if not problem:
            try:
                variant.write()
                calls[_name(variant)] = variant.build_call()
                runnable.append(variant)
                continue
            except Exception as error:
                problem = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        table.add({**dict.fromkeys(COLUMNS, ""), **variant.key, "note": problem})
    if not runnable:
        return
    times = time_interleaved(calls, seconds)
    limits = hardware_limits(times, min(4 * weights, READ_LIMIT_BYTES))
    for variant in runnable:
        table.add(_row(variant, times[_name(variant)], limits))
    key = {"backbone": missing[0].backbone, "device": "cpu"}
    for name in ("read", "multiply", "copy"):
        row = {**dict.fromkeys(COLUMNS, ""), **key, "method": name, "runtime": "floor"}
        if not table.has(row):
            table.add({**row, **_times(times[f"limit {name}"]), "note": limits.notes[name]})


def _name(variant: Variant) -> str:
    return " ".join(variant.key.values())


@dataclass(frozen=True)
class HardwareLimits:
    """Limits of one core of this machine.

    Attributes:
        read_ms: Time to read as many bytes as the weights have, with warm caches.
        flops_per_ms: Floating-point operations per [ms].
        notes: Description of each measurement.
    """

    read_ms: float
    flops_per_ms: float
    notes: dict[str, str]


def limit_calls(weight_bytes: int) -> dict[str, Call]:
    """Return calls that read the weights, multiply matrices and copy memory."""
    weights = np.ones(min(weight_bytes, READ_LIMIT_BYTES) // 4, np.float32)
    matrix = np.ones((MATRIX, MATRIX), np.float32)
    source, target = (np.ones(COPIED_BYTES // 8) for _ in range(2))
    return {
        "limit read": lambda: weights @ weights,
        "limit multiply": lambda: torch.from_numpy(matrix) @ torch.from_numpy(matrix),
        "limit copy": lambda: np.copyto(target, source),
    }


def hardware_limits(times: dict[str, Times], weight_bytes: int) -> HardwareLimits:
    """Return the measured limits."""
    read_ms, cold_ms = times["limit read"].cpu_ms, times["limit read"].cold_ms
    flops_per_ms = 2 * MATRIX**3 / times["limit multiply"].cpu_ms
    copied = 2 * COPIED_BYTES / times["limit copy"].cpu_ms
    notes = {
        "read": f"{weight_bytes / 1e6:.1f} MB: {weight_bytes / read_ms / 1e6:.1f} GB/s with warm "
        f"caches, {weight_bytes / cold_ms / 1e6:.1f} GB/s with cold caches",
        "multiply": f"{flops_per_ms / 1e6:.0f} GFLOP/s",
        "copy": f"{copied / 1e6:.1f} GB/s read and written",
    }
    return HardwareLimits(read_ms, flops_per_ms, notes)


def _times(times: Times) -> Row:
    enough = len(times.warm) >= ENOUGH_FOR_P99
    return {
        "calls": len(times.warm),
        "p50_ms": times.warm_ms(50),
        "p99_ms": times.warm_ms(99) if enough else "",
        "cold_ms": times.cold_ms,
        "working_ms": times.cpu_ms,
        "decisions_per_s": 1e3 / float(np.mean(times.warm) / 1e6),
    }


def _row(variant: Variant, times: Times, limits: HardwareLimits) -> Row:
    method = build_untrained(variant.backbone, variant.steps)
    flops = count_flops(method)
    weights = count_weights(method)
    passes = count_weight_reads(method) / weights
    floor_ms = max(passes * limits.read_ms, flops / limits.flops_per_ms)
    measured_ms = times.cpu_ms if variant.device == "cpu" else times.warm_ms(50)
    return {
        **variant.key,
        **_times(times),
        "weights_m": weights / 1e6,
        "mflop": flops / 1e6,
        "peak_mb": peak_growth_mb(variant.build_call),
        "floor_ms": floor_ms,
        "times_floor": measured_ms / floor_ms,
        "note": "",
    }
