"""Decision rate of a model, from its manifest unless the settings override it."""

import math
from dataclasses import replace

from dbp_ros.bundle.manifest import Manifest
from dbp_ros.errors import ConfigError
from dbp_ros.settings.policy import DECISION_RATE_HZ, PolicyConfig

# The guard holds after 0.1 s without a chunk. Between the decisions of a slower model the
# remaining points of its chunk are published while observations arrive.
MIN_LOOP_HZ = 20.0
MIN_DECISION_HZ = 1.0


def with_decision_rate(config: PolicyConfig, manifest: Manifest) -> PolicyConfig:
    """Return settings with the decision rate of a model if they do not set one.

    Below the default rate of the stack, a new image does not trigger a decision early. Otherwise
    a model for 20 decisions per second would run at the rate of the images.

    Raises:
        ConfigError: If the settings request less than one decision per second.
    """
    if 0 < config.decision_rate_hz < MIN_DECISION_HZ:
        raise ConfigError(
            f"decision_rate_hz = {config.decision_rate_hz:g}, expected 0 for the model's, or at "
            f"least {MIN_DECISION_HZ:g}"
        )
    if config.decision_rate_hz:
        return config
    rate_hz = manifest.control_rate_hz
    earliest = config.earliest_decision if rate_hz >= DECISION_RATE_HZ else 1.0
    return replace(config, decision_rate_hz=rate_hz, earliest_decision=earliest)


def inference_budget_ms(config: PolicyConfig) -> float:
    """Return the longest inference of a model that is swapped in, in [ms] of wall time.

    Args:
        config: Settings with the decision rate of the model.
    """
    return 1e3 * config.inference_budget / (config.decision_rate_hz * config.real_time_factor)


def loop_rate_hz(rate_hz: float) -> float:
    """Return the lowest multiple of a decision rate that is at least `MIN_LOOP_HZ`."""
    return rate_hz * math.ceil(MIN_LOOP_HZ / rate_hz)


def override_note(config: PolicyConfig, manifest: Manifest) -> str:
    """Return a sentence if the settings override the rate of a model, else an empty text."""
    if config.decision_rate_hz in (0.0, manifest.control_rate_hz):
        return ""
    return (
        f"decision_rate_hz overrides the rate of model {manifest.name}: "
        f"{config.decision_rate_hz:g} instead of {manifest.control_rate_hz:g} decisions per second"
    )
