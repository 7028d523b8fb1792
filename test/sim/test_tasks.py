"""What every task and its demonstrator keep to."""

import mujoco
import numpy as np
import pytest

from dbp_ros.settings.robot import SIDES
from dbp_ros.sim.control_loop import ControlLoop, demonstrate
from dbp_ros.sim.expert import make_expert
from dbp_ros.sim.simulation import Simulation
from dbp_ros.sim.tasks.registry import TASKS

WAYS = [(task, mode) for task in sorted(TASKS) for mode in TASKS[task].modes]
simulations = {}


@pytest.fixture
def simulation(request):
    name = request.param
    if name not in simulations:
        simulations[name] = Simulation(name)
    simulations[name].reset(0)
    return simulations[name]


each_task = pytest.mark.parametrize("simulation", sorted(TASKS), indirect=True)
each_way = pytest.mark.parametrize(("simulation", "mode"), WAYS, indirect=["simulation"])


@each_task
def test_a_seed_places_things_again_and_another_one_elsewhere(simulation):
    first = simulation.snapshot().qpos
    simulation.reset(1)
    assert np.abs(simulation.snapshot().qpos - first).max() > 0.01
    simulation.reset(0)
    np.testing.assert_array_equal(simulation.snapshot().qpos, first)


@each_task
def test_things_stay_where_they_were_put(simulation):
    before = simulation.snapshot().qpos
    simulation.command(simulation.positions)
    simulation.advance(1000)
    np.testing.assert_allclose(simulation.snapshot().qpos, before, atol=2e-3)
    assert not simulation.success


@each_task
def test_no_arm_touches_anything_at_the_start(simulation):
    model, data = simulation.model, simulation.data
    arms = [model.body(f"{side}_base").id for side in SIDES]
    for seed in range(20):
        simulation.reset(seed)
        assert not np.isin(model.body_rootid[model.geom_bodyid[data.contact.geom]], arms).any()


@each_way
@pytest.mark.parametrize("seed", range(3))
def test_the_expert_solves_the_task(simulation, mode, seed):
    assert demonstrate(simulation, None, mode, seed, 0.005).success


@each_way
def test_the_expert_never_waits_before_the_task_is_solved(simulation, mode):
    environment = ControlLoop(simulation)
    environment.reset(3)
    expert = make_expert(simulation, mode, np.random.default_rng(0))
    leads = []
    while not (simulation.success or environment.truncated):
        command = expert.command()
        leads.append(np.abs(command - simulation.positions).max())
        environment.step(command)
    assert simulation.success
    assert min(leads) > 2e-3


@each_way
def test_goals_follow_from_the_state_and_leave_it_alone(simulation, mode):
    environment = ControlLoop(simulation)
    environment.reset(4)
    expert = make_expert(simulation, mode, np.random.default_rng(0))
    for _ in range(60):
        environment.step(expert.command())
    elsewhere = mujoco.MjData(simulation.model)
    mujoco.mj_copyData(elsewhere, simulation.model, simulation.data)
    goals = simulation.task.goals(simulation.model, simulation.data, mode)
    again = simulation.task.goals(simulation.model, elsewhere, mode)
    assert goals.keys() == again.keys() <= set(SIDES)
    for side, goal in goals.items():
        np.testing.assert_array_equal(goal.position, again[side].position)
        assert np.isfinite(goal.rotation).all()
        assert np.linalg.det(goal.rotation) == pytest.approx(1)
    np.testing.assert_array_equal(elsewhere.qpos, simulation.data.qpos)
    np.testing.assert_array_equal(elsewhere.ctrl, simulation.data.ctrl)
