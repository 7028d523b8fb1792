"""`dbp data`: describe data sets."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

from dbp_ros.cli.command import Register
from dbp_ros.cli.data_flags import PATH_HELP, add_selection, selection_of
from dbp_ros.data.survey.survey import IMAGE_EPISODES, Column, Key, Survey, survey
from dbp_ros.data.survey.taken import shape_text
from dbp_ros.robots.arm_solver import ArmSolver
from dbp_ros.settings.flags import check_at_least

SAMPLE = 20


def register_of(name: str) -> Register:
    """Return the `register` function of a verb `data ...`."""
    return {"data show": register_show}[name]


def register_show(parser: argparse.ArgumentParser) -> None:
    """Add the verb `data show`."""
    parser.description = (
        "Describe a data set in any supported format: episodes, rate, columns with units and "
        "ranges, cameras, unread keys, problems, and the command line that trains on it. Exit "
        "status 0 also if there are problems."
    )
    parser.add_argument("path", metavar="PATH", type=Path, help=PATH_HELP)
    parser.add_argument(
        "--sample",
        type=int,
        default=SAMPLE,
        help="number of episodes to read, evenly over the set (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_selection(parser)
    parser.set_defaults(run=run_show)


def run_show(arguments: argparse.Namespace) -> int:
    """Print the survey of a data set.

    Raises:
        EpisodeError: If it cannot be opened, or no episode can be read.
    """
    check_at_least(1, sample=arguments.sample)
    selection = selection_of(arguments)
    found = survey(arguments.path, selection, arguments.sample, ArmSolver)
    if arguments.json:
        print(json.dumps(asdict(found), indent=2))
        return 0
    print("\n".join([*_size(found), *_columns(found.columns), *_keys(found.keys), *_end(found)]))
    return 0


def _size(found: Survey) -> list[str]:
    everything = found.surveyed == found.episodes
    source = "" if everything else f", from {found.surveyed} episodes that were read"
    about = "" if everything else "about "
    share = found.intervention_share
    driven = f"interventions: {share or 0:.1%} of the steps in episodes of a policy"
    return [
        f"{found.path}: {found.format}",
        f"episodes: {found.episodes}, {about}{found.total_s:.4g} s in total",
        f"steps of an episode: {found.shortest} to {found.longest}, median {found.median:g}"
        f"{source}",
        f"rate: {1 / found.step_s:.6g} Hz, steps of {found.step_s:.4g} s",
        *([] if share is None else [driven]),
        *found.choices,
    ]


def _columns(columns: Sequence[Column]) -> list[str]:
    lines = []
    for role in ("state", "action"):
        of_role = [column for column in columns if column.role == role]
        lines += ["", f"{role}: {len(of_role)} columns, read as float32"]
        for reason, group in groupby(of_role, key=lambda column: (column.unit, column.reason)):
            lines.append(f"  [{reason[0] or 'unknown'}] {reason[1]}")
            lines += _aligned([(c.name, f"{c.low:.4g} to {c.high:.4g}") for c in group], "    ")
    return lines


def _keys(keys: Sequence[Key]) -> list[str]:
    lines = []
    for role, title in (
        ("camera", f"cameras, read as uint8, ranges of {IMAGE_EPISODES} episodes at most"),
        ("point cloud", "point clouds, read as float32"),
        ("not read", "not read; choose them with --state, --images or --points"),
    ):
        rows = [_key_row(key) for key in keys if key.role == role]
        lines += ["", title, *_aligned(rows, "  ")] if rows else []
    return lines


def _key_row(key: Key) -> tuple[str, str, str]:
    bounds = "" if key.low is None or key.high is None else f"{key.low:.4g} to {key.high:.4g}"
    return key.name, shape_text(key.shape), bounds


def _end(found: Survey) -> list[str]:
    problems = ["- " + problem.replace("\n", "\n  ") for problem in found.problems]
    lines = ["", *(["problems:", *problems] if problems else ["no problems"]), ""]
    if found.unreadable:
        count = f"{found.unreadable} of {found.unreadable + found.surveyed}"
        return [*lines, f"no command line: {count} episodes cannot be read, see the problems"]
    if not found.command:
        return [*lines, "no command line fits: map the joints with --robot"]
    assumed = [f"check before training: this assumes {found.assumption}"] * bool(found.assumption)
    return [*lines, *assumed, found.command]


def _aligned(rows: Sequence[tuple[str, ...]], indent: str) -> list[str]:
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    return [f"{indent}{'  '.join(map(str.ljust, row, widths))}".rstrip() for row in rows]
