"""`dbp episodes list`: a table of the episodes of a data set."""

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from dbp_ros.cli.data_flags import PATH_HELP, STRIDE, add_selection, selection_of
from dbp_ros.cli.terminal import progress_of, show_table, terminal
from dbp_ros.data.survey.episode_listing import EpisodeEntry, EpisodeListing, list_episodes
from dbp_ros.robots.arm_solver import ArmSolver

BYTES_PER_MB = 1e6
# Fields of `Selection` whose flags have another meaning here.
OWN_FLAGS = ("images", *STRIDE)


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb."""
    parser.description = (
        "Print a table of the episodes of a data set with their labels applied: task, outcome, "
        "duration, steps, rate, mode, cameras and size, and the totals. Exit status 1 if an "
        "episode cannot be read."
    )
    parser.epilog = "example: dbp episodes list data/transport"
    parser.add_argument("path", metavar="PATH", type=Path, help=PATH_HELP)
    parser.add_argument(
        "--images",
        action="store_true",
        help="read the images of every episode and list its cameras; slow for large sets. The "
        "default reads those of the first episode",
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    add_selection(parser, without=OWN_FLAGS)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the table.

    Raises:
        EpisodeError: If the set cannot be opened.
    """
    console, selection = terminal(), selection_of(arguments, without=OWN_FLAGS)
    with progress_of(console, disable=arguments.json or not console.is_terminal) as progress:
        bar = progress.add_task("read", total=None)
        listing = list_episodes(
            arguments.path,
            arguments.images,
            lambda total: progress.update(bar, total=total, advance=1),
            selection,
            ArmSolver,
        )
    if arguments.json:
        print(json.dumps(asdict(listing), indent=1))
    else:
        _show(console, listing, arguments.images)
    return 1 if any(entry.error for entry in listing.episodes) else 0


def _show(console: Console, listing: EpisodeListing, images: bool) -> None:
    view = Table("episode", "task", "outcome")
    for column in ("duration [s]", "steps", "rate [Hz]"):
        view.add_column(column, justify="right")
    view.add_column("mode")
    if images:
        view.add_column("cameras [px]")
    view.add_column("size [MB]", justify="right")
    for entry in listing.episodes:
        view.add_row(*_cells(entry, images))
    show_table(console, view)
    for line in totals(listing):
        console.print(line, soft_wrap=True, highlight=False)


def _cells(entry: EpisodeEntry, images: bool) -> list[str]:
    size = "" if entry.size_bytes is None else f"{entry.size_bytes / BYTES_PER_MB:.2f}"
    cameras = [_cameras(entry.cameras or {})] if images else []
    if entry.error:
        return [entry.episode, "", outcome(entry), "", "", "", "", *([""] * images), size]
    numbers = (f"{entry.duration_s:.2f}", str(entry.steps), f"{entry.rate_hz:.4g}")
    return [entry.episode, entry.task, outcome(entry), *numbers, entry.mode, *cameras, size]


def outcome(entry: EpisodeEntry) -> str:
    """Return outcome and termination reason, and what the label does."""
    if entry.error:
        return f"unreadable: {entry.error}"
    text = entry.outcome
    if entry.termination_reason != entry.outcome:
        text += f" ({entry.termination_reason})"
    marks = [mark for mark in ("discarded", "trimmed") if getattr(entry, mark)]
    return ", ".join([text, *marks])


def totals(listing: EpisodeListing) -> list[str]:
    """Return the sums over the episodes that are not discarded, as lines of text."""
    used = [entry for entry in listing.episodes if not (entry.discarded or entry.error)]
    outcomes = Counter(entry.outcome for entry in used)
    discarded = sum(entry.discarded for entry in listing.episodes)
    unreadable = sum(bool(entry.error) for entry in listing.episodes)
    counts = [f"{len(used)} episodes", *(f"{n} {name}" for name, n in sorted(outcomes.items()))]
    counts += [f"{discarded} discarded"] * bool(discarded)
    counts += [f"{unreadable} unreadable"] * bool(unreadable)
    seconds = sum(entry.duration_s for entry in used)
    steps = sum(entry.steps for entry in used)
    megabytes = listing.size_bytes / BYTES_PER_MB
    lines = [f"{', '.join(counts)}; {steps} steps, {seconds:.1f} s, {megabytes:.1f} MB"]
    lines += _interventions(used)
    lines.append(f"cameras: {_cameras(listing.cameras) or 'none'}")
    if listing.unused_labels:
        lines.append(f"labels of episodes that do not exist: {', '.join(listing.unused_labels)}")
    return lines


def _interventions(entries: Sequence[EpisodeEntry]) -> list[str]:
    by_policy = [entry for entry in entries if entry.intervention_steps is not None]
    if not by_policy:
        return []
    human = sum(entry.intervention_steps or 0 for entry in by_policy)
    steps = sum(entry.steps for entry in by_policy)
    return [
        f"interventions: {human} of {steps} steps ({human / max(steps, 1):.1%}) in "
        f"{len(by_policy)} episodes of a policy"
    ]


def _cameras(cameras: dict[str, tuple[int, int]]) -> str:
    return ", ".join(f"{name} {width} x {height}" for name, (height, width) in cameras.items())
