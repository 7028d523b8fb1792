"""Report and plot of an online training run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dbp_ros.evaluation.success_curve import fall_p_value, largest_fall, moving_success

WINDOW, SHORT_WINDOW = 50, 20
MIN_FINAL_SUCCESS, MIN_GAIN, MIN_SWAPS = 0.9, 0.1, 10
# A fall of the success rate that is less probable than this is not chance.
MIN_FALL_P_VALUE = 0.05
MINUTE_S = 60.0


@dataclass(frozen=True)
class LearningEpisode:
    """One episode of an online training run.

    Attributes:
        episode: Number, from 1.
        end_s: End, since the start of the first episode.
        solved: Whether the task was solved.
        duration_s: Duration.
        version: Version of the active model at the end.
    """

    episode: int
    end_s: float
    solved: bool
    duration_s: float
    version: int


@dataclass(frozen=True)
class SwapMark:
    """A model swap or rollback.

    Attributes:
        at_s: Time since the start of the first episode.
        after_episode: Number of finished episodes.
        version: Version of the new active model.
        phase: `active` or `rolled_back`.
        reason: Reason given by the policy node.
    """

    at_s: float
    after_episode: int
    version: int
    phase: str
    reason: str


def learning_report(
    episodes: Sequence[LearningEpisode],
    marks: Sequence[SwapMark],
    learner: dict[str, Any],
    missed_commands: int,
    machine_stalls: int,
    guard_stops: int,
) -> dict[str, Any]:
    """Return the numbers of a run, JSON-serialisable.

    Args:
        episodes: Episodes in order.
        marks: Swaps and rollbacks.
        learner: Statistics of the learner.
        missed_commands: Deadline misses of the guard that are not explained by the machine.
        machine_stalls: Deadline misses that a delay of an idle reference loop explains.
        guard_stops: Stops by the guard because of a tracking error.
    """
    solved = [episode.solved for episode in episodes]
    rates = {
        f"success_{which}_{window}": float(np.mean(part))
        for window in (SHORT_WINDOW, WINDOW)
        for which, part in (("first", solved[:window]), ("last", solved[-window:]))
    }
    return {
        "episodes": len(episodes),
        "swaps": sum(mark.phase == "active" for mark in marks),
        **rates,
        "largest_fall_50": largest_fall(solved, WINDOW),
        "fall_p_value": fall_p_value(solved, WINDOW),
        "missed_commands": missed_commands,
        "machine_stalls": machine_stalls,
        "guard_stops": guard_stops,
        "rollbacks": sum(mark.phase == "rolled_back" for mark in marks),
        "max_logprob_error": learner["largest_likelihood_difference"],
        "wall_s": round(episodes[-1].end_s, 1),
        "robot_s": round(sum(episode.duration_s for episode in episodes), 1),
        "updates": learner["updates"],
        "decisions": learner["decisions"],
    }


def unmet_requirements(report: dict[str, Any]) -> list[str]:
    """Return one sentence for each requirement that a run does not meet."""
    last, least = report["success_last_50"], report["success_first_50"] + MIN_GAIN
    p_value = report["fall_p_value"]
    # Without real-time privileges a gap may be a stall of the machine.
    in_time = report["missed_commands"] == 0 or not report.get("machine_stalls_known", True)
    checks = (
        ("success_last_50", last >= MIN_FINAL_SUCCESS, f"at least {MIN_FINAL_SUCCESS}"),
        ("success_last_50", last >= least, f"at least {least:.2f}, {MIN_GAIN} above the first 50"),
        ("fall_p_value", p_value >= MIN_FALL_P_VALUE, f"at least {MIN_FALL_P_VALUE}"),
        ("swaps", report["swaps"] >= MIN_SWAPS, f"at least {MIN_SWAPS}"),
        ("missed_commands", in_time, "0"),
    )
    return [
        f"{name} is {report[name]}, expected {wanted}" for name, met, wanted in checks if not met
    ]


def plot_learning(
    path: Path, episodes: Sequence[LearningEpisode], marks: Sequence[SwapMark]
) -> None:
    """Plot success over time and over episodes, with a line for each swap."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    over_time = [episode.end_s / MINUTE_S for episode in episodes]
    over_episodes = [float(episode.episode) for episode in episodes]
    _plot_success(left, over_time, episodes, [(mark, mark.at_s / MINUTE_S) for mark in marks])
    _plot_success(
        right, over_episodes, episodes, [(mark, mark.after_episode + 0.5) for mark in marks]
    )
    left.set(xlabel="wall time [min]", ylabel="solved", ylim=(-0.05, 1.05))
    right.set_xlabel("episodes")
    right.legend(loc="lower right", fontsize=8)
    figure.suptitle("Online training over ROS topics with model swaps during execution")
    figure.savefig(path, dpi=110)


def _plot_success(
    axes: Axes,
    xs: Sequence[float],
    episodes: Sequence[LearningEpisode],
    swaps: Sequence[tuple[SwapMark, float]],
) -> None:
    labelled = set[str]()
    for mark, x in swaps:
        rolled_back = mark.phase == "rolled_back"
        text = "rollback" if rolled_back else "swap"
        label = None if text in labelled else text
        labelled.add(text)
        axes.axvline(x, color="C3" if rolled_back else "C1", linewidth=0.8, alpha=0.7, label=label)
    solved = [episode.solved for episode in episodes]
    axes.plot(xs, np.array(solved, float), ".", color="grey", alpha=0.35, label="episode")
    rate = moving_success(solved, WINDOW)
    axes.plot(xs[len(xs) - len(rate) :], rate, color="C0", label=f"last {WINDOW} episodes")
    axes.axhline(MIN_FINAL_SUCCESS, color="black", linewidth=0.6, linestyle=":")
    axes.grid(alpha=0.3)
