"""Extraction of transitions from recorded episodes, with a check of every likelihood."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dbp_ros.data.bags.bag_episode import BagEpisode, ExecutedChunk
from dbp_ros.learning.policy_network import PolicyNetwork
from dbp_ros.policy.model import Model
from dbp_ros.rl.from_robot.policy_versions import PolicyVersions, encode_images, recomputed_log_prob
from dbp_ros.rl.transitions import Transitions
from dbp_ros.types import Floats, Image

# Largest difference between the recorded and the recomputed log density of a valid decision.
LIKELIHOOD_TOLERANCE = 1e-3
TERMINAL = ("success", "failure")
# Reasons to mask a decision. A masked decision is not used, but bootstraps the one before.
MASKS = ("human", "stopped", "interrupted", "unlikely")


@dataclass(frozen=True)
class ExtractedTransitions:
    """The transitions of an episode.

    Attributes:
        transitions: Shape (T, 1); None without any.
        counts: All `decisions`, `kept`, and the number of decisions by reason of dropping
            (`unseen`, `unknown_version`, `without_successor`) or masking (`MASKS`).
        largest_gap: Largest difference between a recorded log density and the recomputed one.
    """

    transitions: Transitions | None
    counts: Counter[str]
    largest_gap: float


@dataclass(frozen=True)
class TransitionRow:
    """One transition, with the difference between its recorded and recomputed log density."""

    chunk: ExecutedChunk
    observation: Tensor
    successor: Tensor
    log_prob: float
    gap: float
    valid: bool


class TransitionExtractor:
    """Conversion of recorded episodes to transitions, with features of the frozen encoders."""

    def __init__(
        self, policy: PolicyNetwork, versions: PolicyVersions, discount: float, first_version: int
    ) -> None:
        """Create an extractor.

        Args:
            policy: Computes the observations; all versions have its scales.
            versions: The exported bundles.
            discount: Discount per control step.
            first_version: Version of the pretrained policy.
        """
        self._policy, self._versions, self._discount = policy, versions, discount
        self._first_version = first_version

    def extract(self, episode: BagEpisode) -> ExtractedTransitions:
        """Return the transitions of an episode."""
        counts: Counter[str] = Counter()
        rows = list(self._rows(episode, counts))
        counts.update(decisions=len(episode.policy_steps), kept=len(rows))
        transitions = self._transitions(episode, rows) if rows else None
        return ExtractedTransitions(
            transitions, counts, max((row.gap for row in rows), default=0.0)
        )

    def _rows(self, episode: BagEpisode, counts: Counter[str]) -> Iterator[TransitionRow]:
        for chunk in episode.executed_chunks():
            step = chunk.policy_step
            model = self._versions.model(step.sha256)
            if model is None:
                counts["unknown_version"] += 1
                continue
            images = episode.observed_images(step)
            if images is None:
                counts["unseen"] += 1
                continue
            features = encode_images(model, images)
            successor = self._successor(episode, chunk, model)
            if successor is None:
                counts["without_successor"] += 1
                continue
            log_prob = step.log_prob
            gap = abs(recomputed_log_prob(model, step, features) - log_prob)
            masks = {
                "human": episode.has_intervention(chunk),
                "stopped": episode.guard_stopped(chunk),
                "interrupted": episode.interrupted(chunk),
                "unlikely": not gap <= LIKELIHOOD_TOLERANCE,
            }
            counts.update(name for name, masked in masks.items() if masked)
            if chunk.executed < step.executed:
                executed = replace(step, executed=chunk.executed)
                log_prob = recomputed_log_prob(model, executed, features)
            observation = self._observe(step.positions, features)
            valid = not any(masks.values())
            yield TransitionRow(chunk, observation, successor, log_prob, gap, valid)

    def _successor(self, episode: BagEpisode, chunk: ExecutedChunk, model: Model) -> Tensor | None:
        """Return the observation after the last executed point; None if it is incomplete."""
        images: dict[str, Image] | None = None
        positions: Floats | None = None
        if chunk.next_step is not None:
            images, positions = episode.observed_images(chunk.next_step), chunk.next_step.positions
        elif chunk.is_last:
            images = episode.latest_images(chunk.end_ns)
            measured = episode.positions.latest(chunk.end_ns)
            positions = None if measured is None else measured.astype(np.float32)[None]
        if images is None or positions is None:
            return None
        return self._observe(positions, encode_images(model, images))

    @torch.no_grad()
    def _observe(self, positions: Floats, features: dict[str, Floats]) -> Tensor:
        tensors = {name: torch.from_numpy(value)[None] for name, value in features.items()}
        return self._policy.observe(torch.from_numpy(positions)[None], tensors)[0]

    def _transitions(self, episode: BagEpisode, rows: list[TransitionRow]) -> Transitions:
        terminal = episode.end.termination_reason in TERMINAL
        chunks = [row.chunk for row in rows]
        terminated = torch.tensor([chunk.is_last and terminal for chunk in chunks])
        # A decision is truncated if the next row is not its successor.
        next_numbers = [row.chunk.policy_step.number for row in rows[1:]] + [-1]
        continues = torch.tensor(
            [
                chunk.policy_step.number + 1 == number
                for chunk, number in zip(chunks, next_numbers, strict=True)
            ]
        )
        arrays: dict[str, Any] = {
            "observation": torch.stack([row.observation for row in rows]),
            "successor": torch.stack([row.successor for row in rows]),
            "latent": _stack(chunk.policy_step.latent for chunk in chunks),
            "action": _stack(chunk.policy_step.normalised for chunk in chunks),
            "log_prob": torch.tensor([row.log_prob for row in rows], dtype=torch.float32),
            "executed": torch.tensor([chunk.executed for chunk in chunks]),
            "reward": torch.tensor([self._reward(episode, chunk) for chunk in chunks]),
            "terminated": terminated,
            "truncated": ~continues & ~terminated,
            # A learner counts versions from 0.
            "version": torch.tensor(
                [chunk.policy_step.version - self._first_version for chunk in chunks]
            ),
            "valid": torch.tensor([row.valid for row in rows]),
        }
        return Transitions(**{name: value[:, None] for name, value in arrays.items()})

    def _reward(self, episode: BagEpisode, chunk: ExecutedChunk) -> float:
        return sum(self._discount**k * r for k, r in enumerate(episode.rewards(chunk)))


def _stack(arrays: Iterator[Floats]) -> Tensor:
    return torch.from_numpy(np.stack(list(arrays)))
