"""Instructions of a processor from its description."""

from pathlib import Path

import pytest

from dbp_ros.runtime.processor import computes_bfloat16, processor_name

X86 = "processor\t: 0\nmodel name\t: Some Processor\nflags\t\t: fpu avx2 {}\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd {}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (X86.format(""), False),
        (X86.format("avx512f avx512_bf16"), True),
        (X86.format("amx_bf16 amx_tile"), True),
        (ARM.format("bf16"), True),
        (ARM.format("sve"), False),
    ],
)
def test_bfloat16_needs_instructions(tmp_path: Path, text: str, expected: bool) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(text)
    assert computes_bfloat16(cpuinfo) == expected


def test_the_name_is_that_of_the_first_core(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(X86.format("") + X86.format(""))
    assert processor_name(cpuinfo) == "Some Processor"
    assert processor_name()
