"""Task transport: the bar is held at every step of the handover."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest

from dbp_ros.settings.dual_ur5e import SIDES
from dbp_ros.sim.control_loop import CONTROL_HZ, ControlLoop
from dbp_ros.sim.expert import Expert
from dbp_ros.sim.simulation import Simulation
from dbp_ros.sim.tasks.task import place
from dbp_ros.sim.tasks.transport import HANDOVER, OTHER

SEEDS = (0, 1, 4)


@dataclass
class Contacts:
    """Contacts after one control step.

    Attributes:
        bar: Position of the bar.
        arms: Arms that touch the bar.
        collided: Whether an arm touches the other arm or the bin.
    """

    bar: np.ndarray
    arms: set
    collided: bool


def contacts(simulation):
    model, data = simulation.model, simulation.data
    pairs = model.body_rootid[model.geom_bodyid[data.contact.geom]]
    named = [{model.body(body).name for body in pair} for pair in pairs]
    bases = {f"{side}_base": side for side in SIDES}
    arms = {bases[name] for pair in named if "bar" in pair for name in pair & bases.keys()}
    collided = any(pair == set(bases) or ("bin" in pair and pair & bases.keys()) for pair in named)
    return Contacts(data.body("bar").xpos.copy(), arms, collided)


def receiver_of(simulation):
    return "left" if simulation.data.body("bin").xpos[1] > 0 else "right"


@pytest.fixture(scope="module")
def simulation():
    return Simulation("transport")


@pytest.fixture(scope="module", params=SEEDS)
def episode(request, simulation):
    """Return the receiver and the contacts of one episode."""
    loop = ControlLoop(simulation)
    loop.reset(request.param)
    receiver = receiver_of(simulation)
    expert = Expert(simulation, "handover")
    steps = []
    while not (simulation.terminated or loop.truncated):
        loop.step(expert.command())
        steps.append(contacts(simulation))
    assert simulation.terminated
    return receiver, steps


def test_bar_and_bin_start_on_opposite_sides(simulation):
    sides = set()
    for seed in range(20):
        simulation.reset(seed)
        bar_y, bin_y = (simulation.data.body(name).xpos[1] for name in ("bar", "bin"))
        assert bar_y * bin_y < 0
        sides.add(receiver_of(simulation))
    assert sides == set(SIDES)


def test_an_arm_holds_the_bar_while_it_is_in_the_air(episode):
    _, steps = episode
    touched = [bool(step.arms) for step in steps if step.bar[2] > 0.06]
    assert len(touched) > CONTROL_HZ
    assert all(touched)


def test_both_arms_hold_the_bar_at_the_handover(episode):
    _, steps = episode
    both = [step.bar for step in steps if step.arms == set(SIDES)]
    assert both
    np.testing.assert_allclose(both, np.broadcast_to(HANDOVER, np.shape(both)), atol=0.03)


def test_the_giver_picks_up_and_the_receiver_puts_down(episode):
    receiver, steps = episode
    single = [step.arms for step in steps if len(step.arms) == 1]
    assert single[0] == {OTHER[receiver]}
    assert single[-1] == {receiver}
    changes = sum(before != after for before, after in pairwise(single))
    assert changes == 1


def test_the_arms_touch_neither_each_other_nor_the_bin(episode):
    _, steps = episode
    assert not any(step.collided for step in steps)


def test_a_bar_at_its_start_is_picked_up_again(simulation):
    loop = ControlLoop(simulation)
    loop.reset(SEEDS[0])
    start = simulation.data.body("bar").xpos.copy()
    expert = Expert(simulation, "handover")
    while simulation.data.body("bar").xpos[2] < 0.2:
        loop.step(expert.command())
    place(simulation.model, simulation.data, "bar", *start, np.pi / 2)
    while not (simulation.success or loop.truncated):
        loop.step(expert.command())
    assert simulation.success
