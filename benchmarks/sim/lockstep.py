"""A policy in PyTorch and the simulated cell in lockstep: a chunk, its first steps, the next chunk.

Nothing is late here and no guard limits anything: it answers which of several policies is better.
For a bundle as it runs on a robot there is `dbp evaluate`.
"""

from collections.abc import Iterable
from contextlib import ExitStack

import numpy as np

from benchmarks.decision import decide
from dbp_ros.learning.policy_network import PolicyNetwork
from dbp_ros.policy.ar1_latent import AR1Latent
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.sim.camera import CameraRig, open_cameras
from dbp_ros.sim.control_loop import ControlLoop
from dbp_ros.sim.simulation import Simulation
from dbp_ros.types import Image

EXECUTED = 4


def play(policy: PolicyNetwork, task: str, seeds: Iterable[int]) -> list[bool]:
    """Run one episode for each seed and return which of them solved the task in time.

    `EXECUTED` steps of each chunk are executed. The latent walks from decision to decision with
    the memory that it has on a robot, and begins with the episode's seed.

    Args:
        policy: On the CPU, its history 1. It is given the states that it names, of joints and of
            the task's things, and pictures where it has cameras.
        task: Of the cell.
        seeds: Of the episodes.
    """
    simulation, cameras = Simulation(task), policy.shape.cameras
    with ExitStack() as resources:
        rig = None
        if cameras:
            height, width = next(iter(cameras.values()))
            rig = open_cameras(simulation.model, tuple(cameras), height, width)
            resources.enter_context(rig)
        return [_solves(policy, simulation, rig, seed) for seed in seeds]


def _solves(
    policy: PolicyNetwork, simulation: Simulation, rig: CameraRig | None, seed: int
) -> bool:
    """Run one episode."""
    names = simulation.joint_names + simulation.object_state_names
    columns = [names.index(name) for name in policy.shape.state_names]
    latent = AR1Latent(policy.chunk_shape, PolicyConfig().latent_time_constant_s)
    latent.draw(seed)
    environment = ControlLoop(simulation)
    environment.reset(seed)
    while not (simulation.terminated or environment.truncated):
        states = np.concatenate([simulation.positions, simulation.object_states])[columns]
        images: dict[str, Image] = {} if rig is None else rig.render(simulation.data)
        seen = {name: image[None] for name, image in images.items()}
        chunk = decide(policy, states.astype(np.float32)[None], seen, latent.at(simulation.time_ns))
        for command in chunk[:EXECUTED]:
            environment.step(command)
    return simulation.terminated
