"""`dbp demo`: two arms do their task under a learned policy, measured, over real ROS 2."""

import argparse
from functools import partial
from pathlib import Path

from dbp_ros.cli.terminal import show_table, status_line, terminal
from dbp_ros.evaluation.demo import DemoConfig, run_demo, write_results
from dbp_ros.evaluation.report import shortcomings, table_of


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb."""
    parser.description = __doc__
    defaults = DemoConfig()
    parser.add_argument("--task", default=defaults.task, help="reach, lift, can or transport")
    parser.add_argument("--model", default=defaults.model, help="bundle: name or folder")
    parser.add_argument("--episodes", type=int, default=defaults.episodes, help="how many")
    parser.add_argument(
        "--film", type=int, default=defaults.film_episodes, help="how many episodes to film"
    )
    parser.add_argument("--out", type=Path, default=defaults.out, help="folder for the results")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; exit with 1 where the rates were not kept."""
    config = DemoConfig(
        task=arguments.task,
        model=arguments.model,
        episodes=arguments.episodes,
        film_episodes=arguments.film,
        out=arguments.out,
    )
    console = terminal()
    with status_line(console) as tell:
        demo = run_demo(config, tell, partial(console.print, highlight=False))
    report = demo.report
    show_table(console, table_of(report))
    model, machine = report["model"], report["machine"]
    console.print(
        f"model {model['name']} version {model['version']} ({model['sha256'][:12]}), cameras by "
        f"{report['camera_backend']}, {machine['cores']} cores of {machine['processor']}"
    )
    write_results(config.out, demo)
    console.print(f"report, plot and film: {config.out}/")
    problems = shortcomings(report)
    for problem in problems:
        console.print(problem, style="red")
    return 1 if problems else 0
