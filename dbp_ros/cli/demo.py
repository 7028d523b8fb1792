"""`dbp demo`: run a policy in the simulated cell over ROS 2, and measure it."""

import argparse
from functools import partial

from dbp_ros.cli.terminal import show_table, status_line, terminal
from dbp_ros.evaluation.demo import DemoConfig, run_demo, write_results
from dbp_ros.evaluation.report import report_table, unmet_requirements
from dbp_ros.settings.flags import add_settings, settings_from


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb."""
    parser.description = (
        "Run the whole stack with the simulated cell, each node as a process, and measure success, "
        "rates and latency. Exit status 1 if decisions or commands fall below the required rate."
    )
    add_settings(parser, DemoConfig)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; return 1 if a rate is too low."""
    config: DemoConfig = settings_from(DemoConfig, arguments)
    console = terminal()
    with status_line(console) as show_progress:
        demo = run_demo(config, show_progress, partial(console.print, highlight=False))
    report = demo.report
    show_table(console, report_table(report))
    model, machine = report["model"], report["machine"]
    console.print(
        f"model {model['name']} version {model['version']} ({model['sha256'][:12]}), cameras by "
        f"{report['camera_backend']}, {machine['cores']} cores of {machine['processor']}"
    )
    write_results(config.out, demo)
    console.print(f"report, plot and video: {config.out}/")
    problems = unmet_requirements(report)
    for problem in problems:
        console.print(problem, style="red")
    return 1 if problems else 0
