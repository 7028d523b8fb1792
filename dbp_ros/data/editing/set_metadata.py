"""`dataset.yaml` of a set whose episodes come from other sets."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dbp_ros.data.dataset_file import read_description
from dbp_ros.data.editing.episode_names import number_of
from dbp_ros.data.editing.set_writing import SourceEpisode
from dbp_ros.data.formats import open_episodes
from dbp_ros.data.selection import DEFAULT_SELECTION

# Statistics of a part, which hold for all of its episodes together.
STATISTICS = "modes"


def combined_metadata(
    episodes: Sequence[SourceEpisode], numbers: Sequence[int], command: str
) -> dict[str, Any]:
    """Return the metadata of a new set.

    Values that all sources share stay. The parts of each source have the new numbers of their
    episodes.

    Args:
        episodes: The episodes, those of a source in their order.
        numbers: New number of each episode.
        command: Command line that makes the set.
    """
    paths = list(dict.fromkeys(one.data for one in episodes))
    contents = {path: read_description(path) for path in paths}
    own = ("command_lines", "parts", "sources", "task")
    shared = {
        key: value
        for key, value in contents[paths[0]].items()
        if key not in own
        and all(content.get(key) == value for content in contents.values())
        # A selection changes cameras, their size and the rate.
        and all(one.selection == DEFAULT_SELECTION for one in episodes)
    }
    tasks = dict.fromkeys(str(c["task"]) for c in contents.values() if "task" in c)
    lines = dict.fromkeys(line for c in contents.values() for line in c.get("command_lines", []))
    return {
        **({"task": ", ".join(tasks)} if tasks else {}),
        "command_lines": [*lines, command],
        **shared,
        "sources": [_source(path, episodes, numbers) for path in paths],
        "parts": [
            part
            for path in paths
            for part in _parts(path, contents[path].get("parts", []), episodes, numbers)
        ],
    }


def _source(
    path: Path, episodes: Sequence[SourceEpisode], numbers: Sequence[int]
) -> dict[str, Any]:
    """Return name, hash and names of the episodes of a source, by their new numbers."""
    chosen = {
        number: one.name for one, number in zip(episodes, numbers, strict=True) if one.data == path
    }
    name = path.resolve().name
    selection = next(one.selection for one in episodes if one.data == path)
    sha256 = open_episodes(path, selection).sha256()
    return {"name": name, "sha256": sha256, "episodes": chosen}


def _parts(
    path: Path,
    parts: Sequence[Mapping[str, Any]],
    episodes: Sequence[SourceEpisode],
    numbers: Sequence[int],
) -> list[dict[str, Any]]:
    """Return the parts of a source with episodes in the new set."""
    found = []
    for part in parts:
        old = range(part["first"], part["first"] + part["episodes"])
        new = [
            number
            for one, number in zip(episodes, numbers, strict=True)
            if one.data == path and number_of(one.name) in old
        ]
        if new:
            settings = {key: value for key, value in part.items() if key != STATISTICS}
            found.append({**settings, "first": min(new), "episodes": len(new)})
    return found
