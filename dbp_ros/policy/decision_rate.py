"""How often a model decides: as its manifest asks for, or as the settings overrule it."""

import math
from dataclasses import replace

from dbp_ros.bundle.manifest import Manifest
from dbp_ros.errors import ConfigError
from dbp_ros.settings.policy import DECISION_RATE_HZ, PolicyConfig

# The guard holds without a fresh chunk for 0.1 s. Between the decisions of a slower model the rest
# of its chunk is published, as long as observations arrive.
SLOWEST_LOOP_HZ = 20.0
SLOWEST_HZ = 1.0


def for_model(config: PolicyConfig, manifest: Manifest) -> PolicyConfig:
    """Return settings with the rate of a model, where they leave it to the model.

    A rate below that of the stack is kept exactly: no new image starts a decision before its time,
    or a model made for 20 decisions a second would make as many as there are images.

    Raises:
        ConfigError: If the settings ask for less than one decision a second.
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
    """Return how often a loop must run for so many decisions: a multiple, fast enough."""
    return rate_hz * math.ceil(SLOWEST_LOOP_HZ / rate_hz)


def overruled(config: PolicyConfig, manifest: Manifest) -> str:
    """Return a sentence where the settings overrule the rate of a model; empty elsewhere."""
    if config.decision_rate_hz in (0.0, manifest.control_rate_hz):
        return ""
    return (
        f"decision_rate_hz sets {config.decision_rate_hz:g} decisions a second, model "
        f"{manifest.name} is made for {manifest.control_rate_hz:g}"
    )
