"""The settings of online learning and their defaults."""

from dataclasses import dataclass

from dbp_ros.errors import ConfigError
from dbp_ros.rl.dfp_config import OffPolicyConfig
from dbp_ros.settings.fields import setting

ALGORITHMS = ("dbpo", "dbpo_no_anchor", "dbpo_authors", "gaussian_ppo", "dfp")
FADING = ("dbpo", "dbpo_no_anchor")


@dataclass(frozen=True)
class FinetuneConfig(OffPolicyConfig):
    """How a trained policy goes on learning from rewards.

    Raises:
        ConfigError: If a number is out of range, a name is unknown, or the standard deviations
            are not in order.
    """

    algorithm: str = setting("dbpo", f"one of {', '.join(ALGORITHMS)}")
    n_action_steps: int = setting(
        4, "points of a chunk that are played before the next decision", ge=1
    )
    latent_time_constant_s: float = setting(
        0.2,
        "time in which the latent forgets itself, as when deployed; 0 holds it for an episode",
        ge=0.0,
    )
    latent_anneal_versions: int = setting(
        0,
        "versions until the latents have shrunk to nothing, for a task where what they keep apart "
        "is no choice; 0 to keep them as imitated",
        ge=0,
    )
    sigma: float = setting(
        0.1, "standard deviation of exploration at the start, in normalised action", ge=1e-6
    )
    sigma_low: float = setting(0.03, "smallest standard deviation", ge=1e-6)
    sigma_high: float = setting(0.3, "largest standard deviation", ge=1e-6)
    gamma: float = setting(0.99, "discount of a reward one control step later", ge=0.0, le=1.0)
    trace: float = setting(
        0.95, "lambda of generalised advantage estimation, for a decision", ge=0, le=1
    )
    reward_clip: float = setting(10.0, "largest scaled reward of a decision", ge=1e-6)
    clip_ratio: float = setting(
        0.2, "largest gain that is rewarded in the likelihood of a chunk", ge=0, le=1
    )
    kl_target: float = setting(
        0.05, "divergence from the behaviour, over the points played, that ends an update",
        ge=0.0,
    )  # fmt: skip
    epochs: int = setting(5, "passes over the decisions of an update", ge=1)
    minibatch: int = setting(512, "decisions in a step of the optimiser", ge=1)
    actor_learning_rate: float = setting(1e-4, "learning rate of the policy", ge=0.0)
    log_std_lr_scale: float = setting(
        1.0, "learning rate of the standard deviation, as a multiple of the policy's", ge=0.0
    )
    critic_learning_rate: float = setting(1e-3, "learning rate of the critic", ge=0.0)
    max_grad_norm: float = setting(1.0, "largest norm of a gradient", ge=0.0)
    anchor_weight: float = setting(
        0.1, "pull towards the imitated policy at the start, which then adapts; 0 for none",
        ge=0.0,
    )  # fmt: skip
    anchor_distance: float = setting(
        0.2,
        "RMS distance from the imitated policy, in normalised action, at which the pull grows",
        ge=1e-6,
    )
    critic_widths: tuple[int, ...] = setting((256, 256), "layers of the critic", ge=1)
    critic_warm_up: int = setting(5, "first updates in which the critic learns alone", ge=0)
    version_lag: int = setting(
        0, "versions by which a decision's policy may be older than the learner's", ge=0
    )
    environments: int = setting(32, "episodes that run side by side", ge=1)
    decisions: int = setting(16, "decisions of each between two updates", ge=1)
    threads: int = setting(1, "CPU threads", ge=1)
    seed: int = setting(0, "seed of everything random", ge=0)

    def __post_init__(self) -> None:
        """Check the ranges and what hangs together."""
        super().__post_init__()
        if self.algorithm not in ALGORITHMS:
            raise ConfigError(
                f"algorithm = {self.algorithm}: expected one of {', '.join(ALGORITHMS)}"
            )
        if not self.sigma_low < self.sigma < self.sigma_high:
            raise ConfigError(
                f"sigma = {self.sigma}: expected more than sigma_low = {self.sigma_low} and less "
                f"than sigma_high = {self.sigma_high}, or it could not move both ways"
            )
        if self.latent_anneal_versions and self.algorithm not in FADING:
            raise ConfigError(
                f"latent_anneal_versions = {self.latent_anneal_versions}: expected 0 for "
                f"algorithm = {self.algorithm}, only the latents of {' and '.join(FADING)} fade"
            )
        if self.positives > self.candidates:
            raise ConfigError(
                f"positives = {self.positives} are more than candidates = {self.candidates}"
            )
