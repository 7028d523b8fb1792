"""Settings of online learning: PPO and DFP."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Literal

from dbp_ros.errors import ConfigError
from dbp_ros.settings.effect import require_effect
from dbp_ros.settings.fields import Settings, setting

Algorithm = Literal["dbpo", "dbpo_no_anchor", "dbpo_published", "gaussian_ppo", "dfp"]
ANNEALED: tuple[Algorithm, ...] = ("dbpo", "dbpo_no_anchor")
# Algorithms that weight the decisions of an older policy by their importance ratio.
REUSING: tuple[Algorithm, ...] = ("dbpo", "dbpo_no_anchor", "gaussian_ppo")


@dataclass(frozen=True)
class OffPolicyConfig(Settings):
    """Settings of DFP only."""

    num_candidates: int = setting(16, "dfp: chunks of the old policy that the critics rank", ge=1)
    num_positives: int = setting(4, "dfp: best candidates, used as positives", ge=1)
    num_samples: int = setting(8, "dfp: chunks of the policy per observation", ge=2)
    temperatures: tuple[float, ...] = setting(
        (0.05, 0.1, 0.3), "dfp: kernel widths of the drift, in mean distances", ge=1e-3
    )
    best_weight: float = setting(0.5, "dfp: weight of the drift to the best candidates", ge=0.0)
    replay_weight: float = setting(1.0, "dfp: weight of the drift to replayed actions", ge=0.0)
    min_advantage: float = setting(
        1.0,
        "dfp: smallest advantage of positives, in standard deviations of the critics; 0 for any",
        ge=0.0,
    )
    best_of_n: int = setting(16, "dfp: chunks that the critics rank in rollouts; 1 for none", ge=1)
    num_critics: int = setting(2, "dfp: critics of the ensemble", ge=2)
    pessimism: float = setting(
        1.0, "dfp: standard deviations of the critics subtracted from a value", ge=0.0
    )
    old_policy_tau: float = setting(
        1e-3, "dfp: soft update rate of the old policy, per step", ge=0.0, le=1.0
    )
    target_tau: float = setting(
        5e-3, "dfp: soft update rate of the target critics, per step", ge=0.0, le=1.0
    )
    replay_buffer_size: int = setting(200_000, "dfp: decisions in the replay buffer", ge=1)
    replay_ratio: float = setting(32.0, "dfp: mean number of samples of a decision", ge=0.0)


_EXCEPT_DFP = (*REUSING, "dbpo_published")
_EXCEPT_PUBLISHED = (*REUSING, "dfp")
_ANCHORED: tuple[Algorithm, ...] = ("dbpo", "gaussian_ppo")
# Settings of some algorithms only.
USED_BY: Mapping[str, tuple[Algorithm, ...]] = {
    **{item.name: ("dfp",) for item in fields(OffPolicyConfig)},
    "latent_time_constant_s": (*ANNEALED, "dbpo_published", "dfp"),
    "init_noise_std": _EXCEPT_PUBLISHED,
    # For dfp, the range of init_noise_std only.
    "min_noise_std": _EXCEPT_PUBLISHED,
    "max_noise_std": _EXCEPT_PUBLISHED,
    "gae_lambda": _EXCEPT_DFP,
    "reward_clip": _EXCEPT_PUBLISHED,
    "clip_ratio": REUSING,
    "target_kl": REUSING,
    # For dbpo_published, of the critic only.
    "num_learning_epochs": _EXCEPT_DFP,
    "minibatch_size": _EXCEPT_PUBLISHED,
    "log_std_lr_scale": _EXCEPT_DFP,
    "anchor_weight": _ANCHORED,
    "anchor_distance": _ANCHORED,
}


@dataclass(frozen=True)
class FinetuneConfig(OffPolicyConfig):
    """Settings of online learning from a trained policy.

    Raises:
        ConfigError: If a value is out of range, or values contradict each other.
    """

    algorithm: Algorithm = setting("dbpo", "learning algorithm")
    n_action_steps: int = setting(4, "executed points of a chunk per decision", ge=1)
    latent_time_constant_s: float = setting(
        0.2, "time constant of the latent [s]; 0 holds it for an episode", ge=0.0
    )
    latent_anneal_versions: int = setting(
        0, "versions over which the latent is annealed to zero; 0 for never", ge=0
    )
    init_noise_std: float = setting(
        0.1, "initial standard deviation of exploration, in normalised actions", ge=1e-6
    )
    min_noise_std: float = setting(0.03, "smallest standard deviation", ge=1e-6)
    max_noise_std: float = setting(0.3, "largest standard deviation", ge=1e-6)
    gamma: float = setting(0.99, "discount per control step", ge=0.0, le=1.0)
    gae_lambda: float = setting(
        0.95, "lambda of generalised advantage estimation, per decision", ge=0, le=1
    )
    reward_clip: float = setting(10.0, "largest scaled reward of a decision", ge=1e-6)
    clip_ratio: float = setting(0.2, "clip range of the likelihood ratio of a chunk", ge=0, le=1)
    target_kl: float = setting(
        0.05, "largest KL divergence of an update; a larger update is shortened", ge=0.0
    )
    num_learning_epochs: int = setting(5, "passes over the decisions of an update", ge=1)
    minibatch_size: int = setting(512, "decisions per optimizer step", ge=1)
    actor_learning_rate: float = setting(1e-4, "learning rate of the policy", ge=0.0)
    log_std_lr_scale: float = setting(
        1.0, "learning rate of the standard deviation, relative to that of the policy", ge=0.0
    )
    critic_learning_rate: float = setting(1e-3, "learning rate of the critic", ge=0.0)
    max_grad_norm: float = setting(1.0, "largest norm of the gradient", ge=0.0)
    anchor_weight: float = setting(
        0.1, "initial weight of the penalty towards the pretrained policy; 0 for none", ge=0.0
    )
    anchor_distance: float = setting(
        0.2, "RMS distance from the pretrained policy at which the penalty grows", ge=1e-6
    )
    critic_hidden_dims: tuple[int, ...] = setting((256, 256), "hidden layers of the critic", ge=1)
    critic_warmup_updates: int = setting(5, "initial updates that train the critic only", ge=0)
    version_lag: int = setting(
        0, "versions by which the policy of a decision may be older than the learner's", ge=0
    )
    reuse_updates: int = setting(
        0, "earlier updates whose decisions an update uses again, importance-weighted", ge=0
    )
    num_envs: int = setting(32, "parallel environments", ge=1)
    decisions_per_env: int = setting(16, "decisions of each environment per update", ge=1)
    threads: int = setting(1, "CPU threads", ge=1)
    seed: int = setting(0, "random seed", ge=0)

    def __post_init__(self) -> None:
        """Check each value, and values that depend on each other."""
        super().__post_init__()
        if not self.min_noise_std < self.init_noise_std < self.max_noise_std:
            raise ConfigError(
                f"init_noise_std = {self.init_noise_std}: expected more than min_noise_std = "
                f"{self.min_noise_std} and less than max_noise_std = {self.max_noise_std}"
            )
        if self.latent_anneal_versions and self.algorithm not in ANNEALED:
            raise ConfigError(
                f"latent_anneal_versions = {self.latent_anneal_versions}: expected 0 for "
                f"algorithm = {self.algorithm}, only {' and '.join(ANNEALED)} anneal the latent"
            )
        if self.reuse_updates and self.algorithm not in REUSING:
            raise ConfigError(
                f"reuse_updates = {self.reuse_updates}: expected 0 for algorithm = "
                f"{self.algorithm}, only {', '.join(REUSING)} weight earlier decisions"
            )
        if self.num_positives > self.num_candidates:
            raise ConfigError(
                f"num_positives = {self.num_positives} is more than num_candidates = "
                f"{self.num_candidates}"
            )

    def require_effect(self, names: Collection[str] | None = None) -> None:
        """Check that no setting is without effect, as in a comparison with shared settings.

        Args:
            names: Settings to check, such as those of a command line; None for all.

        Raises:
            ConfigError: If the algorithm does not use a setting.
        """
        require_effect(self, self.algorithm, USED_BY, names)
