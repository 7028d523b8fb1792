"""The settings of off-policy learning (DFP) and their defaults."""

from dataclasses import dataclass

from dbp_ros.drift.fields import WIDE_TEMPERATURES
from dbp_ros.settings.fields import setting


@dataclass(frozen=True)
class OffPolicyConfig:
    """What DFP needs beside what all online learning does; no other algorithm reads it."""

    candidates: int = setting(
        16, "dfp: chunks of the old policy among which the critic chooses", minimum=1
    )
    positives: int = setting(4, "dfp: the best of them, which attract", minimum=1)
    samples: int = setting(8, "dfp: chunks of the policy for each observation", minimum=2)
    temperatures: tuple[float, ...] = setting(
        WIDE_TEMPERATURES, "dfp: kernel widths of the drift, in mean distances", minimum=1e-3
    )
    best_weight: float = setting(0.5, "dfp: weight of the drift to the best", minimum=0.0)
    replay_weight: float = setting(1.0, "dfp: weight of the drift to what was done", minimum=0.0)
    worth: float = setting(
        1.0,
        "dfp: the best attract where they are better by this many standard deviations of what "
        "the critics say of it; 0 for everywhere",
        minimum=0.0,
    )
    best_of: int = setting(
        16, "dfp: chunks among which the critic chooses while practising; 1 for none", minimum=1
    )
    critics: int = setting(2, "dfp: critics, each with its own start", minimum=2)
    pessimism: float = setting(
        1.0, "dfp: standard deviations of the critics that are taken off a value", minimum=0.0
    )
    old_rate: float = setting(
        1e-3, "dfp: how fast the old policy follows, for a step", minimum=0.0, maximum=1.0
    )
    target_rate: float = setting(
        5e-3, "dfp: how fast the target critics follow, for a step", minimum=0.0, maximum=1.0
    )
    replay: int = setting(200_000, "dfp: decisions that are remembered", minimum=1)
    replay_ratio: float = setting(
        32.0, "dfp: how often a decision is drawn, on average", minimum=0.0
    )
