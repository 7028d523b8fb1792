"""The expert solves its task from any state without pausing."""

import numpy as np
import pytest

from dbp_ros.errors import ConfigError
from dbp_ros.sim.control_loop import CONTROL_HZ, ControlLoop, demonstrate
from dbp_ros.sim.expert import Expert
from dbp_ros.sim.simulation import Simulation
from dbp_ros.sim.tasks import lift
from dbp_ros.sim.tasks.task import aligned_yaw, opening


@pytest.fixture(scope="module")
def simulation():
    return Simulation("lift")


@pytest.mark.parametrize("mode", ["left", "right"])
@pytest.mark.parametrize("seed", range(4))
def test_the_expert_lifts_the_cube_with_the_arm_of_its_mode(simulation, mode, seed):
    demo = demonstrate(simulation, None, mode, seed, 0.005)
    assert demo.success
    idle = slice(7, 14) if mode == "left" else slice(0, 7)
    assert np.abs(demo.actions[:, idle] - simulation.home[idle]).max() < 1e-6
    assert np.ptp(demo.actions[:, :6] if mode == "left" else demo.actions[:, 7:13]) > 0.3


def test_the_expert_recovers_from_a_disturbance(simulation):
    loop = ControlLoop(simulation)
    loop.reset(2)
    expert = Expert(simulation, "right")
    for step in range(8 * CONTROL_HZ):
        command = expert.command()
        if 25 <= step < 30:
            command[7:13] += 0.1
        loop.step(command)
    assert simulation.success


def test_the_expert_lifts_a_cube_that_fingers_hold_by_two_edges(simulation, monkeypatch):
    loop = ControlLoop(simulation)
    loop.reset(2)
    expert = Expert(simulation, "right")
    box, tool = (simulation.data.body("cube"), simulation.data.site("right_tcp"))
    matrices = (one.xmat.reshape(3, 3) for one in (box, tool))
    wrong_yaw = aligned_yaw(*matrices) + np.pi / 4
    with monkeypatch.context() as patch:
        patch.setattr(lift, "aligned_yaw", lambda box, tool: wrong_yaw)
        for _ in range(2 * CONTROL_HZ):
            loop.step(expert.command())
    assert not simulation.success
    assert 0.05 < opening(simulation.model, simulation.data, "right") < 0.06
    while not (simulation.terminated or loop.truncated):
        loop.step(expert.command())
    assert simulation.success


def test_the_expert_never_pauses_before_the_task_is_solved(simulation):
    loop = ControlLoop(simulation)
    loop.reset(3)
    expert = Expert(simulation, "left")
    leads = []
    while not simulation.success:
        command = expert.command()
        leads.append(np.abs(command - simulation.positions)[:7].max())
        loop.step(command)
    assert min(leads) > 2e-3


def test_the_expert_is_a_function_of_the_state(simulation):
    simulation.reset(4)
    expert = Expert(simulation, "left")
    first = expert.command()
    for _ in range(3):
        again = expert.command()
    np.testing.assert_allclose(again, first, atol=1e-9)


def test_an_unknown_mode_is_rejected_with_the_known_ones(simulation):
    with pytest.raises(ConfigError, match="left, right"):
        Expert(simulation, "middle")
