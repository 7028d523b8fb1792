"""`dbp demo-learn`: a weak policy becomes a good one while the robot works."""

import argparse
from dataclasses import fields
from functools import partial

from dbp_ros.cli.terminal import status_line, terminal
from dbp_ros.cli.train import add_settings
from dbp_ros.evaluation.demo_learn import LearnDemoConfig, run_demo_learn
from dbp_ros.evaluation.learning_report import unkept


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb and a flag for every field of its settings."""
    parser.description = (
        "Train a policy on few demonstrations, let it explore in the simulated cell with the "
        "learner beside it, and draw its success while one version is swapped for the next."
    )
    add_settings(parser, LearnDemoConfig)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run it; exit with 1 where a promise was not kept."""
    config = LearnDemoConfig(
        **{item.name: getattr(arguments, item.name) for item in fields(LearnDemoConfig)}
    )
    console = terminal()
    with status_line(console) as tell:
        report = run_demo_learn(config, tell, partial(console.print, highlight=False))
    shown = {name: value for name, value in report.items() if not isinstance(value, (dict, list))}
    console.print_json(data=shown)
    console.print(f"report, log and plot: {config.out}/")
    problems = unkept(report)
    for problem in problems:
        console.print(problem, style="red")
    return 1 if problems else 0
