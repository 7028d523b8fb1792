"""Conformance of every task and its expert."""

import mujoco
import numpy as np
import pytest

from dbp_ros.settings.dual_ur5e import SIDES
from dbp_ros.sim.control_loop import ControlLoop, demonstrate
from dbp_ros.sim.expert import Expert
from dbp_ros.sim.simulation import Simulation
from dbp_ros.sim.tasks.registry import TASKS

TASK_MODES = [(task, mode) for task in sorted(TASKS) for mode in TASKS[task].modes]
simulations = {}


@pytest.fixture
def simulation(request):
    name = request.param
    if name not in simulations:
        simulations[name] = Simulation(name)
    simulations[name].reset(0)
    return simulations[name]


each_task = pytest.mark.parametrize("simulation", sorted(TASKS), indirect=True)
each_mode = pytest.mark.parametrize(("simulation", "mode"), TASK_MODES, indirect=["simulation"])


@each_task
def test_a_seed_determines_the_initial_state(simulation):
    first = simulation.qpos
    simulation.reset(1)
    assert np.abs(simulation.qpos - first).max() > 0.01
    simulation.reset(0)
    np.testing.assert_array_equal(simulation.qpos, first)


@each_task
def test_objects_stay_at_rest_after_a_reset(simulation):
    before = simulation.qpos
    simulation.command(simulation.positions)
    simulation.advance(1000)
    np.testing.assert_allclose(simulation.qpos, before, atol=2e-3)
    assert not simulation.success


@each_task
def test_no_arm_touches_anything_at_the_start(simulation):
    model, data = simulation.model, simulation.data
    arms = [model.body(f"{side}_base").id for side in SIDES]
    for seed in range(20):
        simulation.reset(seed)
        assert not np.isin(model.body_rootid[model.geom_bodyid[data.contact.geom]], arms).any()


@each_mode
@pytest.mark.parametrize("seed", range(3))
def test_the_expert_solves_the_task(simulation, mode, seed):
    assert demonstrate(simulation, None, mode, seed, 0.005).success


@each_mode
def test_the_expert_never_pauses_before_the_task_is_solved(simulation, mode):
    loop = ControlLoop(simulation)
    loop.reset(3)
    expert = Expert(simulation, mode)
    leads = []
    while not (simulation.success or loop.truncated):
        command = expert.command()
        leads.append(np.abs(command - simulation.positions).max())
        loop.step(command)
    assert simulation.success
    assert min(leads) > 2e-3


@each_mode
def test_waypoints_are_a_pure_function_of_the_state(simulation, mode):
    loop = ControlLoop(simulation)
    loop.reset(4)
    expert = Expert(simulation, mode)
    for _ in range(60):
        loop.step(expert.command())
    copy = mujoco.MjData(simulation.model)
    mujoco.mj_copyData(copy, simulation.model, simulation.data)
    waypoints = simulation.task.waypoints(simulation.model, simulation.data, mode)
    again = simulation.task.waypoints(simulation.model, copy, mode)
    assert waypoints.keys() == again.keys() <= set(SIDES)
    for side, waypoint in waypoints.items():
        np.testing.assert_array_equal(waypoint.position, again[side].position)
        assert np.isfinite(waypoint.rotation).all()
        assert np.linalg.det(waypoint.rotation) == pytest.approx(1)
    np.testing.assert_array_equal(copy.qpos, simulation.data.qpos)
    np.testing.assert_array_equal(copy.ctrl, simulation.data.ctrl)
