"""Evaluation of a model bundle in an environment, in worker processes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from dbp_ros.envs.env import Env
from dbp_ros.envs.registry import EnvSpec
from dbp_ros.evaluation.env_actors import BundleActor
from dbp_ros.evaluation.env_rollout import EnvOutcome, notes_of, outcome_of, rollout
from dbp_ros.evaluation.worker_pool import run_with_resource
from dbp_ros.telemetry.confidence import bootstrap_interval, success_line


@dataclass(frozen=True)
class EnvEvaluation:
    """Settings of an evaluation in an environment.

    Attributes:
        spec: The environment, with the view of the model.
        model: Model bundle.
        n_action_steps: Executed points of a chunk; None for the control rate of the model.
        latent_time_constant_s: Time constant of the latent in [s].
    """

    spec: EnvSpec
    model: str
    n_action_steps: int | None
    latent_time_constant_s: float

    def actor(self) -> BundleActor:
        """Load the model.

        Raises:
            DbpError: If it is missing or damaged, or its chunks are too short.
        """
        return BundleActor(self.model, self.n_action_steps, self.latent_time_constant_s)


class EnvEvaluator:
    """Environment and model of a worker process, made for its first episode."""

    def __init__(self, evaluation: EnvEvaluation) -> None:
        """Prepare the evaluation."""
        self._evaluation = evaluation

    @cached_property
    def _env(self) -> Env:
        return self._evaluation.spec.make()

    @cached_property
    def _actor(self) -> BundleActor:
        return self._evaluation.actor()

    def run_episode(self, seed: int) -> EnvOutcome:
        """Run the episode of a seed."""
        return outcome_of(self._env, seed, rollout(self._env, self._actor, seed))


def evaluate_in_env(
    evaluation: EnvEvaluation, seeds: Sequence[int], workers: int
) -> Iterator[EnvOutcome]:
    """Run an episode for each seed in parallel; yield each outcome as soon as it has ended."""
    evaluator = partial(EnvEvaluator, evaluation)
    return run_with_resource(evaluator, EnvEvaluator.run_episode, seeds, workers)


def summary(env_id: str, outcomes: Sequence[EnvOutcome]) -> list[str]:
    """Return success and return with their 95 % confidence intervals, and notes."""
    returns = [outcome.episode_return for outcome in outcomes]
    solved = sum(outcome.success for outcome in outcomes)
    worst, best = bootstrap_interval(returns)
    return [
        success_line(env_id, solved, len(outcomes)),
        f"return {np.mean(returns):.4g} (95 % interval {worst:.4g} to {best:.4g})",
        *notes_of(outcomes),
    ]
