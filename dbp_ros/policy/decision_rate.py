"""Rate of a model's decisions: that of its manifest unless the settings override it."""

import math
from dataclasses import replace

from dbp_ros.bundle.manifest import Manifest
from dbp_ros.errors import ConfigError
from dbp_ros.settings.policy import DECISION_RATE_HZ, PolicyConfig

# The guard holds after 0.1 s without a chunk. Between the decisions of a slower model the
# remaining points of its chunk are published while observations arrive.
SLOWEST_LOOP_HZ = 20.0
SLOWEST_HZ = 1.0


def for_model(config: PolicyConfig, manifest: Manifest) -> PolicyConfig:
    """Return settings with the rate of a model filled in where they leave it open.

    A rate below the default of the stack is kept exactly: a new image does not start a decision
    early, or a model for 20 decisions per second would run at the rate of the images.

    Raises:
        ConfigError: If the settings request less than one decision per second.
    """
    if 0 < config.decision_rate_hz < SLOWEST_HZ:
        raise ConfigError(
            f"decision_rate_hz = {config.decision_rate_hz:g}, expected 0 for the model's, or at "
            f"least {SLOWEST_HZ:g}"
        )
    if config.decision_rate_hz:
        return config
    rate_hz = manifest.control_rate_hz
    earliest = config.earliest_decision if rate_hz >= DECISION_RATE_HZ else 1.0
    return replace(config, decision_rate_hz=rate_hz, earliest_decision=earliest)


def loop_rate_hz(rate_hz: float) -> float:
    """Return the lowest multiple of a decision rate that is at least `SLOWEST_LOOP_HZ`."""
    return rate_hz * math.ceil(SLOWEST_LOOP_HZ / rate_hz)


def override_note(config: PolicyConfig, manifest: Manifest) -> str:
    """Return a sentence if the settings override the rate of a model, else an empty text."""
    if config.decision_rate_hz in (0.0, manifest.control_rate_hz):
        return ""
    return (
        f"decision_rate_hz overrides the rate of model {manifest.name}: "
        f"{config.decision_rate_hz:g} instead of {manifest.control_rate_hz:g} decisions per second"
    )
