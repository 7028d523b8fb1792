"""`dbp collect --env`: record episodes of a demonstrator or a policy in an environment."""

import importlib.metadata
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from dbp_ros.bundle.bundle import bundle_directory, read_bundle
from dbp_ros.cli.terminal import progress_of
from dbp_ros.data.dataset_file import begin_part
from dbp_ros.envs.env import Env
from dbp_ros.envs.env_check import describe_env
from dbp_ros.envs.registry import EnvSpec
from dbp_ros.errors import EnvError
from dbp_ros.evaluation.collection import note_on_failures
from dbp_ros.evaluation.env_actors import view_of
from dbp_ros.evaluation.env_collection import (
    EnvCollectionPlan,
    collect_missing_in_env,
    find_recorded_in_env,
)
from dbp_ros.evaluation.env_rollout import EnvOutcome, notes_of
from dbp_ros.files import require_folder, shown_path
from dbp_ros.settings.fields import Settings, setting
from dbp_ros.settings.flags import flags_of

# Settings that all episodes of a part of a data set share.
PART_SETTINGS = ("seed", "demonstrator", "policy_sha256", "n_action_steps", "env_flags")


@dataclass(frozen=True)
class EnvCollectConfig(Settings):
    """Flags of `dbp collect` that need `--env`."""

    demonstrator: str = setting(
        "",
        "MODULE:NAME of a function of an observation that returns an action, or of an object with "
        "the method act(observation)",
    )
    n_action_steps: int | None = setting(
        None,
        "executed points of a chunk of --policy; those of one period of its control rate if not "
        "given",
        ge=1,
    )


def env_plan_of(
    spec: EnvSpec, config: EnvCollectConfig, policy: str, seed: int, out: str
) -> EnvCollectionPlan:
    """Return the collection plan of a command line.

    Args:
        spec: The environment.
        config: Flags that need `--env`.
        policy: Model bundle; empty for the demonstrator.
        seed: Seed of episode 0.
        out: Folder; empty for that of the environment's name below `data/`.

    Raises:
        EnvError: If it is no environment of gymnasium, or not one source of actions is given.
    """
    if not spec.is_gymnasium:
        raise EnvError(
            f"--env {spec.id}: demonstrators are recorded in environments of gymnasium; for the "
            "simulated cell give --task"
        )
    if bool(config.demonstrator) == bool(policy):
        raise EnvError(
            f"--demonstrator {config.demonstrator or 'none'} and --policy {policy or 'none'}: "
            "expected one of them, which chooses the actions"
        )
    if policy:
        spec = replace(spec, view=view_of(policy))
    directory = Path(out or f"data/{spec.id.rpartition(':')[2].replace('/', '_')}")
    return EnvCollectionPlan(
        spec, config.demonstrator, policy, config.n_action_steps, seed, directory
    )


def collect_in_env(
    plan: EnvCollectionPlan, episodes: range, workers: int, console: Console
) -> list[bool]:
    """Record the missing episodes of a data set, and print what a user must know of them.

    Returns:
        Whether each episode succeeded, also of those that were recorded before; empty for a
        policy, whose failures are no fault of the command.

    Raises:
        DbpError: If the environment, the demonstrator or the policy is unsuitable or raises, or
            the folder holds episodes of other settings.
    """
    # An error is reported here and not by a worker.
    plan.actor()
    for line in describe_env(plan.spec):
        console.print(line, highlight=False, soft_wrap=True)
    require_folder(plan.directory)
    env = plan.spec.make()
    try:
        found = {index: find_recorded_in_env(plan, env, index) for index in episodes}
        command, part = command_of(plan, episodes), part_of(plan, episodes)
        begin_part(plan.directory, command, description_of(plan, env), part, PART_SETTINGS)
    finally:
        env.close()
    outcomes = [outcome for outcome in found.values() if outcome is not None]
    missing = [index for index, outcome in found.items() if outcome is None]
    failed = sum(not outcome.success for outcome in outcomes)
    new: list[EnvOutcome] = []
    with progress_of(console) as progress:
        bar = progress.add_task(plan.spec.id, total=len(episodes), completed=len(outcomes))
        for outcome in collect_missing_in_env(plan, missing, workers):
            new.append(outcome)
            progress.advance(bar)
    for note in (*notes_of(new), *note_on_failures(plan.directory, failed)):
        console.print(note, highlight=False, soft_wrap=True)
    show_outcomes(console, [*outcomes, *new])
    return [] if plan.policy else [outcome.success for outcome in (*outcomes, *new)]


def command_of(plan: EnvCollectionPlan, episodes: range) -> str:
    """Return the command line that reproduces these episodes."""
    words = ["dbp", "collect", "--env", plan.spec.id, "--episodes", str(len(episodes))]
    words += ["--first", str(episodes.start)] if episodes.start else []
    words += ["--out", shown_path(plan.directory), "--seed", str(plan.seed)]
    words += ["--demonstrator", plan.demonstrator] if plan.demonstrator else []
    words += ["--policy", plan.policy] if plan.policy else []
    words += ["--n-action-steps", str(plan.n_action_steps)] if plan.n_action_steps else []
    return shlex.join([*words, *flags_of(plan.spec.config)])


def description_of(plan: EnvCollectionPlan, env: Env) -> dict[str, Any]:
    """Return what `dataset.yaml` holds of the whole data set."""
    return {
        "task": plan.spec.id,
        "control_hz": 1 / env.step_s,
        "step_source": env.step_source,
        "cameras": list(env.cameras),
        "versions": {name: importlib.metadata.version(name) for name in ("gymnasium", "numpy")},
    }


def part_of(plan: EnvCollectionPlan, episodes: range) -> dict[str, Any]:
    """Return what `dataset.yaml` holds of the episodes of a command."""
    return {
        "first": episodes.start,
        "episodes": len(episodes),
        "seed": plan.seed,
        "demonstrator": plan.demonstrator,
        "policy": plan.policy,
        "policy_sha256": read_bundle(bundle_directory(plan.policy)).sha256 if plan.policy else "",
        "n_action_steps": plan.n_action_steps,
        "env_flags": flags_of(plan.spec.config),
    }


def show_outcomes(console: Console, outcomes: Sequence[EnvOutcome]) -> None:
    """Print how many episodes were recorded, and their mean length."""
    steps = [outcome.steps for outcome in outcomes if outcome.success]
    mean = sum(steps) / len(steps) if steps else 0.0
    console.print(
        f"{len(steps)} of {len(outcomes)} episodes succeed and are recorded, "
        f"{mean:.0f} steps on average",
        highlight=False,
        soft_wrap=True,
    )
