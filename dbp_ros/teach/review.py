"""Review of recorded episodes: what they contain, and their labels."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from dbp_ros.data.bags.bag_paths import OWN
from dbp_ros.data.bags.bag_summary import BagSummary, read_summary
from dbp_ros.data.editing.episode_names import number_of
from dbp_ros.data.labels import NO_LABEL, EpisodeLabel, read_labels, write_labels
from dbp_ros.errors import EpisodeError
from dbp_ros.teach.opened_episode import OpenedEpisode
from dbp_ros.types import NS_PER_S

MAX_UNDO = 100

# Name, size and time of change of a file.
FileKey = tuple[str, int, int]


@dataclass(frozen=True)
class ReviewEntry:
    """One episode in the list.

    Attributes:
        name: Name of its file.
        number: Its number.
        task: Name of the task.
        outcome: `success` or `failure`, after its label; empty if it cannot be read.
        duration_s: Length of the recording in [s].
        discarded: Whether its label leaves it out.
        trimmed: Whether its label cuts it.
        error: Why it cannot be read; empty if it can.
    """

    name: str
    number: int
    task: str = ""
    outcome: str = ""
    duration_s: float = 0.0
    discarded: bool = False
    trimmed: bool = False
    error: str = ""

    @property
    def usable(self) -> bool:
        """Whether training uses it: a success that is not discarded."""
        return self.outcome == "success" and not self.discarded and not self.error


class EpisodeReview:
    """List of the recordings in a folder, with changes of their labels and undo."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._summaries: dict[FileKey, ReviewEntry] = {}
        # Name and previous label of each change.
        self._undo: list[tuple[str, EpisodeLabel]] = []
        self._opened: tuple[FileKey, OpenedEpisode] | None = None

    def episodes(self) -> tuple[ReviewEntry, ...]:
        """Return the complete recordings in order, discarded ones included.

        Raises:
            EpisodeError: If the file of the labels cannot be read.
        """
        labels = read_labels(self._folder)
        entries = [self._entry(path) for path in sorted(self._folder.glob(OWN))]
        return tuple(_labelled(one, labels.get(one.name, NO_LABEL)) for one in entries)

    def open(self, name: str) -> OpenedEpisode:
        """Return the content of a recording; the last one stays in memory.

        Raises:
            EpisodeError: If it is damaged or incomplete, or does not exist.
        """
        key = _key(self._path(name))
        if self._opened is None or self._opened[0] != key:
            self._opened = key, OpenedEpisode(self._path(name))
        return self._opened[1]

    def first_motion_s(self, name: str) -> float:
        """Return the time before the first motion of an episode, with a margin.

        An episode without one is listed with its error from now on.

        Raises:
            EpisodeError: If it is damaged, or no joint moves.
        """
        try:
            return self.open(name).first_motion_s()
        except EpisodeError as error:
            key = _key(self._path(name))
            self._summaries[key] = replace(self._entry(self._path(name)), error=str(error))
            raise

    def limits(self, name: str) -> tuple[float | None, float | None]:
        """Return the first and the last time of a label, None for the whole recording."""
        label = read_labels(self._folder).get(name, NO_LABEL)
        return label.start_s, label.end_s

    def label(self, name: str, outcome: Literal["success", "failure"]) -> str:
        """Set the outcome of an episode; return a sentence."""
        self._change(name, lambda label: replace(label, outcome=outcome))
        return f"{name}: {outcome}"

    def trim(self, name: str, start_s: float, end_s: float) -> str:
        """Set the times from and until which an episode is read; return a sentence.

        Raises:
            EpisodeError: If no step is left.
        """
        self.open(name).check_limits(start_s, end_s)
        self._change(
            name,
            # Outwards, so that a step at a limit stays.
            lambda label: replace(
                label,
                start_s=math.floor(1000 * start_s) / 1000,
                end_s=math.ceil(1000 * end_s) / 1000,
            ),
        )
        return f"{name}: read from {start_s:.2f} to {end_s:.2f} s"

    def restore_whole(self, name: str) -> str:
        """Read the whole episode again; return a sentence."""
        self._change(name, lambda label: replace(label, start_s=None, end_s=None))
        return f"{name}: the whole recording is read"

    def discard(self, name: str, discarded: bool = True) -> str:
        """Leave an episode out, or take it in again; its file stays. Return a sentence."""
        self._change(name, lambda label: replace(label, discarded=discarded))
        return f"{name}: {'left out of training, its file stays' if discarded else 'restored'}"

    def undo(self) -> str:
        """Take the last change of the labels back; return a sentence.

        Raises:
            EpisodeError: If there is none.
        """
        if not self._undo:
            raise EpisodeError("no change to take back: labels were not changed since the start")
        name, before = self._undo[-1]
        write_labels(self._folder, {**read_labels(self._folder), name: before})
        self._undo.pop()
        return f"{name}: the last change of its label is taken back"

    def _change(self, name: str, change: Callable[[EpisodeLabel], EpisodeLabel]) -> None:
        if not self._path(name).is_file():
            raise EpisodeError(f"{self._path(name)} does not exist: choose another episode")
        labels = read_labels(self._folder)
        before = labels.get(name, NO_LABEL)
        write_labels(self._folder, {**labels, name: change(before)})
        self._undo = [*self._undo, (name, before)][-MAX_UNDO:]

    def _entry(self, path: Path) -> ReviewEntry:
        key = _key(path)
        if key not in self._summaries:
            self._summaries[key] = _read_entry(path)
        return self._summaries[key]

    def _path(self, name: str) -> Path:
        return self._folder / Path(name).name


def _key(path: Path) -> FileKey:
    try:
        status = path.stat()
    except OSError as error:
        raise EpisodeError(f"{path} cannot be read ({error.strerror}): choose another") from error
    return path.name, status.st_size, status.st_mtime_ns


def _read_entry(path: Path) -> ReviewEntry:
    entry = ReviewEntry(path.name, number_of(path.name))
    try:
        summary = read_summary(path)
    except EpisodeError as error:
        return replace(entry, error=str(error))
    if summary is None:
        return replace(entry, error=f"{path} is damaged: discard the episode")
    return replace(
        entry,
        task=str(summary.metadata.get("task") or "unknown"),
        outcome=summary.end.outcome,
        duration_s=_duration_s(summary),
    )


def _duration_s(summary: BagSummary) -> float:
    return (summary.last_ns - summary.first_ns) / NS_PER_S


def _labelled(entry: ReviewEntry, label: EpisodeLabel) -> ReviewEntry:
    if label == NO_LABEL:
        return entry
    end_s = entry.duration_s if label.end_s is None else min(label.end_s, entry.duration_s)
    return replace(
        entry,
        task=label.task or entry.task,
        outcome=label.outcome or entry.outcome,
        duration_s=end_s - (label.start_s or 0.0),
        discarded=label.discarded,
        trimmed=label.start_s is not None or label.end_s is not None,
    )
