"""What a policy that sees states is told of a thing: where it is, and not more than can be seen."""

import mujoco
import numpy as np
import pytest

from dbp_ros.sim.simulation import Simulation
from dbp_ros.sim.tasks.registry import TASKS
from dbp_ros.sim.tasks.task import place

TURNS = [("lift", "cube", np.pi / 2), ("can", "can", 0.7), ("transport", "bar", np.pi)]
simulations = {}


def simulation_of(task):
    if task not in simulations:
        simulations[task] = Simulation(task)
    simulations[task].reset(0)
    return simulations[task]


def told(task, body, yaw_rad, roll_rad=0.0):
    """Return the states of a body that stands in a place, turned and then tipped, by name."""
    simulation = simulation_of(task)
    model, data = simulation.model, simulation.data
    place(model, data, body, 0.05, -0.02, 0.1, yaw_rad)
    start = model.jnt_qposadr[model.body(body).jntadr[0]] + 3
    turned = data.qpos[start : start + 4].copy()
    tip = np.array((np.cos(roll_rad / 2), np.sin(roll_rad / 2), 0.0, 0.0))
    mujoco.mju_mulQuat(data.qpos[start : start + 4], turned, tip)
    mujoco.mj_forward(model, data)
    return dict(zip(simulation.object_state_names, simulation.object_states, strict=True))


@pytest.mark.parametrize("task", sorted(TASKS))
def test_every_column_has_a_name_of_its_own_and_a_finite_number(task):
    simulation = simulation_of(task)
    assert len(set(simulation.object_state_names)) == len(simulation.object_states)
    assert np.isfinite(simulation.object_states).all()
    assert not set(simulation.object_state_names) & set(simulation.joint_names)


@pytest.mark.parametrize("side", ["left", "right"])
def test_offsets_lead_from_each_tool_to_the_thing_in_metres(side):
    seen = told("lift", "cube", 0.3)
    tool = simulation_of("lift").data.site(f"{side}_tcp").xpos
    where = np.array([seen[f"cube_{axis}"] for axis in "xyz"])
    np.testing.assert_allclose(where, (0.05, -0.02, 0.1))
    offset = [seen[f"cube_from_{side}_{axis}"] for axis in "xyz"]
    np.testing.assert_allclose(offset, where - tool, atol=1e-12)


@pytest.mark.parametrize(("task", "body", "turn"), TURNS)
def test_what_looks_the_same_is_told_the_same(task, body, turn):
    seen, again = told(task, body, 0.2), told(task, body, 0.2 + turn)
    assert seen == pytest.approx(again, abs=1e-9)


@pytest.mark.parametrize(("task", "body", "turn"), [("lift", "cube", 0.5), *TURNS[2:]])
def test_half_of_such_a_turn_is_told_apart(task, body, turn):
    seen, turned = told(task, body, 0.2), told(task, body, 0.2 + turn / 2)
    assert abs(seen[f"{body}_turn_cos"] - turned[f"{body}_turn_cos"]) > 0.1


def test_a_tipped_thing_is_told_by_its_upright_axis():
    assert told("can", "can", 0.0)["can_up_y"] == pytest.approx(0.0)
    assert told("can", "can", 0.0, 0.5)["can_up_y"] == pytest.approx(-np.sin(0.5))


def test_nothing_jumps_while_a_cube_turns_and_tips():
    rolls = np.linspace(0, np.pi, 200)
    rows = np.array([list(told("lift", "cube", 2 * roll, roll).values()) for roll in rolls])
    assert np.abs(np.diff(rows, axis=0)).max() < 0.2
