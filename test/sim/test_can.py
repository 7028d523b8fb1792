"""Task can: success, expert and idle arm."""

import numpy as np
import pytest

from dbp_ros.sim.control_loop import CONTROL_HZ, ControlLoop, demonstrate
from dbp_ros.sim.expert import Expert
from dbp_ros.sim.simulation import Simulation
from dbp_ros.sim.tasks.bin import touched_by_arm
from dbp_ros.sim.tasks.can import BIN, BIN_X_M, HEIGHT_M
from dbp_ros.sim.tasks.task import place


@pytest.fixture(scope="module")
def simulation():
    return Simulation("can")


def place_can(simulation, x, y):
    """Place the can away from the arms, and let it come to rest."""
    simulation.reset(0)
    place(simulation.model, simulation.data, "can", x, y, HEIGHT_M / 2 + 0.005, 0.0)
    simulation.advance(300)


def test_a_can_that_stands_in_the_bin_is_a_success(simulation):
    place_can(simulation, BIN_X_M, 0.05)
    assert simulation.success


@pytest.mark.parametrize(("x", "y"), [(BIN_X_M - 0.15, 0.0), (BIN_X_M, 0.2)])
def test_a_can_next_to_the_bin_is_not_a_success(simulation, x, y):
    place_can(simulation, x, y)
    assert not simulation.success


def test_a_can_in_the_bin_is_not_a_success_before_its_release(simulation):
    loop = ControlLoop(simulation)
    loop.reset(0)
    expert = Expert(simulation, "left")
    while not BIN.contains(simulation.data, "can", HEIGHT_M / 2):
        loop.step(expert.command())
    assert touched_by_arm(simulation.model, simulation.data, "can")
    assert not simulation.success


@pytest.mark.parametrize("mode", ["left", "right"])
def test_the_idle_arm_stays_at_home(simulation, mode):
    demo = demonstrate(simulation, None, mode, 1, 0.005)
    idle = slice(7, 14) if mode == "left" else slice(0, 7)
    np.testing.assert_allclose(demo.actions[:, idle] - simulation.home[idle], 0, atol=1e-6)


def test_the_can_ends_upright(simulation):
    assert demonstrate(simulation, None, "right", 2, 0.005).success
    assert simulation.data.body("can").xmat[8] > 0.99


def test_the_expert_recovers_from_a_disturbance_on_the_way_to_the_bin(simulation):
    loop = ControlLoop(simulation)
    loop.reset(2)
    expert = Expert(simulation, "right")
    kicks = 0
    for _ in range(12 * CONTROL_HZ):
        command = expert.command()
        if simulation.data.body("can").xpos[2] > 0.10 and kicks < 5:
            command[7:13] += 0.08
            kicks += 1
        loop.step(command)
    assert kicks == 5
    assert simulation.success
