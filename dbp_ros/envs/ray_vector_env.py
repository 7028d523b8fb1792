"""Vector environment on Ray workers, on the cores of one machine or on several machines."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import ray

from dbp_ros.envs.local_vector_env import LocalVectorEnv
from dbp_ros.envs.registry import EnvSpec
from dbp_ros.types import Floats, Image, Indices, VectorStepResult


class RayVectorEnv:
    """A `VectorEnv` whose environments are distributed over workers.

    An episode is independent of its worker, so any number of workers gives the same steps. With
    `RAY_ADDRESS` set the workers belong to that cluster, whose machines have this package
    installed. Otherwise they are processes of this machine.
    """

    def __init__(self, spec: EnvSpec, num_envs: int, workers: int) -> None:
        """Start the workers, which takes seconds.

        Args:
            spec: Specification of the environment.
            num_envs: Number of parallel episodes in total.
            workers: Number of workers, capped at `num_envs`.
        """
        self._owner = not ray.is_initialized()
        cluster = bool(os.environ.get("RAY_ADDRESS"))
        if self._owner:
            cpus = {} if cluster else {"num_cpus": workers}
            ray.init(include_dashboard=False, log_to_driver=False, logging_level="error", **cpus)
        parts = np.array_split(np.arange(num_envs), min(workers, num_envs))
        # On one machine, the workers of training and evaluation share the cores.
        worker = ray.remote(num_cpus=1 if cluster else 0)(LocalVectorEnv)
        self._workers = [worker.remote(spec, len(part)) for part in parts]
        self._ends = np.cumsum([len(part) for part in parts])
        self.num_envs = num_envs

    def reset(self, indices: Indices, seeds: Sequence[int]) -> Floats:
        """Start episodes; see `VectorEnv.reset`."""
        parts = self._call("reset", indices, np.asarray(seeds, np.int64))
        first: Floats = np.concatenate(parts)[self._order(indices)]
        return first

    def step(self, indices: Indices, actions: Floats) -> VectorStepResult:
        """Do one control step; see `VectorEnv.step`."""
        parts, order = self._call("step", indices, actions), self._order(indices)
        return VectorStepResult(
            np.concatenate([part.states for part in parts])[order],
            np.concatenate([part.rewards for part in parts])[order],
            np.concatenate([part.terminated for part in parts])[order],
            np.concatenate([part.truncated for part in parts])[order],
            np.concatenate([part.successes for part in parts])[order],
            np.concatenate([part.clipped for part in parts])[order],
        )

    def render(self, indices: Indices) -> dict[str, Image]:
        """Return the current images; see `VectorEnv.render`."""
        parts, order = self._call("render", indices), self._order(indices)
        return {name: np.concatenate([part[name] for part in parts])[order] for name in parts[0]}

    def close(self) -> None:
        """Stop the workers, and Ray if this environment started it."""
        if not ray.is_initialized():
            return
        for worker in self._workers:
            ray.kill(worker)
        if self._owner:
            ray.shutdown()

    def _call(self, method: str, indices: Indices, *arguments: Any) -> list[Any]:
        """Call a method of all workers concerned in parallel, each with its part."""
        owners = np.searchsorted(self._ends, indices, side="right")
        starts = np.concatenate([[0], self._ends])
        pending = [
            getattr(self._workers[owner], method).remote(
                indices[owners == owner] - starts[owner],
                *(argument[owners == owner] for argument in arguments),
            )
            for owner in np.unique(owners)
        ]
        try:
            results: list[Any] = ray.get(pending)
        except ray.exceptions.RayTaskError as error:
            # Its text is the traceback of the worker.
            raise error.cause from None
        return results

    def _order(self, indices: Indices) -> Indices:
        """Return the row of each index in the concatenated results of the workers."""
        owners = np.searchsorted(self._ends, indices, side="right")
        return np.argsort(np.argsort(owners, kind="stable"), kind="stable")
