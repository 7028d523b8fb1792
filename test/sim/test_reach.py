"""Both hands over their mats: when it is solved, and what it pays."""

import pytest

from dbp_ros.sim.control_loop import demonstrate
from dbp_ros.sim.simulation import Simulation
from dbp_ros.sim.tasks.reach import FAR_M, REACHED_M


@pytest.fixture(scope="module")
def simulation():
    return Simulation("reach")


def hold(simulation, seed, seconds):
    """Let the expert solve it, then stay."""
    assert demonstrate(simulation, None, "both", seed, 0.0).success
    simulation.command(simulation.positions)
    simulation.advance(round(seconds / 0.002))


def test_the_reward_rises_to_nearly_nothing_as_the_hands_arrive(simulation):
    rewards = demonstrate(simulation, None, "both", 5, 0.0).rewards
    assert -1.0 <= rewards[0] < -0.2
    assert -REACHED_M / FAR_M <= rewards[-1] <= 0.0
    assert (rewards[1:] >= rewards[:-1] - 0.02).all()


def test_one_hand_alone_does_not_solve_it(simulation):
    hold(simulation, 6, 0.1)
    assert simulation.success
    command = simulation.positions
    command[3] += 0.3
    simulation.command(command)
    simulation.advance(300)
    assert not simulation.success
    assert -1.0 < simulation.reward < -REACHED_M / (2 * FAR_M)


def test_an_arm_that_is_far_away_costs_no_more_than_the_most(simulation):
    simulation.reset(7)
    command = simulation.positions
    command[[1, 8]] -= 1.5
    simulation.command(command)
    simulation.advance(1000)
    assert simulation.reward == pytest.approx(-1.0)
