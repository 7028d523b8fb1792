"""Settings of online learning without effect are refused."""

from typing import Any

import pytest

from dbp_ros.errors import ConfigError
from dbp_ros.settings.finetune import FinetuneConfig
from dbp_ros.settings.learner import LearnerConfig


@pytest.mark.parametrize(
    ("algorithm", "settings"),
    [
        ("dbpo", {"num_critics": 3}),
        ("dbpo_no_anchor", {"anchor_weight": 0.5}),
        ("gaussian_ppo", {"latent_time_constant_s": 0.0}),
        ("dfp", {"clip_ratio": 0.1}),
        ("dbpo_published", {"clip_ratio": 0.1}),
        ("dbpo_published", {"target_kl": 0.1}),
        ("dbpo_published", {"init_noise_std": 0.2}),
        ("dbpo_published", {"anchor_weight": 0.5}),
        ("dbpo_published", {"reward_clip": 5.0}),
        ("dbpo_published", {"minibatch_size": 64}),
    ],
)
def test_a_setting_without_effect_on_the_algorithm_is_refused(
    algorithm: str, settings: dict[str, Any]
) -> None:
    config = FinetuneConfig(algorithm=algorithm, **settings)
    (name,) = settings
    with pytest.raises(ConfigError, match=f"{name} = .* has no effect on {algorithm}, only on"):
        config.require_effect()
    config.require_effect(["gamma"])


@pytest.mark.parametrize("algorithm", ["dbpo", "dbpo_published", "gaussian_ppo", "dfp"])
def test_common_settings_and_defaults_are_accepted(algorithm: str) -> None:
    FinetuneConfig(algorithm=algorithm, gamma=0.9, critic_learning_rate=1e-4).require_effect()


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({"latent_time_constant_s": 0.0}, "set that of the policy"),
        ({"version_lag": 2}, "set max_version_lag"),
        ({"num_envs": 2}, "set join of the learner of each further robot"),
        ({"decisions_per_env": 64}, "set decisions_per_update"),
    ],
)
def test_a_setting_of_environments_is_refused_on_a_robot(
    settings: dict[str, Any], remedy: str
) -> None:
    (name,) = settings
    with pytest.raises(ConfigError, match=f"finetune.{name} = .* no effect on a robot: {remedy}"):
        LearnerConfig(finetune=FinetuneConfig(**settings))
