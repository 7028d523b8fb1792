"""Replay of recorded decisions: bag, training rows and ONNX graphs against the running policy."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dbp_ros.bundle.bundle import Bundle, bundle_directory, read_bundle
from dbp_ros.bundle.manifest import MANIFEST
from dbp_ros.data.bags.bag import read_bag
from dbp_ros.data.bags.bag_episode import BagEpisode
from dbp_ros.data.bags.bag_paths import bag_paths
from dbp_ros.data.bags.bag_summary import POLICY_STEPS, read_summary
from dbp_ros.data.episode import Episode
from dbp_ros.data.formats import open_episodes
from dbp_ros.errors import EpisodeError
from dbp_ros.policy.model import Model
from dbp_ros.telemetry.policy_step import PolicyStep, log_density
from dbp_ros.types import Image

# Loaded models at a time, of the versions of a learner.
MAX_LOADED = 4


@dataclass(frozen=True)
class ReplayedDecision:
    """A recorded decision, computed again.

    Attributes:
        bag: The bag.
        number: Number of the policy step.
        stamp_ns: Time of its observation on the ROS clock.
        problem: Why it could not be computed; empty if it was.
        differences: Largest absolute difference from the recorded decision: of the `normalised`
            chunk, its `log_std`, the executed `action` in [rad] and [m], the `log_prob`, and, if
            `dbp train` reads a row of that time, of its `states` and `images`.
    """

    bag: Path
    number: int
    stamp_ns: int
    problem: str = ""
    differences: Mapping[str, float] = field(default_factory=dict)

    @property
    def exact(self) -> bool:
        """Whether every number is reproduced bit for bit."""
        return not self.problem and not any(self.differences.values())

    def describe(self) -> str:
        """Return where and how much the decision differs."""
        where = f"decision {self.number} of {self.bag} at {self.stamp_ns / 1e9:.3f}"
        if self.problem:
            return f"{where}: {self.problem}"
        found = [f"{name} by {value:.3g}" for name, value in self.differences.items() if value]
        return f"{where}: differs in {', '.join(found)}"


def read_bundles(path: Path) -> dict[str, Bundle]:
    """Read a bundle, or all bundles in a folder such as `versions` of a learner.

    Args:
        path: The bundle, its name under models/, or a folder of bundles.

    Returns:
        Bundles by their sha256.

    Raises:
        BundleError: If there is none, or one is damaged.
    """
    folders = sorted(found.parent for found in path.glob(f"[!.]*/{MANIFEST}"))
    bundles = [read_bundle(one) for one in folders or [bundle_directory(str(path))]]
    return {bundle.sha256: bundle for bundle in bundles}


def replay_decisions(path: Path, bundles: Mapping[str, Bundle]) -> Iterator[ReplayedDecision]:
    """Compute the decisions of all episodes again, from the observations in their bags.

    Args:
        path: A bag of an exploring policy, or a folder of them.
        bundles: Bundles of the policies, by their sha256.

    Raises:
        EpisodeError: If no bag has policy steps, or one cannot be read.
    """
    recorded = [bag for bag in bag_paths(path) if _has_policy_steps(bag)]
    if not recorded:
        raise EpisodeError(
            f"{path} has no bag with policy steps: record episodes with explore = true, by the "
            "learner or `dbp record`"
        )
    load = lru_cache(MAX_LOADED)(lambda sha256: Model(bundles[sha256]))
    for bag in recorded:
        yield from _replay_bag(bag, lambda sha256: load(sha256) if sha256 in bundles else None)


def _has_policy_steps(bag: Path) -> bool:
    summary = read_summary(bag) if bag.is_file() else None
    return summary is not None and POLICY_STEPS in summary.topics


def _replay_bag(path: Path, load: Callable[[str], Model | None]) -> Iterator[ReplayedDecision]:
    recorded, rows = BagEpisode(read_bag(path)), open_episodes(path).read(0)
    row_of = {int(stamp_ns): row for row, stamp_ns in enumerate(rows.stamps_ns)}
    for step in recorded.policy_steps:
        images, model = recorded.observed_images(step), load(step.sha256)
        problem, differences = "", dict[str, float]()
        if model is None:
            problem = f"model {step.sha256[:12]} is not given: add its bundle"
        elif images is None:
            problem = "its images are not in the bag"
        elif step.noise is None:
            problem = "its noise is not in the bag: it was recorded by an earlier version"
        else:
            differences = _differences(model, step, images)
            if step.stamp_ns in row_of:
                differences |= _row_differences(rows, row_of[step.stamp_ns], step, images)
        yield ReplayedDecision(path, step.number, step.stamp_ns, problem, differences)


def _differences(model: Model, step: PolicyStep, images: Mapping[str, Image]) -> dict[str, float]:
    """Return the differences of the outputs of the model."""
    if step.noise is None:
        raise EpisodeError(f"policy step {step.number} has no noise")
    features = {name: model.encode(name, image)[None] for name, image in images.items()}
    sample = model.sample(step.positions, features, step.latent, step.noise)
    log_prob = log_density(step.noise, sample.log_std, step.executed)
    return {
        "normalised": _difference(sample.normalised, step.normalised),
        "log_std": _difference(sample.log_std, step.log_std),
        "action": _difference(sample.action[: step.executed], step.action),
        "log_prob": abs(log_prob - step.log_prob),
    }


def _row_differences(
    rows: Episode, row: int, step: PolicyStep, images: Mapping[str, Image]
) -> dict[str, float]:
    """Return the differences of the row that training reads from the observation."""
    pixels = [_difference(rows.images[name][row], image) for name, image in images.items()]
    return {
        "states": _difference(rows.states[row], step.positions[-1]),
        "images": max(pixels, default=0.0),
    }


def _difference(found: NDArray[Any], expected: NDArray[Any]) -> float:
    """Return the largest absolute difference; infinite for another shape."""
    if found.shape != expected.shape:
        return float("inf")
    return float(np.abs(found.astype(np.float64) - expected).max(initial=0.0))
