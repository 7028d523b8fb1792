"""What a run of a policy that learns amounts to: a few numbers and one plot."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dbp_ros.types import Array

WINDOW = 20
MOST_AT_FIRST, LEAST_AT_LAST, LEAST_SWAPS = 0.6, 0.85, 10
MINUTE_S = 60.0


@dataclass(frozen=True)
class LearningEpisode:
    """One episode of a policy that learns.

    Attributes:
        episode: Counted from 1.
        end_s: When it ended, since the first one began.
        solved: Whether the task was solved.
        duration_s: How long it took.
        version: Of the model that decided when it ended.
    """

    episode: int
    end_s: float
    solved: bool
    duration_s: float
    version: int


@dataclass(frozen=True)
class SwapMark:
    """When a model took over, or had to give way.

    Attributes:
        at_s: Since the first episode began.
        after_episode: How many episodes were over by then.
        version: Of the model that decides from then on.
        phase: `active` or `rolled_back`.
        reason: What the policy node said about it.
    """

    at_s: float
    after_episode: int
    version: int
    phase: str
    reason: str


def success_over(episodes: Sequence[LearningEpisode], window: int = WINDOW) -> Array:
    """Return the share of solved episodes in each window, the first one whole. May be empty."""
    if len(episodes) < window:
        return np.zeros(0)
    solved = np.array([episode.solved for episode in episodes], float)
    return np.convolve(solved, np.full(window, 1.0 / window), "valid")


def learning_report(
    episodes: Sequence[LearningEpisode],
    marks: Sequence[SwapMark],
    learner: dict[str, Any],
    missed_commands: int,
    machine_stalls: int,
    guard_stops: int,
) -> dict[str, Any]:
    """Return the numbers of a run, fit for JSON.

    Args:
        episodes: In order.
        marks: The swaps among them.
        learner: Statistics of the process that learns.
        missed_commands: Periods without a command that are the stack's own fault.
        machine_stalls: Those for which an empty loop was late, too.
        guard_stops: How often the guard stopped arms that did not follow.
    """
    first, last = episodes[:WINDOW], episodes[-WINDOW:]
    return {
        "episodes": len(episodes),
        "swaps": sum(mark.phase == "active" for mark in marks),
        "success_first_20": float(np.mean([episode.solved for episode in first])),
        "success_last_20": float(np.mean([episode.solved for episode in last])),
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


def unkept(report: dict[str, Any]) -> list[str]:
    """Return one sentence for each promise that a run did not keep."""
    first, last = report["success_first_20"], report["success_last_20"]
    checks = (
        ("success_first_20", first <= MOST_AT_FIRST, f"at most {MOST_AT_FIRST}"),
        ("success_last_20", last >= LEAST_AT_LAST, f"at least {LEAST_AT_LAST}"),
        ("swaps", report["swaps"] >= LEAST_SWAPS, f"at least {LEAST_SWAPS}"),
        ("missed_commands", report["missed_commands"] == 0, "0"),
    )
    return [
        f"{name} is {report[name]}, expected {wanted}" for name, kept, wanted in checks if not kept
    ]


def draw_learning(
    path: Path, episodes: Sequence[LearningEpisode], marks: Sequence[SwapMark]
) -> None:
    """Draw success over time and over episodes, with a line for each swap."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharey=True)
    over_time = [episode.end_s / MINUTE_S for episode in episodes]
    over_episodes = [float(episode.episode) for episode in episodes]
    _curve(left, over_time, episodes, [(mark, mark.at_s / MINUTE_S) for mark in marks])
    _curve(right, over_episodes, episodes, [(mark, mark.after_episode + 0.5) for mark in marks])
    left.set(xlabel="wall time [min]", ylabel="solved", ylim=(-0.05, 1.05))
    right.set_xlabel("episodes")
    right.legend(loc="lower right", fontsize=8)
    figure.suptitle("A policy learns on the robot, over real topics, and is swapped as it acts")
    figure.savefig(path, dpi=110)


def _curve(
    axes: Axes,
    places: Sequence[float],
    episodes: Sequence[LearningEpisode],
    swaps: Sequence[tuple[SwapMark, float]],
) -> None:
    named = set[str]()
    for mark, place in swaps:
        back = mark.phase == "rolled_back"
        words = "rolled back" if back else "swap"
        label = None if words in named else words
        named.add(words)
        axes.axvline(place, color="C3" if back else "C1", linewidth=0.8, alpha=0.7, label=label)
    solved = [float(episode.solved) for episode in episodes]
    axes.plot(places, solved, ".", color="grey", alpha=0.35, label="an episode")
    share = success_over(episodes)
    ends = places[len(places) - len(share) :]
    axes.plot(ends, share, color="C0", label=f"last {WINDOW} episodes")
    for limit in (MOST_AT_FIRST, LEAST_AT_LAST):
        axes.axhline(limit, color="black", linewidth=0.6, linestyle=":")
    axes.grid(alpha=0.3)
