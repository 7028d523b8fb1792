"""`dbp demo`: run a policy in the simulated cell over ROS 2, and measure it."""

import argparse
from functools import partial

from rich.console import Console

from dbp_ros.cli.terminal import show, show_table, status_line, terminal
from dbp_ros.errors import ConfigError
from dbp_ros.evaluation.demo import DemoConfig, run_demo, write_results
from dbp_ros.evaluation.report import report_table, unmet_requirements
from dbp_ros.evaluation.robot_demo import run_robot_demo, write_robot_results
from dbp_ros.settings.dual_ur5e import DEFAULT_ROBOT
from dbp_ros.settings.flags import add_settings, given_settings, settings_from


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
    if config.robot != DEFAULT_ROBOT:
        if ignored := sorted(given_settings(arguments) - {"robot", "out"}):
            raise ConfigError(
                f"{ignored[0]} has no effect with the robot {config.robot}, which moves joint by "
                "joint without a policy: leave it out"
            )
        return _run_robot(config, console)
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


def _run_robot(config: DemoConfig, console: Console) -> int:
    """Move the simulated arms of another robot; return 1 if a joint does not follow."""
    with status_line(console) as show_progress:
        demo = run_robot_demo(config.robot, config.out, show_progress)
    show(
        console,
        f"{demo.robot}: each joint in turn",
        [
            {"joint": m.joint, "commanded [rad, m]": m.commanded, "measured": m.moved}
            for m in demo.motions
        ],
    )
    rate_hz = demo.guard["command_period"]["rate_hz"]
    console.print(f"{demo.guard['commands']} commands at {rate_hz:.1f} Hz", highlight=False)
    write_robot_results(config.out, demo)
    console.print(f"results and plot: {config.out}/")
    for problem in demo.problems:
        console.print(problem, style="red")
    return 1 if demo.problems else 0
