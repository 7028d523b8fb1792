"""Rollouts of a PyTorch policy in lockstep with the simulated cell.

There is no latency and no guard, so only the policies differ. `dbp evaluate` runs a bundle as on a
robot.
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

N_ACTION_STEPS = 4


def run_episodes(policy: PolicyNetwork, task: str, seeds: Iterable[int]) -> list[bool]:
    """Run one episode for each seed and return whether it succeeded within the time limit.

    `N_ACTION_STEPS` steps of each chunk are executed. The latent has the time constant of the
    robot and starts from the episode's seed.

    Args:
        policy: On the CPU, with one observation step.
        task: Task of the cell.
        seeds: Seeds of the episodes.
    """
    simulation, cameras = Simulation(task), policy.shape.cameras
    with ExitStack() as resources:
        rig = None
        if cameras:
            height, width = next(iter(cameras.values()))
            rig = open_cameras(simulation.model, tuple(cameras), height, width)
            resources.enter_context(rig)
        return [_run_episode(policy, simulation, rig, seed) for seed in seeds]


def _run_episode(
    policy: PolicyNetwork, simulation: Simulation, rig: CameraRig | None, seed: int
) -> bool:
    """Run one episode and return its success."""
    names = simulation.joint_names + simulation.object_state_names
    columns = [names.index(name) for name in policy.shape.state_names]
    latent = AR1Latent(policy.chunk_shape, PolicyConfig().latent_time_constant_s)
    latent.reset(seed)
    env = ControlLoop(simulation)
    env.reset(seed)
    while not (simulation.terminated or env.truncated):
        states = np.concatenate([simulation.positions, simulation.object_states])[columns]
        images: dict[str, Image] = {} if rig is None else rig.render(simulation.data)
        inputs = {name: image[None] for name, image in images.items()}
        chunk = decide(
            policy, states.astype(np.float32)[None], inputs, latent.advance_to(simulation.time_ns)
        )
        for command in chunk[:N_ACTION_STEPS]:
            env.step(command)
    return simulation.terminated
