"""`dbp demo-learn`: improve a weak policy online, on the whole stack in simulation."""

import argparse
from functools import partial

from dbp_ros.cli.terminal import status_line, terminal
from dbp_ros.evaluation.demo_learn import LearnDemoConfig, run_demo_learn
from dbp_ros.evaluation.learning_report import unmet_requirements
from dbp_ros.settings.flags import add_settings, settings_from


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb and a flag for every field of its settings."""
    parser.description = (
        "Train a weak policy on few demonstrations and roll it out in the simulated cell with "
        "exploration noise. The learner fine-tunes it and each new version is swapped in. Writes a "
        "plot of the success rate. Exit status 1 if a required result is missed."
    )
    add_settings(parser, LearnDemoConfig)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; return 1 if a required result is missed."""
    config: LearnDemoConfig = settings_from(LearnDemoConfig, arguments)
    console = terminal()
    with status_line(console) as show_progress:
        report = run_demo_learn(config, show_progress, partial(console.print, highlight=False))
    shown = {name: value for name, value in report.items() if not isinstance(value, (dict, list))}
    console.print_json(data=shown)
    console.print(f"report, log and plot: {config.out}/")
    problems = unmet_requirements(report)
    for problem in problems:
        console.print(problem, style="red")
    return 1 if problems else 0
