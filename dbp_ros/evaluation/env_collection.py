"""Collection of episodes of a demonstrator or a policy in an environment, in worker processes."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from dbp_ros.data.episode import Episode, episode_path, read_episode, write_episode
from dbp_ros.envs.env import Env
from dbp_ros.envs.registry import EnvSpec
from dbp_ros.errors import ConfigError, EpisodeError
from dbp_ros.evaluation.collection import FAILURES
from dbp_ros.evaluation.env_actors import Actor, BundleActor, Demonstrator
from dbp_ros.evaluation.env_rollout import EnvOutcome, EnvStep, outcome_of, rollout
from dbp_ros.evaluation.worker_pool import run_with_resource
from dbp_ros.files import write_text
from dbp_ros.types import NS_PER_S

RECORDED = "an earlier command"


@dataclass(frozen=True)
class EnvCollectionPlan:
    """Settings of a data set; the same plan gives the same episodes.

    Attributes:
        spec: The environment.
        demonstrator: `MODULE:NAME` of the demonstrator; empty for the policy.
        policy: Model bundle; empty for the demonstrator.
        n_action_steps: Executed points of a chunk of the policy; None for its control rate.
        seed: Episode number `k` has the seed `seed + k`.
        directory: Folder of the episodes.
    """

    spec: EnvSpec
    demonstrator: str
    policy: str
    n_action_steps: int | None
    seed: int
    directory: Path

    def actor(self) -> Actor:
        """Load the demonstrator or the policy.

        Raises:
            DbpError: If it does not exist, or is unsuitable.
        """
        if self.demonstrator:
            return Demonstrator(self.demonstrator)
        return BundleActor(self.policy, self.n_action_steps)

    def failure_marker(self, index: int) -> Path:
        """Return the file that marks a failed episode."""
        return self.directory / FAILURES / f"episode_{index:06d}"


class EnvCollector:
    """Environment and actor of a worker process, made for its first episode."""

    def __init__(self, plan: EnvCollectionPlan) -> None:
        """Prepare the collection."""
        self._plan = plan

    @cached_property
    def _env(self) -> Env:
        return self._plan.spec.make()

    @cached_property
    def _actor(self) -> Actor:
        return self._plan.actor()

    def record(self, index: int) -> EnvOutcome:
        """Run one episode and save it if it succeeded."""
        plan, seed = self._plan, self._plan.seed + index
        steps: list[EnvStep] = []

        def recorded() -> Iterator[EnvStep]:
            for step in rollout(self._env, self._actor, seed):
                steps.append(step)
                yield step

        outcome = outcome_of(self._env, seed, recorded())
        if outcome.success:
            episode = to_episode(plan.spec.id, self._env, outcome, steps)
            if plan.policy:
                episode = replace(episode, interventions=np.zeros(len(steps), np.bool_))
            write_episode(episode_path(plan.directory, index), episode)
        else:
            write_text(plan.failure_marker(index), f"seed {seed} steps {outcome.steps}\n")
        return outcome


def to_episode(task: str, env: Env, outcome: EnvOutcome, steps: list[EnvStep]) -> Episode:
    """Return the steps of a solved episode in the format of data sets."""
    step_ns = round(env.step_s * NS_PER_S)
    return Episode(
        task=task,
        seed=outcome.seed,
        mode="",
        outcome="success",
        termination_reason="time_limit" if outcome.truncated else "success",
        state_names=env.state_names,
        action_names=env.action_names,
        step_s=env.step_s,
        states=np.stack([step.observation.state for step in steps]),
        actions=np.stack([step.action for step in steps]).astype(np.float32),
        rewards=np.array([step.result.reward for step in steps], np.float32),
        stamps_ns=np.arange(len(steps), dtype=np.int64) * step_ns,
        images={
            camera: np.stack([step.observation.images[camera] for step in steps])
            for camera in env.cameras
        },
    )


def collect_missing_in_env(
    plan: EnvCollectionPlan, missing: list[int], workers: int
) -> Iterator[EnvOutcome]:
    """Record episodes in worker processes; yield each outcome as it is available."""
    return run_with_resource(partial(EnvCollector, plan), EnvCollector.record, missing, workers)


def find_recorded_in_env(plan: EnvCollectionPlan, env: Env, index: int) -> EnvOutcome | None:
    """Return the outcome of an episode that is on disk, None if there is none.

    Args:
        plan: Settings of the data set.
        env: An environment of the plan.
        index: Number of the episode.

    Raises:
        ConfigError: If the file holds an episode of other settings.
    """
    seed = plan.seed + index
    if plan.failure_marker(index).exists():
        return EnvOutcome(seed, False, 0.0, 0, False, 0, 0.0, RECORDED)
    path = episode_path(plan.directory, index)
    try:
        episode = read_episode(path)
    except EpisodeError:
        return None
    for what, found, wanted in (
        ("task", episode.task, plan.spec.id),
        ("seed", episode.seed, seed),
        ("states", episode.state_names, env.state_names),
        ("actions", episode.action_names, env.action_names),
        ("cameras", tuple(episode.images), env.cameras),
        ("steps [s]", episode.step_s, env.step_s),
    ):
        if found != wanted:
            raise ConfigError(
                f"{path} has {what} {found}, this command would record {wanted}: use another "
                "--out, or the settings in dataset.yaml"
            )
    total = float(episode.rewards.sum())
    truncated = episode.termination_reason == "time_limit"
    return EnvOutcome(seed, True, total, len(episode), truncated, 0, 0.0, RECORDED)
