"""`dbp bench teach`: time of the path from demonstrations to a deployed policy."""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import viser

from benchmarks.teach.person import Person
from benchmarks.teach.steps import press_and_wait, record, review, watch
from dbp_ros.cli.teach import TeachVerbConfig, opened_workspace, teach_commands
from dbp_ros.errors import DbpError
from dbp_ros.evaluation.running_stack import log_tail, module_process, own_domain
from dbp_ros.files import require_folder, write_text
from dbp_ros.nodes.process import spinning
from dbp_ros.panel.teach_tab import TeachTab
from dbp_ros.settings.fields import Settings, setting
from dbp_ros.settings.flags import add_settings, settings_from
from dbp_ros.teach.workspace import Workspace


@dataclass(frozen=True)
class TeachBenchConfig(Settings):
    """Flags of the benchmark."""

    out: Path = setting(Path("build/bench/teach"), "workspace, with the file teach.json")
    demonstrations: int = setting(10, "demonstrations to record", ge=3)
    num_steps: int = setting(0, "optimizer steps; 0 for the default of dbp teach", ge=0)
    evaluation_episodes: int = setting(20, "episodes of the evaluation", ge=1)
    real_time_factor: float = setting(
        1.0, "simulation time per wall time, below 1 on a busy machine", ge=0.05, le=1.0
    )
    watched_episodes: int = setting(3, "episodes of the deployed policy on the stack", ge=0)


def register(parser: argparse.ArgumentParser) -> None:
    """Add the benchmark."""
    parser.description = (
        "Run the path of a newcomer by script: start the stack of dbp teach, drag a hand of the "
        "simulated robot for each demonstration, review, train, evaluate and deploy by the buttons "
        "of the page, and watch the policy. Prints the wall time of each step."
    )
    add_settings(parser, TeachBenchConfig)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run all steps and write their times; return 1 if the policy solves no episode."""
    config: TeachBenchConfig = settings_from(TeachBenchConfig, arguments)
    require_folder(config.out)
    report = teach_path(config, lambda line: print(line, flush=True))
    write_text(config.out / "teach.json", json.dumps(report, indent=2) + "\n")
    return 0 if report["watched_successes"] or not config.watched_episodes else 1


def teach_path(config: TeachBenchConfig, log: Callable[[str], None]) -> dict[str, object]:
    """Run all steps; return their times and results.

    Args:
        config: Settings.
        log: Prints a line.

    Raises:
        DbpError: If a step fails.
    """
    verb = TeachVerbConfig(folder=config.out / "workspace")
    workspace = opened_workspace(verb)
    settings = replace(workspace.settings, evaluation_episodes=config.evaluation_episodes)
    if config.num_steps:
        settings = replace(settings, num_steps=config.num_steps)
    workspace.save_settings(settings)
    times = _Times(log)
    with ExitStack() as resources:
        resources.enter_context(own_domain())
        commands = teach_commands(verb, workspace, config.real_time_factor)
        # The page of this process takes the place of the node, so that its buttons can be pressed.
        del commands["panel"]
        resources.enter_context(processes_of(commands, config.out / "stack.log"))
        person = resources.enter_context(spinning(partial(Person, config.real_time_factor)))
        resources.callback(person.link.close)
        with times.step("start"):
            person.wait_for(lambda: _started(person), "the stack to start")
        tab = resources.enter_context(page(workspace, person))
        with times.step("record"):
            attempts = record(tab, person, config.demonstrations, workspace.settings.task, log)
        with times.step("review"):
            review(tab)
        with times.step("train"):
            press_and_wait(tab, "Train", log)
        with times.step("evaluate"):
            press_and_wait(tab, "Evaluate", log)
        with times.step("deploy and watch"):
            solved = watch(tab, person, config.watched_episodes, log)
    training = workspace.trainings[-1]
    report: dict[str, object] = {
        "times_s": times.seconds,
        "total_s": round(sum(times.seconds.values()), 1),
        "demonstrations": training.episodes,
        "attempts": attempts,
        "evaluation": str(training.evaluation()),
        "watched_successes": solved,
        "watched_episodes": config.watched_episodes,
        "real_time_factor": config.real_time_factor,
        "cores": os.cpu_count(),
    }
    log(json.dumps(report, indent=2))
    return report


@contextmanager
def page(workspace: Workspace, person: Person) -> Iterator[TeachTab]:
    """Serve a page with the teach tab."""
    server = viser.ViserServer("127.0.0.1", 0, verbose=False)
    tab = TeachTab(server, workspace, person.recorder, Ghost(), new_scene=person.new_scene)
    try:
        yield tab
    finally:
        tab.close()
        server.stop()


class Ghost:
    """Robot of the review that is not shown."""

    def show(self, positions: object) -> None:
        """Show nothing."""


@contextmanager
def processes_of(commands: dict[str, list[str]], log: Path) -> Iterator[None]:
    """Run the processes of a stack under a supervisor of their own."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(commands, file)
        file.flush()
        with module_process(("benchmarks.teach.stack", file.name), log):
            try:
                yield
            except DbpError as error:
                raise DbpError(f"{error}; the end of {log}:\n{log_tail(log)}") from error


class _Times:
    """Wall time of each step."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self.seconds: dict[str, float] = {}
        self._log = log

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure a step."""
        start = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - start, 1)
        self._log(f"{name}: {self.seconds[name]:.1f} s")


def _started(person: Person) -> bool:
    return all(name in person.states for name in ("guard", "teleop", "recorder", "simulation"))
