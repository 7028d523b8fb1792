"""`dbp episodes split`: distribute a data set over new ones."""

import argparse
import shlex
from pathlib import Path

from dbp_ros.cli.data_flags import PATH_HELP, STRIDE, add_selection, selection_of
from dbp_ros.cli.episodes_merge import announce, check_new, summary, write_sets
from dbp_ros.cli.terminal import terminal
from dbp_ros.data.editing.partition import parse_parts, partition
from dbp_ros.data.editing.resumed_conversion import require_parts, unfinished_folder
from dbp_ros.data.editing.set_writing import source_episodes
from dbp_ros.data.labels import discarded_names, read_labels
from dbp_ros.files import shown_path
from dbp_ros.settings.flags import check_at_least, flags_of


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb."""
    parser.description = (
        "Distribute the episodes of a data set over new sets, one folder in --out for each part: "
        "at random by fractions, or by lists of episodes. Files of dbp_ros are hard-linked and "
        "renumbered with their labels; sets of other formats are converted to episode_*.npz. "
        "Discarded episodes are left out. The same command continues an interrupted conversion."
    )
    parser.epilog = (
        "examples: dbp episodes split data/transport --out data/parts --parts train=0.9 test=0.1; "
        "dbp episodes split data/transport --out data/parts --parts train=0-39 test=40-49"
    )
    parser.add_argument("path", metavar="PATH", type=Path, help=PATH_HELP)
    parser.add_argument("--out", type=Path, required=True, help="new folder for the parts")
    parser.add_argument(
        "--parts",
        nargs="+",
        required=True,
        metavar="NAME=VALUE",
        help="name of a part and its share with a decimal point, as in train=0.9, or its "
        "episodes, as in test=0-9,12",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the choice (default: 0)")
    add_selection(parser, without=STRIDE)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the parts.

    Raises:
        ConfigError: If the output exists or cannot be written.
        EpisodeError: If the set cannot be opened, or the parts are invalid.
    """
    check_new(arguments.out)
    check_at_least(0, seed=arguments.seed)
    parts, selection = parse_parts(arguments.parts), selection_of(arguments, without=STRIDE)
    episodes = source_episodes(arguments.path, selection)
    names = [one.name for one in episodes]
    discarded = discarded_names(read_labels(arguments.path))
    chosen = partition(parts, names, arguments.seed, str(arguments.path), discarded)
    words = ["dbp", "episodes", "split", shown_path(arguments.path), "--out"]
    words += [shown_path(arguments.out), "--parts", *arguments.parts]
    command = shlex.join([*words, "--seed", str(arguments.seed), *flags_of(selection)])
    console = terminal()
    announce(console, [arguments.path], episodes, selection)
    require_parts(unfinished_folder(arguments.out), chosen)
    sets = {part: [episodes[index] for index in indices] for part, indices in chosen.items()}
    write_sets(arguments.out, sets, command, console)
    for part in chosen:
        console.print(summary(arguments.out / part), soft_wrap=True, highlight=False)
    if rest := len(names) - sum(map(len, chosen.values())):
        console.print(f"{rest} episodes are in no part")
    return 0
