"""`dbp collect`: record demonstrations, of the scripted expert or in an environment."""

import argparse
from dataclasses import dataclass

from dbp_ros.cli.collect_cell import CellCollectConfig, cell_plan_of, collect_in_cell
from dbp_ros.cli.collect_env import EnvCollectConfig, collect_in_env, env_plan_of
from dbp_ros.cli.env_flags import add_env_flags, env_spec_from, refuse_flags
from dbp_ros.cli.terminal import terminal
from dbp_ros.data.episode import SUFFIX
from dbp_ros.envs.registry import ENV_IDS
from dbp_ros.errors import DbpError
from dbp_ros.settings.environment import EnvConfig
from dbp_ros.settings.fields import Settings, setting
from dbp_ros.settings.flags import add_settings, settings_from
from dbp_ros.sim.tasks.registry import TASKS

MIN_SUCCESS_RATE = 0.95


@dataclass(frozen=True)
class CollectConfig(Settings):
    """Flags of `dbp collect` for the simulated cell and for environments."""

    episodes: int = setting(100, "number of episodes", ge=1)
    first: int = setting(0, "number of the first episode, to add episodes to a data set", ge=0)
    out: str = setting("", f"folder for the episodes, *{SUFFIX}; empty for data/TASK")
    seed: int = setting(0, "seed of episode 0; each episode adds 1", ge=0)
    policy: str = setting(
        "",
        "model bundle: in the cell it drives until the expert takes over at a random time, in an "
        "environment it takes the place of the demonstrator; empty for none",
    )
    workers: int = setting(2, "parallel processes", ge=1)


def run(arguments: argparse.Namespace) -> int:
    """Record the missing episodes of a data set; return 1 if too few episodes succeed."""
    console = terminal()
    try:
        config = settings_from(CollectConfig, arguments)
        cell = settings_from(CellCollectConfig, arguments)
        env = settings_from(EnvCollectConfig, arguments)
        episodes = range(config.first, config.first + config.episodes)
        if arguments.env:
            refuse_flags(cell, "is for the simulated cell and not for --env")
            spec = env_spec_from(arguments)
            plan = env_plan_of(spec, env, config.policy, config.seed, config.out)
            successes = collect_in_env(plan, episodes, config.workers, console)
        else:
            for settings in (env, settings_from(EnvConfig, arguments)):
                refuse_flags(settings, "needs --env")
            cell_plan = cell_plan_of(arguments.task, cell, config.policy, config.seed, config.out)
            successes = collect_in_cell(cell_plan, episodes, config.workers, console)
    except DbpError as error:
        console.print(f"dbp collect: {error}", style="red", soft_wrap=True)
        return 2
    return 0 if sum(successes) >= MIN_SUCCESS_RATE * len(successes) else 1


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb to the `dbp` command."""
    parser.description = (
        "Record demonstrations in parallel: of the scripted expert in the simulated cell with "
        "--task, or of a demonstrator of yours or a policy in an environment with --env. In the "
        "cell, with --policy the expert takes over from a policy, and only its part is recorded. "
        "The same command resumes an interrupted collection. Exit status 1 if less than "
        f"{MIN_SUCCESS_RATE:.0%} of the episodes succeed, which --policy with --env does not check."
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--task", default="", help=f"one of {', '.join(sorted(TASKS))}")
    source.add_argument("--env", default="", help=f"environment: {ENV_IDS}")
    add_settings(parser, CollectConfig)
    cell = parser.add_argument_group("simulated cell", "flags that need --task")
    add_settings(cell, CellCollectConfig)
    env = parser.add_argument_group("environments", "flags that need --env")
    add_settings(env, EnvCollectConfig)
    add_env_flags(parser)
    parser.set_defaults(run=run)
