"""`dbp trace`: see where the time goes, picture by picture, in chrome://tracing or Perfetto."""

import argparse
from pathlib import Path

from dbp_ros.cli.terminal import show, status_line, terminal
from dbp_ros.evaluation.stack_trace import TraceConfig, run_trace, summary, write_trace
from dbp_ros.telemetry.frame_traces import frame_traces


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb."""
    parser.description = __doc__
    defaults = TraceConfig()
    parser.add_argument("--task", default=defaults.task, help="lift, can or transport")
    parser.add_argument("--model", default=defaults.model, help="bundle: name or folder")
    parser.add_argument(
        "--seconds", type=float, default=defaults.seconds, help="to record (default: %(default)s)"
    )
    parser.add_argument("--out", type=Path, default=defaults.out, help="folder of trace.json")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Record, write the trace, and print what each hop adds to the age of a picture."""
    config = TraceConfig(arguments.task, arguments.model, arguments.seconds, arguments.out)
    console = terminal()
    with status_line(console) as tell:
        recordings = run_trace(config, tell)
    ways = frame_traces(recordings)
    whole = sum(way.complete for way in ways)
    show(console, f"{whole} of {len(ways)} pictures led to a command", summary(ways))
    write_trace(config.path, recordings, ways)
    console.print(f"{config.path}: open it in chrome://tracing or https://ui.perfetto.dev")
    return 0
