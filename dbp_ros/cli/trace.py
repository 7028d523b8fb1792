"""`dbp trace`: record a trace of every process, for chrome://tracing or Perfetto."""

import argparse

from dbp_ros.cli.terminal import show, status_line, terminal
from dbp_ros.evaluation.stack_trace import TraceConfig, run_trace, summary, write_trace
from dbp_ros.settings.flags import add_settings, settings_from
from dbp_ros.telemetry.frame_traces import frame_traces


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb."""
    parser.description = "Record the stack in simulation; print the latency of images by stage."
    add_settings(parser, TraceConfig)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Record and write the trace; print the latency of the images by stage."""
    config: TraceConfig = settings_from(TraceConfig, arguments)
    console = terminal()
    with status_line(console) as show_progress:
        recordings = run_trace(config, show_progress)
    traces = frame_traces(recordings)
    complete = sum(trace.complete for trace in traces)
    show(console, f"{complete} of {len(traces)} images led to a command", summary(traces))
    write_trace(config.path, recordings, traces)
    console.print(f"{config.path}: open it in chrome://tracing or https://ui.perfetto.dev")
    return 0
