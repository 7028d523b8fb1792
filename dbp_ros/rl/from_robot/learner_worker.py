"""Learner process: it reads recorded episodes, updates the policy and exports its versions.

    python -m dbp_ros.rl.from_robot.learner_worker '{"checkpoint": "runs/lift", "model": "lift"}'

The optional second argument is the id of the parent process; the worker ends with it. Each line on
standard input triggers a scan for new episodes; the end of the input ends the process. Reports are
lines of JSON on standard output. After a kill the episodes since the last update are read again.
"""

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from dbp_ros.bundle.bundle import bundle_directory, read_bundle
from dbp_ros.bundle.golden import read_golden
from dbp_ros.data.bags.bag import FELL_BACK, read_bag
from dbp_ros.data.bags.bag_episode import BagEpisode
from dbp_ros.errors import ConfigError, DbpError, EpisodeError, TrainingError
from dbp_ros.files import locked
from dbp_ros.learning.bundle_checkpoint import checkpoint_of
from dbp_ros.learning.checkpoint import read_checkpoint
from dbp_ros.rl.dbpo_published import PublishedLearner
from dbp_ros.rl.from_robot.episode_queue import EpisodeQueue, RecordedEpisode
from dbp_ros.rl.from_robot.learner_checkpoints import LearnerCheckpoints
from dbp_ros.rl.from_robot.policy_versions import PolicyVersions, golden_actions
from dbp_ros.rl.from_robot.transition_extractor import MASKS, TransitionExtractor
from dbp_ros.rl.ppo import PPOLearner
from dbp_ros.rl.registry import build_learner
from dbp_ros.rl.transitions import Transitions
from dbp_ros.runtime.niceness import lower_priority
from dbp_ros.runtime.parent_death import die_with_parent
from dbp_ros.settings.fields import from_json
from dbp_ros.settings.learner import EPISODES, STATE, VERSIONS, LearnerConfig

JOURNAL, LOCK = "taken.json", "lock"
# Name of the robot of the learner node in the statistics.
OWN_NAME = "own"
# Longer than the exit of a terminated process takes.
LOCK_TIMEOUT_S = 60.0
# Indices of the command line arguments.
SETTINGS, PARENT = 1, 2

Report = Callable[[dict[str, Any]], None]


class LearnerWorker:
    """A learner on the episodes of a folder."""

    def __init__(self, config: LearnerConfig, report: Report) -> None:
        """Start from the pretrained policy, or resume an earlier process.

        Args:
            config: Settings.
            report: Called with the statistics, and with each new version.

        Raises:
            DbpError: If the checkpoint, the bundle and the content of `out` do not match.
        """
        self._config, self._report, self._out = config, report, Path(config.out)
        self._parent = read_bundle(bundle_directory(config.model))
        pretrained = (
            read_checkpoint(Path(config.checkpoint))
            if config.checkpoint
            else checkpoint_of(self._parent)
        )
        learner = build_learner(
            pretrained.policy(), replace(config.finetune, version_lag=config.max_version_lag)
        )
        if not isinstance(learner, PPOLearner) or isinstance(learner, PublishedLearner):
            raise ConfigError(
                f"algorithm = {learner.config.algorithm}: expected dbpo, dbpo_no_anchor or "
                "gaussian_ppo, which weight decisions by their likelihood and leave out those of "
                "humans"
            )
        config.finetune.require_effect()
        self._learner = learner
        self._require_parent_actions()
        self._checkpoints = LearnerCheckpoints(self._out / STATE, pretrained, self._parent.sha256)
        self._queue = EpisodeQueue(
            self._out / EPISODES,
            self._out / STATE / JOURNAL,
            self._checkpoints.resume(learner),
            config.max_waiting_episodes,
        )
        self._versions = PolicyVersions(self._out / VERSIONS, config.max_versions)
        # The first version is the pretrained policy and has its number.
        self._first_version = self._parent.manifest.version
        self._extractor = TransitionExtractor(
            learner.policy, self._versions, learner.step_discount, self._first_version
        )
        self._transitions: list[Transitions] = []
        self._counts: Counter[str] = Counter()
        self._robots: Counter[str] = Counter()
        self._largest_gap = 0.0
        self._last_update: dict[str, float] = {}
        self._reported = ""
        self._export_version()

    @property
    def _version(self) -> int:
        return self._first_version + self._learner.version

    def statistics(self) -> dict[str, Any]:
        """Return the statistics, as JSON."""
        return {
            "version": self._version,
            "updates": self._learner.updates,
            "critic_warmup_updates": self._learner.config.critic_warmup_updates,
            "waiting_decisions": self._usable_decisions(),
            "needed_decisions": self._config.decisions_per_update,
            "largest_likelihood_difference": self._largest_gap,
            "episodes": self._counts["episodes"],
            "episodes_by_robot": dict(self._robots),
            "skipped_episodes": self._queue.skipped,
            "unreadable_episodes": self._counts["unreadable_episodes"],
            "rollbacks": self._counts["rollbacks"],
            "refused_for_age": self._counts["refused_for_age"],
            "decisions": {
                name: self._counts[name]
                for name in ("decisions", "kept", "unseen", "unknown_version", "without_successor")
            },
            "masked": {name: self._counts[name] for name in MASKS},
            "update": self._last_update,
        }

    def process_new_episodes(self) -> None:
        """Read the new episodes, and update the policy whenever there are enough decisions."""
        for episode in self._queue.new_episodes():
            self._add_episode(episode)
            if self._usable_decisions() >= self._config.decisions_per_update:
                self._update_policy()
            self._report(self.statistics())

    def _add_episode(self, episode: RecordedEpisode) -> None:
        """Extract the transitions of an episode."""
        self._counts["episodes"] += 1
        self._robots[episode.robot or OWN_NAME] += 1
        try:
            bag = read_bag(episode.path(self._out / EPISODES))
            self._follow_rollback(bag.metadata.get(FELL_BACK), episode)
            extracted = self._extractor.extract(BagEpisode(bag))
        except (EpisodeError, TrainingError) as error:
            self._counts["unreadable_episodes"] += 1
            name = f"episode {episode.number} {episode.robot}".strip()
            print(f"{name} is skipped: {error}", file=sys.stderr, flush=True)
            return
        self._counts.update(extracted.counts)
        self._largest_gap = max(self._largest_gap, extracted.largest_gap)
        if extracted.transitions is not None:
            self._transitions.append(extracted.transitions)
            fresh = self._fresh(extracted.transitions)
            self._counts["refused_for_age"] += int((~fresh).sum())

    def _follow_rollback(self, rollback: dict[str, str] | None, first: RecordedEpisode) -> None:
        """Restore the version that the only active robot runs after a rollback from the newest one.

        A robot is active if it runs, or has delivered an episode since the state of that version.

        Args:
            rollback: The sha256 of the failed bundle, `from`, and of the running one, `to`.
            first: First episode after the rollback.
        """
        if rollback is None:
            return
        failed, running = (self._versions.version_of(rollback[end]) for end in ("from", "to"))
        if running is None or failed != self._version or running >= failed:
            return
        episodes = self._checkpoints.episodes_of(running)
        if episodes is None or self._queue.active_robots(episodes) != [first.robot]:
            # The other robots continue with their version until the next one.
            return
        self._checkpoints.restore_version(self._learner, running)
        self._transitions = []
        self._counts["rollbacks"] += 1
        self._versions.delete_after(running)
        before = {**self._queue.last, first.robot: first.number - 1}
        self._checkpoints.write(self._learner, self._version, before)

    def _fresh(self, transitions: Transitions) -> Tensor:
        """Return whether the version of each decision is recent enough. Shape (T, N)."""
        return self._learner.version - transitions.version <= self._learner.config.version_lag

    def _usable_decisions(self) -> int:
        return sum(int((part.valid & self._fresh(part)).sum()) for part in self._transitions)

    def _update_policy(self) -> None:
        self._last_update = self._learner.update(Transitions.concatenate(self._transitions))
        self._transitions = []
        self._checkpoints.write(self._learner, self._version, self._queue.last)
        self._queue.acknowledge()
        self._export_version()

    def _export_version(self) -> None:
        """Export the current version, unless its bundle exists, and report it."""
        version, newest = self._version, self._versions.newest
        if newest is not None and newest.manifest.version > version:
            raise TrainingError(
                f"{self._out} holds version {newest.manifest.version}, but its learner is at "
                f"{version}: use another folder, or restore its {STATE}"
            )
        if not self._checkpoints.exists:
            self._checkpoints.write(self._learner, version, {})
        if newest is None or newest.manifest.version < version:
            newest = self._versions.export(self._learner.actor, self._parent, version)
        if newest.sha256 != self._reported:
            # An update of the critic only makes no version.
            self._reported = newest.sha256
            bundle = {"directory": str(newest.directory.absolute()), "sha256": newest.sha256}
            self._report(self.statistics() | {"bundle": bundle})

    def _require_parent_actions(self) -> None:
        """Require the weights of the model, before anything is written."""
        expected = read_golden(self._parent).action
        actions = golden_actions(self._learner.actor, self._parent)
        difference = float(np.abs(expected - actions).max())
        if not difference <= self._parent.manifest.proof.tolerance:
            raise TrainingError(
                f"the actions of {self._config.model} differ by {difference:.2g} from those of "
                f"{self._config.checkpoint or 'its own weights'}: set checkpoint to the run of the "
                "model"
            )


def print_report(values: dict[str, Any]) -> None:
    """Print a line of JSON."""
    print(json.dumps(values), flush=True)


def main() -> int:
    """Run the worker until the standard input ends."""
    # Ctrl-C in a terminal signals all processes; the parent ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if len(sys.argv) > PARENT:
        die_with_parent(int(sys.argv[PARENT]))
    try:
        config = from_json(LearnerConfig, sys.argv[SETTINGS])
        lower_priority(config.learner_niceness)
        if config.learner_cpu_affinity:
            os.sched_setaffinity(0, config.learner_cpu_affinity)
        with locked(Path(config.out) / STATE / LOCK, LOCK_TIMEOUT_S):
            worker = LearnerWorker(config, print_report)
            worker.process_new_episodes()
            for _ in sys.stdin:
                worker.process_new_episodes()
    except (DbpError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
