"""Where methods of online learning are compared."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dbp_ros.learning.checkpoint import Checkpoint
from dbp_ros.rl.config import FinetuneConfig
from dbp_ros.types import VectorEnvironment


@dataclass(frozen=True)
class RlEnv:
    """An environment, the policies that begin in it, and how long they learn.

    Attributes:
        name: Of the environment, in tables.
        open: Returns the environment, given its places and whether it is for judging.
        imitate: Returns a policy to begin with, by a method, a seed and a folder in which what
            is needed for it may be kept.
        config: What all methods have in common.
        updates: Of each run.
        eval_every: Updates between two judgements.
        episodes: In a judgement, side by side.
    """

    name: str
    open: Callable[[int, bool], VectorEnvironment]
    imitate: Callable[[str, int, Path], Checkpoint]
    config: FinetuneConfig
    updates: int
    eval_every: int
    episodes: int

    @property
    def judgements(self) -> int:
        """Rows of a run."""
        return 1 + self.updates // self.eval_every
