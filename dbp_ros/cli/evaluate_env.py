"""`dbp evaluate --env`: measure a policy in an environment."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from dbp_ros.cli.terminal import progress_of, terminal
from dbp_ros.envs.column_names import require_view
from dbp_ros.envs.env_check import describe_env
from dbp_ros.envs.registry import CELL, EnvSpec
from dbp_ros.errors import EnvError
from dbp_ros.evaluation.env_actors import view_of
from dbp_ros.evaluation.env_evaluation import EnvEvaluation, evaluate_in_env, summary
from dbp_ros.evaluation.env_rollout import EnvOutcome
from dbp_ros.files import write_text
from dbp_ros.settings.fields import Settings, setting


@dataclass(frozen=True)
class EnvEvaluateConfig(Settings):
    """Flags of `dbp evaluate` that need `--env`."""

    n_action_steps: int | None = setting(
        None,
        "executed points of a chunk per decision; those of one period of the model's control rate "
        "if not given",
        ge=1,
    )


def evaluate_env(evaluation: EnvEvaluation, seeds: range, workers: int, out: Path | None) -> int:
    """Run the episodes, write each outcome at once, and print success and return.

    Args:
        evaluation: Environment and model.
        seeds: Seeds of the episodes.
        workers: Parallel processes.
        out: JSON file for the outcome of each episode.

    Raises:
        DbpError: If the environment or the model is invalid, or they do not match.
    """
    spec = evaluation.spec
    # An error is reported here and not by a worker.
    evaluation.actor()
    for line in describe_env(spec):
        print(line)
    outcomes: list[EnvOutcome] = []
    with progress_of(terminal()) as progress:
        bar = progress.add_task("episodes", total=len(seeds))
        for outcome in evaluate_in_env(evaluation, seeds, workers):
            outcomes = sorted([*outcomes, outcome], key=lambda one: one.seed)
            progress.advance(bar)
            if out is not None:
                write_text(out, json.dumps([asdict(one) for one in outcomes], indent=1) + "\n")
    for line in summary(spec.id, outcomes):
        print(line)
    return 0


def with_view(spec: EnvSpec, model: str) -> EnvSpec:
    """Return an environment with the observations and actions of a model bundle.

    Raises:
        EnvError: If it is a simulated cell, or a task of Meta-World with other columns.
        BundleError: If the bundle is missing or damaged.
    """
    if spec.id.startswith(CELL):
        raise EnvError(
            f"--env {spec.id}: give --task {spec.id.removeprefix(CELL)}, which also runs the guard"
        )
    view, spec = view_of(model), replace(spec, evaluation=True)
    if not spec.is_gymnasium:
        own = spec.io_spec()
        require_view(spec.id, own, view)
        if (own.state_names, own.action_names) != (view.state_names, view.action_names):
            raise EnvError(
                f"the columns of model {model} have another order than those of {spec.id}: train a "
                "policy on data of this environment"
            )
    return replace(spec, view=view)
