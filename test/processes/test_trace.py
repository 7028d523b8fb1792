"""A run of the real stack as a trace: valid, complete, and in the order of the way."""

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

WAY = ["s", "t", "t", "t", "t", "f"]


def test_a_trace_of_the_stack_tells_the_way_of_its_pictures(tmp_path: Path) -> None:
    words = ("-m", "dbp_ros.cli", "trace", "--seconds", "1", "--out", str(tmp_path))
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=120)
    log = tmp_path / "stack.log"
    assert done.returncode == 0, f"{done.stderr}\n{log.read_text() if log.exists() else ''}"
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    arrows = defaultdict(list)
    for event in events:
        if event["ph"] in "stf":
            arrows[event["id"]].append(event)
    whole = [way for way in arrows.values() if [event["ph"] for event in way] == WAY]
    # How many are overtaken is not judged here: this machine may be busy.
    assert len(whole) >= 10
    for way in whole:
        assert len({event["tid"] for event in way}) == len(WAY)
        times = [event["ts"] for event in way]
        assert times == sorted(times)
    assert "commanded" in done.stdout
