"""Task reach: success and dense reward."""

import pytest

from dbp_ros.sim.control_loop import demonstrate
from dbp_ros.sim.simulation import Simulation
from dbp_ros.sim.tasks.reach import FAR_M, REACHED_M


@pytest.fixture(scope="module")
def simulation():
    return Simulation("reach")


def hold(simulation, seed, seconds):
    """Let the expert solve the task, then hold the position."""
    assert demonstrate(simulation, None, "both", seed, 0.0).success
    simulation.command(simulation.positions)
    simulation.advance(round(seconds / 0.002))


def test_the_reward_rises_towards_zero(simulation):
    rewards = demonstrate(simulation, None, "both", 5, 0.0).rewards
    assert -1.0 <= rewards[0] < -0.2
    assert -REACHED_M / FAR_M <= rewards[-1] <= 0.0
    assert (rewards[1:] >= rewards[:-1] - 0.02).all()


def test_one_gripper_alone_is_not_a_success(simulation):
    hold(simulation, 6, 0.1)
    assert simulation.success
    command = simulation.positions
    command[3] += 0.3
    simulation.command(command)
    simulation.advance(300)
    assert not simulation.success
    assert -1.0 < simulation.reward < -REACHED_M / (2 * FAR_M)


def test_the_reward_is_bounded(simulation):
    simulation.reset(7)
    command = simulation.positions
    command[[1, 8]] -= 1.5
    simulation.command(command)
    simulation.advance(1000)
    assert simulation.reward == pytest.approx(-1.0)
