"""Episodes of a policy evaluation in worker processes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dbp_ros.bundle.bundle import bundle_directory, read_bundle
from dbp_ros.evaluation.disturbance import UNDISTURBED, Disturbance
from dbp_ros.evaluation.policy_evaluation import EpisodeOutcome, PolicyEvaluator
from dbp_ros.evaluation.worker_pool import run_with_resource
from dbp_ros.policy.model import Model
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.settings.policy import PolicyConfig


@dataclass(frozen=True)
class Evaluation:
    """Settings of an evaluation in the simulated cell.

    Attributes:
        task: Task of the simulated cell.
        policy: Model and settings of the policy.
        backend: Renderer.
    """

    task: str
    policy: PolicyConfig
    backend: str

    def evaluator(self) -> PolicyEvaluator:
        """Load the model and build the simulation.

        Raises:
            DbpError: If the model, the task or the renderer is invalid.
        """
        model = Model(read_bundle(bundle_directory(self.policy.model)))
        return PolicyEvaluator(model, self.task, self.policy, GuardConfig(), self.backend)


@dataclass(frozen=True)
class EpisodeJob:
    """One episode.

    Attributes:
        seed: Seed of the reset, the latent and the disturbance.
        disturbance: Differences from the nominal evaluation.
        name: Name of the disturbance.
    """

    seed: int
    disturbance: Disturbance = UNDISTURBED
    name: str = ""


def run_episodes(
    evaluation: Evaluation, jobs: Sequence[EpisodeJob], workers: int
) -> Iterator[tuple[EpisodeJob, EpisodeOutcome]]:
    """Run episodes in parallel; yield each with its outcome as soon as it has ended."""
    return run_with_resource(evaluation.evaluator, _run_episode, jobs, workers)


def _run_episode(evaluator: PolicyEvaluator, job: EpisodeJob) -> tuple[EpisodeJob, EpisodeOutcome]:
    return job, evaluator.run_episode(job.seed, job.disturbance)
