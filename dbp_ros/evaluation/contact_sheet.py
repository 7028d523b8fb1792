"""Contact sheet of an episode: images of every camera, and plots of joints and rewards."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from dbp_ros.data.episode import Episode
from dbp_ros.data.labelled_episodes import elapsed_s
from dbp_ros.data.survey.column_groups import ColumnGroup, group_columns
from dbp_ros.data.units import ColumnUnits
from dbp_ros.files import atomic_file
from dbp_ros.settings.robot import RobotDescription
from dbp_ros.types import Array, Floats

# Colours that colour-blind readers can distinguish (Okabe and Ito, 2008).
COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7"),
    *("#E69F00", "#56B4E9", "#000000", "#8C6D31"),
)
INTERVENTION = "#F0E442"
IMAGES = 8
WIDTH_IN, IMAGE_IN, PLOT_IN, TITLE_IN, DPI = 14.0, 1.65, 2.0, 0.5, 110
# Height of the plot of the reward relative to one of joints.
REWARD_SHARE = 0.7
# Characters of the name of a camera in one line.
LABEL_WIDTH = 18


@dataclass(frozen=True)
class SheetTitle:
    """Title of a contact sheet.

    Attributes:
        name: Name of the episode.
        origin: Path of the data set.
    """

    name: str
    origin: str


def write_contact_sheet(
    path: Path,
    title: SheetTitle,
    episode: Episode,
    units: ColumnUnits,
    robot: RobotDescription | None = None,
) -> None:
    """Write the contact sheet of an episode as PNG.

    Args:
        path: The file.
        title: Name and origin of the episode.
        episode: The episode, with at least one step.
        units: Units of its columns.
        robot: Robot whose arms group the columns; None to group them by name.
    """
    names = tuple(dict.fromkeys((*episode.state_names, *episode.action_names)))
    groups = group_columns(names, units, robot)
    rows = len(episode.images)
    heights = [IMAGE_IN * rows] * bool(rows) + [PLOT_IN * (len(groups) + REWARD_SHARE)]
    figure = Figure(figsize=(WIDTH_IN, sum(heights) + TITLE_IN), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(_headline(title, episode), fontsize=12, x=0.01, ha="left")
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    if rows:
        _draw_images(parts[0], episode)
    plots = _draw_plots(parts[-1], episode, groups)
    _draw_interventions(plots, episode)
    with atomic_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI)


def _headline(title: SheetTitle, episode: Episode) -> str:
    reason = episode.termination_reason
    outcome = episode.outcome + (f" ({reason})" if reason != episode.outcome else "")
    facts = [f"task {episode.task}", outcome, f"{len(episode) * episode.step_s:.2f} s"]
    facts += [f"{len(episode)} steps at {1 / episode.step_s:.4g} Hz"]
    facts += [f"mode {episode.mode}"] * bool(episode.mode)
    return f"{title.name} of {title.origin}\n{', '.join(facts)}"


def image_rows(steps: int, count: int = IMAGES) -> list[int]:
    """Return the first, the last and evenly spaced rows between them."""
    return sorted({round(row) for row in np.linspace(0, steps - 1, count)})


def _draw_images(part: SubFigure, episode: Episode) -> None:
    rows, times_s = image_rows(len(episode)), elapsed_s(episode)
    grid = part.subplots(len(episode.images), len(rows), squeeze=False)
    for axes, row in zip(grid[0], rows, strict=True):
        axes.set_title(f"{times_s[row]:.2f} s", fontsize=9, pad=3)
    for line, (camera, images) in zip(grid, episode.images.items(), strict=True):
        for axes, row in zip(line, rows, strict=True):
            axes.imshow(images[row])
            axes.set_xticks([])
            axes.set_yticks([])
        line[0].set_ylabel(textwrap.fill(camera.replace("_", " "), LABEL_WIDTH), fontsize=9)


def _draw_plots(part: SubFigure, episode: Episode, groups: Sequence[ColumnGroup]) -> Sequence[Axes]:
    """Draw the groups of columns and the reward over time; return the plots, that last."""
    times_s = elapsed_s(episode)
    end_s = times_s[-1] + episode.step_s
    ratios = [1.0] * len(groups) + [REWARD_SHARE]
    plots = part.subplots(len(ratios), 1, sharex=True, squeeze=False, height_ratios=ratios)[:, 0]
    for axes, group in zip(plots, groups, strict=False):
        _draw_group(axes, times_s, episode, group)
    reward = plots[-1]
    # The reward of a step holds until its end.
    rewards = np.append(episode.rewards, episode.rewards[-1:])
    reward.step(np.append(times_s, end_s), rewards, where="post", color=COLOURS[0], linewidth=1.4)
    reward.set_ylabel("reward", fontsize=9)
    reward.set_xlabel("time since the first step [s]", fontsize=9)
    for axes in plots:
        for row in image_rows(len(episode)) if episode.images else ():
            axes.axvline(times_s[row], color="#999999", linewidth=0.8, linestyle=":")
        axes.grid(alpha=0.3)
        axes.tick_params(labelsize=8)
        axes.set_xlim(times_s[0], end_s)
    return list(plots)


def _draw_interventions(plots: Sequence[Axes], episode: Episode) -> None:
    if episode.interventions is None or not episode.interventions.any():
        return
    times_s = elapsed_s(episode)
    times_s = np.append(times_s, times_s[-1] + episode.step_s)
    changes = np.diff(episode.interventions.astype(np.int8), prepend=0, append=0)
    for start, end in np.flatnonzero(changes).reshape(-1, 2):
        for axes in plots:
            axes.axvspan(times_s[start], times_s[end], color=INTERVENTION, alpha=0.5, linewidth=0)
    patch = Patch(color=INTERVENTION, alpha=0.5, label="intervention")
    plots[-1].legend(handles=[patch], fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _draw_group(axes: Axes, times_s: Array, episode: Episode, group: ColumnGroup) -> None:
    lines = []
    for name, colour in zip(group.columns, COLOURS, strict=False):
        state = _column(episode.states, episode.state_names, name)
        action = _column(episode.actions, episode.action_names, name)
        if state is not None:
            axes.plot(times_s, state, color=colour, linewidth=1.4)
        if action is not None:
            # An action is the command for the end of its step.
            axes.plot(
                times_s + episode.step_s, action, color=colour, linewidth=1.0, linestyle=(0, (3, 2))
            )
        lines.append(Line2D([], [], color=colour, label=_short(name, group.columns)))
    if any(name in episode.state_names for name in group.columns):
        lines.append(Line2D([], [], color="#555555", label="state"))
    if any(name in episode.action_names for name in group.columns):
        lines.append(Line2D([], [], color="#555555", linestyle=(0, (3, 2)), label="action"))
    axes.legend(handles=lines, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    axes.set_title(group.title, fontsize=10, loc="left")
    axes.set_ylabel(f"position [{group.unit}]" if group.unit else "as recorded", fontsize=9)


def _column(table: Floats, names: Sequence[str], name: str) -> Floats | None:
    return table[:, names.index(name)] if name in names else None


def _short(name: str, columns: Sequence[str]) -> str:
    """Return a name without the first word and the `joint` that all columns share."""
    first = name.partition("_")[0]
    if len(columns) > 1 and all(column.startswith(f"{first}_") for column in columns):
        name = name.removeprefix(f"{first}_")
    return name.removesuffix("_joint").replace("_", " ")
