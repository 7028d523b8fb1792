"""The process that learns: reads episodes as they are written, and makes new versions.

    python -m dbp_ros.rl.from_robot.learner_worker '{"checkpoint": "runs/lift", "model": "lift"}'

A process id behind that is of the one without which it shall not live.
Each line on its standard input says that there may be new episodes; it ends with the input. What
it has to say it says as a line of JSON. A kill loses nothing but time: what was not yet learned
from is read again.
"""

import json
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from dbp_ros.bundle.bundle import bundle_directory, read_bundle
from dbp_ros.bundle.golden import read_golden
from dbp_ros.data.bag import FELL_BACK, read_bag
from dbp_ros.data.bag_episode import BagEpisode
from dbp_ros.data.recorder import bag_path
from dbp_ros.errors import ConfigError, DbpError, EpisodeError, TrainingError
from dbp_ros.files import locked
from dbp_ros.learning.checkpoint import CHECKPOINT, read_checkpoint, write_checkpoint
from dbp_ros.rl.checkpoint import finetuned, restore
from dbp_ros.rl.config import FinetuneConfig
from dbp_ros.rl.from_robot.episode_queue import EpisodeQueue
from dbp_ros.rl.from_robot.policy_versions import PolicyVersions
from dbp_ros.rl.from_robot.transition_extractor import (
    MASKS,
    ExtractedTransitions,
    TransitionExtractor,
)
from dbp_ros.rl.ppo import PPOLearner
from dbp_ros.rl.registry import build_learner
from dbp_ros.rl.transitions import Transitions
from dbp_ros.runtime.parent_death import die_with_parent
from dbp_ros.settings.fields import from_mapping
from dbp_ros.settings.learner import LearnerConfig

EPISODES, VERSIONS, STATE = "episodes", "versions", "learner"
# In `STATE`: what the learner was at each of its newest versions, by their numbers.
KEPT, MOST_KEPT = "kept", 8
NOTE, LOCK = "taken.json", "lock"
# A process that was told to end, or whose parent died, ends sooner than that.
LOCK_WAITS_S = 60.0
SETTINGS, PARENT = 1, 2

Say = Callable[[dict[str, Any]], None]


def finetune_config(config: LearnerConfig) -> FinetuneConfig:
    """Return the settings of the algorithm.

    Raises:
        ConfigError: If one is not written as name=value, is unknown or out of its range.
    """
    values: dict[str, Any] = {"version_lag": config.max_version_lag}
    for word in config.finetune:
        name, equals, value = word.partition("=")
        if not equals:
            raise ConfigError(f"finetune has {word!r}, expected name=value, such as sigma=0.05")
        values[name] = _value_of(value)
    settings: FinetuneConfig = from_mapping(FinetuneConfig, values)
    return settings


def _value_of(text: str) -> Any:
    """Return what a person means: to YAML 1e-4 is a word."""
    value = yaml.safe_load(text)
    if isinstance(value, str):
        with suppress(ValueError):
            return float(value)
    return value


class LearnerWorker:
    """A learner at work on the episodes of a folder."""

    def __init__(self, config: LearnerConfig, say: Say) -> None:
        """Begin from what was imitated, or go on where an earlier process ended.

        Args:
            config: Settings.
            say: Called with the statistics, and with each new version.

        Raises:
            DbpError: If the checkpoint, the bundle and what is in `out` do not belong together.
        """
        self._config, self._say, self._out = config, say, Path(config.out)
        self._imitated = read_checkpoint(Path(config.checkpoint))
        learner = build_learner(self._imitated.policy(), finetune_config(config))
        if not isinstance(learner, PPOLearner):
            raise ConfigError(
                f"algorithm = {learner.config.algorithm} has no distribution to explore with"
            )
        self._learner = learner
        state = self._out / STATE
        self._backlog = EpisodeQueue(
            self._out / EPISODES, state / NOTE, self._resume(), config.max_waiting_episodes
        )
        self._versions = PolicyVersions(self._out / VERSIONS)
        self._parent = read_bundle(bundle_directory(config.model))
        # What first explores is what was imitated, and has its number.
        self._first = self._parent.manifest.version
        self._harvester = TransitionExtractor(
            learner.policy, self._versions, learner.step_discount, self._first
        )
        self._parts: list[Transitions] = []
        self._counts: Counter[str] = Counter()
        self._largest_gap = 0.0
        self._last_update: dict[str, float] = {}
        self._make_version()

    def statistics(self) -> dict[str, Any]:
        """Return every number, fit for JSON."""
        return {
            "version": self._first + self._learner.version,
            "updates": self._learner.updates,
            "waiting_decisions": self._usable(),
            "largest_likelihood_difference": self._largest_gap,
            "episodes": self._counts["episodes"],
            "skipped_episodes": self._backlog.skipped,
            "unreadable_episodes": self._counts["unreadable_episodes"],
            "went_back": self._counts["went_back"],
            "refused_for_age": self._counts["refused_for_age"],
            "decisions": {
                name: self._counts[name]
                for name in ("decisions", "kept", "unseen", "unknown_version", "without_successor")
            },
            "masked": {name: self._counts[name] for name in MASKS},
            "update": self._last_update,
        }

    def study(self) -> None:
        """Read the episodes that are new, and learn as often as there is enough."""
        for number in self._backlog.take():
            self._take(number)
            if self._usable() >= self._config.decisions_per_update:
                self._learn()
            self._say(self.statistics())

    def _resume(self) -> int:
        """Return the number of the last episode that was learned from."""
        if not (self._out / STATE / CHECKPOINT).exists():
            return 0
        checkpoint = read_checkpoint(self._out / STATE)
        restore(checkpoint, self._learner)
        return int(checkpoint.facts["finetuned"]["episode"])

    def _take(self, number: int) -> None:
        self._counts["episodes"] += 1
        harvest = ExtractedTransitions(counts=self._counts)
        try:
            bag = read_bag(bag_path(self._out / EPISODES, number))
            self._follow_back(bag.metadata.get(FELL_BACK), number - 1)
            self._harvester.gather(BagEpisode(bag), harvest)
        except (EpisodeError, TrainingError) as error:
            self._counts["unreadable_episodes"] += 1
            print(f"episode {number} is left out: {error}", file=sys.stderr, flush=True)
        self._largest_gap = max(self._largest_gap, harvest.largest_gap)
        self._parts += harvest.parts
        for part in harvest.parts:
            old = self._learner.version - part.version > self._learner.config.version_lag
            self._counts["refused_for_age"] += int(old.sum())

    def _follow_back(self, fallen: dict[str, str] | None, learned: int) -> None:
        """Go on from what the robot runs, where our newest version failed there.

        Args:
            fallen: The sha256 of the version that failed, `from`, and of what decides since, `to`.
            learned: Number of the last episode that shall not be read again.
        """
        if fallen is None:
            return
        failed, decides = (self._versions.number_of(fallen[end]) for end in ("from", "to"))
        if decides is None or failed != self._first + self._learner.version or decides >= failed:
            return
        kept = self._out / STATE / KEPT / str(decides)
        if not (kept / CHECKPOINT).exists():
            return
        restore(read_checkpoint(kept), self._learner)
        self._parts = []
        self._counts["went_back"] += 1
        self._versions.forget_after(decides)
        self._write_state(learned)

    def _write_state(self, learned: int) -> None:
        """Write what the learner is, to go on from; and keep it by the number of its version."""
        state = finetuned(self._imitated, self._learner, {"episode": learned})
        kept, number = self._out / STATE / KEPT, self._first + self._learner.version
        write_checkpoint(kept / str(number), state)
        for path in kept.iterdir():
            if not number - MOST_KEPT < int(path.name) <= number:
                shutil.rmtree(path)
        write_checkpoint(self._out / STATE, state)

    def _usable(self) -> int:
        learner = self._learner
        return sum(
            int((part.valid & (learner.version - part.version <= learner.config.version_lag)).sum())
            for part in self._parts
        )

    def _learn(self) -> None:
        self._last_update = self._learner.update(Transitions.concatenate(self._parts))
        self._parts = []
        self._write_state(self._backlog.last)
        self._backlog.learned()
        self._make_version()

    def _make_version(self) -> None:
        """Export the policy as it is, unless that was done."""
        number, newest = self._first + self._learner.version, self._versions.newest
        if newest is not None and newest.manifest.version > number:
            raise TrainingError(
                f"{self._out} holds version {newest.manifest.version}, but its learner is at "
                f"{number}: give another folder, or put back its {STATE}"
            )
        if not (self._out / STATE / CHECKPOINT).exists():
            self._write_state(0)
        if newest is None or newest.manifest.version < number:
            newest = self._versions.export(self._learner.actor, self._parent, number)
        if number == self._first:
            self._require_same_policy()
        bundle = {"directory": str(newest.directory.absolute()), "sha256": newest.sha256}
        self._say(self.statistics() | {"bundle": bundle})

    def _require_same_policy(self) -> None:
        newest = self._versions.newest
        assert newest is not None
        before, after = read_golden(self._parent), read_golden(newest)
        apart = float(np.abs(before.action - after.action).max())
        if not apart <= self._parent.manifest.proof.tolerance:
            raise TrainingError(
                f"{self._config.model} is not what {self._config.checkpoint} says: their actions "
                f"are {apart:.2g} apart; give the run that the model was exported from"
            )


def say(values: dict[str, Any]) -> None:
    """Print a line of JSON."""
    print(json.dumps(values), flush=True)


def main() -> int:
    """Learn until the standard input ends."""
    # Who started this process ends it, after a Ctrl-C of the terminal too.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if len(sys.argv) > PARENT:
        die_with_parent(int(sys.argv[PARENT]))
    try:
        config: LearnerConfig = from_mapping(LearnerConfig, json.loads(sys.argv[SETTINGS]))
        os.nice(config.learner_niceness)
        if config.learner_cpu_affinity:
            os.sched_setaffinity(0, config.learner_cpu_affinity)
        with locked(Path(config.out) / STATE / LOCK, LOCK_WAITS_S):
            study = LearnerWorker(config, say)
            study.study()
            for _ in sys.stdin:
                study.study()
    except (DbpError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
