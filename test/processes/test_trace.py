"""`dbp trace` of the stack: valid, complete, and in the order of the stages."""

import json
from collections import defaultdict
from pathlib import Path

from processes.dbp_command import output_with_logs, run_dbp

PHASES = ["s", "t", "t", "t", "t", "f"]


def test_a_trace_of_the_stack_follows_images_through_all_stages(tmp_path: Path) -> None:
    result = run_dbp("trace", "--seconds", 1, "--out", tmp_path)
    assert result.returncode == 0, output_with_logs(result, tmp_path)
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    flows = defaultdict(list)
    for event in events:
        if event["ph"] in "stf":
            flows[event["id"]].append(event)
    complete = [flow for flow in flows.values() if [event["ph"] for event in flow] == PHASES]
    # The number of superseded images is not checked, because the machine may be busy.
    assert len(complete) >= 10
    for flow in complete:
        assert len({event["pid"] for event in flow}) == 3
        times = [event["ts"] for event in flow]
        assert times == sorted(times)
    assert "commanded" in result.stdout
