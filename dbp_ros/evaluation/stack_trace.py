"""`dbp trace`: a recording of the stack in the Chrome trace format."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dbp_ros.evaluation.result_table import Row
from dbp_ros.evaluation.running_stack import Log, running_stack
from dbp_ros.files import require_folder, write_text
from dbp_ros.nodes.episode_runner import EpisodeRunner
from dbp_ros.settings.fields import Settings, setting
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.settings.simulation import TaskName
from dbp_ros.telemetry.chrome_trace import PROCESSES, events
from dbp_ros.telemetry.frame_traces import HOPS, FrameTrace
from dbp_ros.telemetry.trace import Recording

# Time from the start of control until the arms move.
SETTLE_S = 1.0
POLL_S = 0.1


@dataclass(frozen=True)
class TraceConfig(Settings):
    """Settings of a recording."""

    task: TaskName = setting("lift", "task of the simulated cell")
    model: str = setting(PolicyConfig.model, "model bundle: a folder, or a name under models/")
    seconds: float = setting(5.0, "duration of the recording [s]", ge=0.5, le=20.0)
    out: Path = setting(Path("build/trace"), "folder for the trace and the log")

    @property
    def path(self) -> Path:
        """Path of the trace."""
        return self.out / "trace.json"


def run_trace(config: TraceConfig, status: Log) -> dict[str, Recording]:
    """Run the stack and return the recording of each process.

    Raises:
        ConfigError: If the output folder is not writable.
        DbpError: If the stack does not start or does not respond.
    """
    require_folder(config.out)
    with running_stack(config.task, config.model, config.out, EpisodeRunner, status) as runner:
        runner.reset()
        runner.enable_control(True)
        runner.activate_policy(True)
        time.sleep(SETTLE_S)
        start_ns = time.monotonic_ns()
        while (passed_s := (time.monotonic_ns() - start_ns) / 1e9) < config.seconds:
            status(f"recording: {passed_s:.0f} of {config.seconds:.0f} s")
            time.sleep(POLL_S)
        end_ns = time.monotonic_ns()
        runner.activate_policy(False)
        recordings = {process: runner.recording(process) for process in PROCESSES}
    return {name: crop(recording, start_ns, end_ns) for name, recording in recordings.items()}


def crop(recording: Recording, start_ns: int, end_ns: int) -> Recording:
    """Return the spans that lie within two times."""
    rows = recording.rows
    return Recording(recording.cameras, rows[(rows[:, 2] >= start_ns) & (rows[:, 3] <= end_ns)])


def write_trace(
    path: Path, recordings: Mapping[str, Recording], traces: Sequence[FrameTrace]
) -> None:
    """Write a trace for chrome://tracing and ui.perfetto.dev."""
    trace = {"displayTimeUnit": "ms", "traceEvents": events(recordings, traces)}
    write_text(path, json.dumps(trace) + "\n")


def summary(traces: Sequence[FrameTrace]) -> list[Row]:
    """Return the image age after each stage and the latency of the stage, in [ms].

    Only images that led to a command count.
    """
    complete = [trace.ages_ns for trace in traces if trace.complete]
    if not complete:
        return []
    ages_ms = np.array([[ages[hop] for hop in HOPS] for ages in complete]) / 1e6
    added_ms = np.diff(ages_ms, axis=1, prepend=0.0)
    return [
        {
            "hop": hop.name.lower(),
            "age p50 [ms]": float(np.median(age)),
            "age p99 [ms]": float(np.percentile(age, 99)),
            "added p50 [ms]": float(np.median(added)),
            "added p99 [ms]": float(np.percentile(added, 99)),
        }
        for hop, age, added in zip(HOPS, ages_ms.T, added_ms.T, strict=True)
    ]
