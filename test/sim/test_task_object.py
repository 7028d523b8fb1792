"""States of task objects are continuous and equal for equal views."""

import mujoco
import numpy as np
import pytest

from dbp_ros.sim.simulation import Simulation
from dbp_ros.sim.tasks.registry import TASKS
from dbp_ros.sim.tasks.task import place

SYMMETRIES = [("lift", "cube", np.pi / 2), ("can", "can", 0.7), ("transport", "bar", np.pi)]
simulations = {}


def fresh_simulation(task):
    if task not in simulations:
        simulations[task] = Simulation(task)
    simulations[task].reset(0)
    return simulations[task]


def states(task, body, yaw_rad, roll_rad=0.0):
    """Return the states by name with a body yawed, then rolled."""
    simulation = fresh_simulation(task)
    model, data = simulation.model, simulation.data
    place(model, data, body, 0.05, -0.02, 0.1, yaw_rad)
    start = model.jnt_qposadr[model.body(body).jntadr[0]] + 3
    turned = data.qpos[start : start + 4].copy()
    tip = np.array((np.cos(roll_rad / 2), np.sin(roll_rad / 2), 0.0, 0.0))
    mujoco.mju_mulQuat(data.qpos[start : start + 4], turned, tip)
    mujoco.mj_forward(model, data)
    return dict(zip(simulation.object_state_names, simulation.object_states, strict=True))


@pytest.mark.parametrize("task", sorted(TASKS))
def test_every_column_has_a_unique_name_and_a_finite_value(task):
    simulation = fresh_simulation(task)
    assert len(set(simulation.object_state_names)) == len(simulation.object_states)
    assert np.isfinite(simulation.object_states).all()
    assert not set(simulation.object_state_names) & set(simulation.joint_names)


@pytest.mark.parametrize("side", ["left", "right"])
def test_offsets_are_relative_to_each_tool(side):
    state = states("lift", "cube", 0.3)
    tool = fresh_simulation("lift").data.site(f"{side}_tcp").xpos
    position = np.array([state[f"cube_{axis}"] for axis in "xyz"])
    np.testing.assert_allclose(position, (0.05, -0.02, 0.1))
    offset = [state[f"cube_from_{side}_{axis}"] for axis in "xyz"]
    np.testing.assert_allclose(offset, position - tool, atol=1e-12)


@pytest.mark.parametrize(("task", "body", "turn"), SYMMETRIES)
def test_equal_views_have_equal_states(task, body, turn):
    first, again = states(task, body, 0.2), states(task, body, 0.2 + turn)
    assert first == pytest.approx(again, abs=1e-9)


@pytest.mark.parametrize(("task", "body", "turn"), [("lift", "cube", 0.5), *SYMMETRIES[2:]])
def test_a_half_turn_of_a_symmetric_object_changes_the_state(task, body, turn):
    first, turned = states(task, body, 0.2), states(task, body, 0.2 + turn / 2)
    assert abs(first[f"{body}_turn_cos"] - turned[f"{body}_turn_cos"]) > 0.1


def test_the_upright_axis_shows_the_tilt():
    assert states("can", "can", 0.0)["can_up_y"] == pytest.approx(0.0)
    assert states("can", "can", 0.0, 0.5)["can_up_y"] == pytest.approx(-np.sin(0.5))


def test_the_state_is_continuous_in_yaw_and_roll():
    rolls = np.linspace(0, np.pi, 200)
    rows = np.array([list(states("lift", "cube", 2 * roll, roll).values()) for roll in rolls])
    assert np.abs(np.diff(rows, axis=0)).max() < 0.2
