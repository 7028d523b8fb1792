"""`dbp trace`: some seconds of the stack at work, as a trace that a person can open."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dbp_ros.evaluation.result_table import Row
from dbp_ros.evaluation.running_stack import Tell, running_stack
from dbp_ros.files import require_folder, write_text
from dbp_ros.nodes.episode_runner import EpisodeRunner
from dbp_ros.settings.fields import check_ranges, setting
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.telemetry.chrome_trace import PROCESSES, events
from dbp_ros.telemetry.frame_traces import WAY, FrameTrace
from dbp_ros.telemetry.trace import Recording

# After the start of control: until the arms move.
SETTLE_S = 1.0
POLL_S = 0.1


@dataclass(frozen=True)
class TraceConfig:
    """What to run, and where to put what comes of it."""

    task: str = setting("lift", "task of the simulated cell")
    model: str = setting(PolicyConfig.model, "model bundle: a folder, or a name under models/")
    seconds: float = setting(5.0, "duration of the recording [s]", minimum=0.5, maximum=20.0)
    out: Path = setting(Path("build/trace"), "folder for the trace and the log")

    @property
    def path(self) -> Path:
        """The trace."""
        return self.out / "trace.json"


def run_trace(config: TraceConfig, tell: Tell) -> dict[str, Recording]:
    """Start the stack, let it work for a while, and return what each process did.

    Raises:
        ConfigError: If the folder for the trace cannot be written.
        DbpError: If the stack does not start or stops answering.
    """
    check_ranges(config)
    require_folder(config.out)
    with running_stack(config.task, config.model, config.out, EpisodeRunner, tell) as runner:
        runner.prepare()
        runner.enable_control(True)
        runner.activate_policy(True)
        time.sleep(SETTLE_S)
        start_ns = time.monotonic_ns()
        while (passed_s := (time.monotonic_ns() - start_ns) / 1e9) < config.seconds:
            tell(f"recording: {passed_s:.0f} of {config.seconds:.0f} s")
            time.sleep(POLL_S)
        end_ns = time.monotonic_ns()
        runner.activate_policy(False)
        whole = {process: runner.recording(process) for process in PROCESSES}
    return {process: between(one, start_ns, end_ns) for process, one in whole.items()}


def between(recording: Recording, start_ns: int, end_ns: int) -> Recording:
    """Return what lies wholly between two times."""
    rows = recording.rows
    return Recording(recording.cameras, rows[(rows[:, 2] >= start_ns) & (rows[:, 3] <= end_ns)])


def write_trace(
    path: Path, recordings: Mapping[str, Recording], ways: Sequence[FrameTrace]
) -> None:
    """Write a trace for chrome://tracing and ui.perfetto.dev."""
    trace = {"displayTimeUnit": "ms", "traceEvents": events(recordings, ways)}
    write_text(path, json.dumps(trace) + "\n")


def summary(ways: Sequence[FrameTrace]) -> list[Row]:
    """Return how old pictures were after each hop, and what the hop added, in [ms].

    Only pictures that led to a command count.
    """
    whole = [way.ages_ns for way in ways if way.complete]
    if not whole:
        return []
    ages_ms = np.array([[ages[hop] for hop in WAY] for ages in whole]) / 1e6
    added_ms = np.diff(ages_ms, axis=1, prepend=0.0)
    return [
        {
            "hop": hop.name.lower(),
            "age p50 [ms]": float(np.median(age)),
            "age p99 [ms]": float(np.percentile(age, 99)),
            "added p50 [ms]": float(np.median(added)),
            "added p99 [ms]": float(np.percentile(added, 99)),
        }
        for hop, age, added in zip(WAY, ages_ms.T, added_ms.T, strict=True)
    ]
