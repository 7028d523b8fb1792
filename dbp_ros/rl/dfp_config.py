"""The settings of off-policy learning (DFP) and their defaults."""

from dataclasses import dataclass

from dbp_ros.drift.fields import WIDE_TEMPERATURES
from dbp_ros.settings.fields import Settings, setting


@dataclass(frozen=True)
class OffPolicyConfig(Settings):
    """What DFP needs beside what all online learning does; no other algorithm reads it."""

    candidates: int = setting(
        16, "dfp: chunks of the old policy among which the critic chooses", ge=1
    )
    positives: int = setting(4, "dfp: the best of them, which attract", ge=1)
    samples: int = setting(8, "dfp: chunks of the policy for each observation", ge=2)
    temperatures: tuple[float, ...] = setting(
        WIDE_TEMPERATURES, "dfp: kernel widths of the drift, in mean distances", ge=1e-3
    )
    best_weight: float = setting(0.5, "dfp: weight of the drift to the best", ge=0.0)
    replay_weight: float = setting(1.0, "dfp: weight of the drift to what was done", ge=0.0)
    worth: float = setting(
        1.0,
        "dfp: the best attract where they are better by this many standard deviations of what "
        "the critics say of it; 0 for everywhere",
        ge=0.0,
    )
    best_of: int = setting(
        16, "dfp: chunks among which the critic chooses while practising; 1 for none", ge=1
    )
    critics: int = setting(2, "dfp: critics, each with its own start", ge=2)
    pessimism: float = setting(
        1.0, "dfp: standard deviations of the critics that are taken off a value", ge=0.0
    )
    old_rate: float = setting(
        1e-3, "dfp: how fast the old policy follows, for a step", ge=0.0, le=1.0
    )
    target_rate: float = setting(
        5e-3, "dfp: how fast the target critics follow, for a step", ge=0.0, le=1.0
    )
    replay: int = setting(200_000, "dfp: decisions that are remembered", ge=1)
    replay_ratio: float = setting(32.0, "dfp: how often a decision is drawn, on average", ge=0.0)
