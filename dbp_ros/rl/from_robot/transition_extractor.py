"""From recorded episodes to what a learner learns from, with every likelihood checked."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dbp_ros.data.bag_episode import BagEpisode, ExecutedChunk
from dbp_ros.learning.policy_network import PolicyNetwork
from dbp_ros.policy.model import Model
from dbp_ros.rl.from_robot.policy_versions import PolicyVersions, features_of, recomputed_log_prob
from dbp_ros.rl.transitions import Transitions
from dbp_ros.types import Floats, Image

# Where the likelihood from the record and the weights is further from what the robot told, the
# record is not of what was decided.
LIKELIHOOD_TOLERANCE = 1e-3
TERMINAL = ("success", "failure")
# Why a decision is kept, as the one before it leads on to it, and yet nothing is learned from it.
MASKS = ("human", "stopped", "interrupted", "unlikely")


@dataclass
class ExtractedTransitions:
    """What was gathered, and why something was not.

    Attributes:
        parts: The decisions that can be used, one episode each.
        counts: `decisions` in all, `kept`, and for each reason how many were dropped (`unseen`,
            `unknown_version`, `without_successor`) or kept but masked (`MASKS`).
        largest_gap: Largest difference between a log density told by the robot and the one from
            what was recorded and the weights.
    """

    parts: list[Transitions] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    largest_gap: float = 0.0


@dataclass(frozen=True)
class TransitionRow:
    """One decision on its way to a transition."""

    chunk: ExecutedChunk
    observation: Tensor
    successor: Tensor
    log_prob: float
    valid: bool


class TransitionExtractor:
    """Turns recorded episodes into transitions, with the features of the frozen encoders."""

    def __init__(
        self, policy: PolicyNetwork, versions: PolicyVersions, discount: float, first_version: int
    ) -> None:
        """Prepare.

        Args:
            policy: Observes; its scales are those of all versions.
            versions: The bundles that may have decided.
            discount: Of a reward one control step later.
            first_version: Of the bundle that explored before the learner changed anything.
        """
        self._policy, self._versions, self._discount = policy, versions, discount
        self._first_version = first_version

    def gather(self, recorded: BagEpisode, harvest: ExtractedTransitions) -> None:
        """Add an episode to a harvest."""
        rows = list(self._rows(recorded, harvest))
        harvest.counts["decisions"] += len(recorded.policy_steps)
        harvest.counts["kept"] += len(rows)
        if rows:
            harvest.parts.append(self._transitions(recorded, rows))

    def _rows(self, recorded: BagEpisode, harvest: ExtractedTransitions) -> Iterator[TransitionRow]:
        for chunk in recorded.executed_chunks():
            decision = chunk.policy_step
            model = self._versions.find(decision.sha256)
            if model is None:
                harvest.counts["unknown_version"] += 1
                continue
            images = recorded.observed_images(decision)
            if images is None:
                harvest.counts["unseen"] += 1
                continue
            features = features_of(model, images)
            successor = self._successor(recorded, chunk, model)
            if successor is None:
                harvest.counts["without_successor"] += 1
                continue
            gap = abs(recomputed_log_prob(model, decision, features) - decision.log_prob)
            harvest.largest_gap = max(harvest.largest_gap, gap)
            reasons = {
                "human": recorded.has_intervention(chunk),
                "stopped": recorded.guard_stopped(chunk),
                "interrupted": recorded.interrupted(chunk),
                "unlikely": not gap <= LIKELIHOOD_TOLERANCE,
            }
            harvest.counts.update(name for name, holds in reasons.items() if holds)
            played = replace(decision, executed=chunk.executed)
            whole = chunk.executed == decision.executed
            log_prob = decision.log_prob if whole else recomputed_log_prob(model, played, features)
            observation = self._observe(decision.positions, features)
            yield TransitionRow(chunk, observation, successor, log_prob, not any(reasons.values()))

    def _successor(self, recorded: BagEpisode, chunk: ExecutedChunk, model: Model) -> Tensor | None:
        """Return what was observed after the last point played: next, or at the very end."""
        images: dict[str, Image] | None = None
        positions: Floats | None = None
        if chunk.next_step is not None:
            images, positions = recorded.observed_images(chunk.next_step), chunk.next_step.positions
        elif chunk.is_last:
            images = recorded.latest_images(chunk.end_ns)
            felt = recorded.positions.latest(chunk.end_ns)
            positions = None if felt is None else felt.astype(np.float32)[None]
        if images is None or positions is None:
            return None
        return self._observe(positions, features_of(model, images))

    @torch.no_grad()
    def _observe(self, positions: Floats, features: dict[str, Floats]) -> Tensor:
        given = {name: torch.from_numpy(seen)[None] for name, seen in features.items()}
        return self._policy.observe(torch.from_numpy(positions)[None], given)[0]

    def _transitions(self, recorded: BagEpisode, rows: list[TransitionRow]) -> Transitions:
        ended = recorded.end.termination_reason in TERMINAL
        chunks = [row.chunk for row in rows]
        terminated = torch.tensor([chunk.is_last and ended for chunk in chunks])
        # Whatever does not lead on to the next row is cut short.
        following = [row.chunk.policy_step.number for row in rows[1:]] + [-1]
        leads_on = torch.tensor(
            [
                chunk.policy_step.number + 1 == number
                for chunk, number in zip(chunks, following, strict=True)
            ]
        )
        arrays: dict[str, Any] = {
            "observation": torch.stack([row.observation for row in rows]),
            "successor": torch.stack([row.successor for row in rows]),
            "latent": _stack(chunk.policy_step.latent for chunk in chunks),
            "action": _stack(chunk.policy_step.normalised for chunk in chunks),
            "log_prob": torch.tensor([row.log_prob for row in rows], dtype=torch.float32),
            "executed": torch.tensor([chunk.executed for chunk in chunks]),
            "reward": torch.tensor([self._reward(recorded, chunk) for chunk in chunks]),
            "terminated": terminated,
            "truncated": ~leads_on & ~terminated,
            # A learner counts its changes from 0.
            "version": torch.tensor(
                [chunk.policy_step.version - self._first_version for chunk in chunks]
            ),
            "valid": torch.tensor([row.valid for row in rows]),
        }
        return Transitions(**{name: value[:, None] for name, value in arrays.items()})

    def _reward(self, recorded: BagEpisode, chunk: ExecutedChunk) -> float:
        return sum(self._discount**k * r for k, r in enumerate(recorded.rewards(chunk)))


def _stack(arrays: Iterator[Floats]) -> Tensor:
    return torch.from_numpy(np.stack(list(arrays)))
