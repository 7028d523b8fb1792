"""State of policy execution that a model swap leaves untouched."""

from dbp_ros.policy.ar1_latent import AR1Latent
from dbp_ros.policy.policy_statistics import PolicyStatistics
from dbp_ros.random_streams import RandomStream
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.telemetry.policy_step import PolicyStep
from dbp_ros.types import ActionChunk


class ExecutionState:
    """Execution state of one robot, shared by reference by the runners of all its models.

    The thread that steps the policy writes it. Another thread may call `begin_episode`.

    Attributes:
        statistics: Statistics across models.
        exploration_generator: Random generator of the exploration noise.
        current_chunk: The chunk that is executed; None if the next step computes a new one.
        last_decision: The newest sampled step, until `take_last_decision`.
        num_chunks: Chunks returned by this process, repetitions included.
        num_decisions: Steps sampled by this process.
        episode: Number of the current episode, from 1.
    """

    def __init__(self, config: PolicyConfig, statistics: PolicyStatistics) -> None:
        """Start the first episode.

        Args:
            config: Seed and time constant of the latent.
            statistics: Statistics to update.
        """
        self.statistics = statistics
        self.exploration_generator = RandomStream.EXPLORATION.generator(config.latent_seed)
        self.current_chunk: ActionChunk | None = None
        self.last_decision: PolicyStep | None = None
        self.num_chunks = self.num_decisions = 0
        self.episode = 1
        self._seed = config.latent_seed
        self._time_constant_s = config.latent_time_constant_s
        self._latents: dict[tuple[int, int], AR1Latent] = {}

    def latent(self, shape: tuple[int, int]) -> AR1Latent:
        """Return the latent that all models of one latent shape share.

        Args:
            shape: `Manifest.latent_shape`.
        """
        if shape not in self._latents:
            latent = AR1Latent(shape, self._time_constant_s)
            latent.reset(self._seed)
            self._latents = {**self._latents, shape: latent}
        return self._latents[shape]

    def begin_episode(self) -> None:
        """Start the next episode with independent latents and a new chunk."""
        self._seed += self._seed >= 0
        for latent in self._latents.values():
            latent.reset(self._seed)
        self.current_chunk = None
        self.episode += 1
        self.statistics.period.pause()

    def take_last_decision(self) -> PolicyStep | None:
        """Return the step sampled since the last call; None if there is none."""
        decision, self.last_decision = self.last_decision, None
        return decision
