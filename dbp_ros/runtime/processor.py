"""Name and instructions of this computer's processor."""

import platform
from collections.abc import Iterator
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
# Names on x86 and on Arm.
FLAG_LINES = ("flags", "Features")
BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}


def processor_name(cpuinfo: Path = CPUINFO) -> str:
    """Return the name of the processor."""
    return next(_values(cpuinfo, ("model name",)), platform.processor())


def computes_bfloat16(cpuinfo: Path = CPUINFO) -> bool:
    """Return whether the processor has instructions for bfloat16, and does not emulate it."""
    return any(not BFLOAT16.isdisjoint(line.split()) for line in _values(cpuinfo, FLAG_LINES))


def _values(cpuinfo: Path, names: tuple[str, ...]) -> Iterator[str]:
    for line in cpuinfo.read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in names:
            yield value.strip()
