"""Episodes of an actor in one environment, and their outcomes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dbp_ros.envs.env import Env, StepResult
from dbp_ros.errors import EnvError
from dbp_ros.evaluation.env_actors import Actor, EnvObservation
from dbp_ros.types import Array


@dataclass(frozen=True)
class EnvStep:
    """One control step of an episode.

    Attributes:
        observation: Before the step.
        action: Executed action, within its bounds. Shape (nu,).
        excess: Largest distance by which the requested action exceeded its bounds.
        result: Of the step.
    """

    observation: EnvObservation
    action: Array
    excess: float
    result: StepResult


@dataclass(frozen=True)
class EnvOutcome:
    """Outcome of one episode.

    Attributes:
        seed: Seed of the episode.
        success: Whether the task was solved at any step.
        episode_return: Undiscounted sum of the rewards.
        steps: Number of control steps.
        truncated: Whether the episode ended at its time limit.
        clipped: Number of actions that exceeded their bounds.
        largest_excess: Largest distance by which one did.
        success_source: What marked the last step as solved or not.
    """

    seed: int
    success: bool
    episode_return: float
    steps: int
    truncated: bool
    clipped: int
    largest_excess: float
    success_source: str


def rollout(env: Env, actor: Actor, seed: int) -> Iterator[EnvStep]:
    """Yield the steps of the episode of a seed, up to its end.

    Raises:
        EnvError: If an action has the wrong shape or is not finite.
    """
    actor.reset(seed)
    state, ended = env.reset(seed), False
    while not ended:
        observation = EnvObservation(state, env.render(), env.raw_observation)
        requested = _checked(actor.act(observation), env)
        action = env.clip(requested)
        result = env.step(action)
        yield EnvStep(observation, action, env.excess(requested), result)
        state, ended = result.state, result.terminated or result.truncated


def _checked(action: Array, env: Env) -> Array:
    expected = (len(env.action_names),)
    if action.shape != expected or not np.isfinite(action).all():
        raise EnvError(
            f"the action is {action.tolist()}, expected {expected[0]} finite numbers, "
            f"{', '.join(env.action_names)}"
        )
    return action


def outcome_of(env: Env, seed: int, steps: Iterable[EnvStep]) -> EnvOutcome:
    """Run the steps of `rollout`, and return their outcome."""
    results, excesses = [], []
    for step in steps:
        results.append(step.result)
        excesses.append(step.excess)
    return EnvOutcome(
        seed=seed,
        success=any(result.success for result in results),
        episode_return=float(sum(result.reward for result in results)),
        steps=len(results),
        truncated=not results[-1].terminated,
        clipped=int(np.count_nonzero(excesses)),
        largest_excess=max(excesses),
        success_source=env.success_source,
    )


def notes_of(outcomes: Sequence[EnvOutcome]) -> list[str]:
    """Return notes on episodes for the user: the source of success, and clipped actions."""
    sources = sorted({outcome.success_source for outcome in outcomes})
    notes = [f"success is read from {' and '.join(sources)}"] if sources else []
    if len(sources) > 1:
        notes[0] += ": set one for all episodes with --success"
    if clipped := sum(outcome.clipped for outcome in outcomes):
        largest = max(outcome.largest_excess for outcome in outcomes)
        notes.append(
            f"{clipped} of {sum(outcome.steps for outcome in outcomes)} actions exceeded their "
            f"bounds, by up to {largest:.3g}, and were clipped"
        )
    return notes
