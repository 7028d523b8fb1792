"""A bar is handed over without a moment in which nobody holds it."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest

from dbp_ros.settings.robot import SIDES
from dbp_ros.sim.control_loop import CONTROL_HZ, ControlLoop
from dbp_ros.sim.expert import make_expert
from dbp_ros.sim.simulation import Simulation
from dbp_ros.sim.tasks.task import place
from dbp_ros.sim.tasks.transport import MEETING, OTHER

SEEDS = (0, 1, 4)


@dataclass
class Moment:
    """What one control step showed.

    Attributes:
        bar: Position of the bar.
        hands: Arms that touch the bar.
        collided: Whether an arm touches the other arm or the bin.
    """

    bar: np.ndarray
    hands: set
    collided: bool


def look(simulation):
    model, data = simulation.model, simulation.data
    pairs = model.body_rootid[model.geom_bodyid[data.contact.geom]]
    named = [{model.body(body).name for body in pair} for pair in pairs]
    arms = {f"{side}_base": side for side in SIDES}
    hands = {arms[name] for pair in named if "bar" in pair for name in pair & arms.keys()}
    collided = any(pair == set(arms) or ("bin" in pair and pair & arms.keys()) for pair in named)
    return Moment(data.body("bar").xpos.copy(), hands, collided)


def receiver_of(simulation):
    return "left" if simulation.data.body("bin").xpos[1] > 0 else "right"


@pytest.fixture(scope="module")
def simulation():
    return Simulation("transport")


@pytest.fixture(scope="module", params=SEEDS)
def shown(request, simulation):
    """Return who receives and the moments of one episode."""
    environment = ControlLoop(simulation)
    environment.reset(request.param)
    receiver = receiver_of(simulation)
    expert = make_expert(simulation, "handover", np.random.default_rng(0))
    moments = []
    while not (simulation.terminated or environment.truncated):
        environment.step(expert.command())
        moments.append(look(simulation))
    assert simulation.terminated
    return receiver, moments


def test_the_bar_starts_on_one_side_and_the_bin_stands_on_the_other(simulation):
    sides = set()
    for seed in range(20):
        simulation.reset(seed)
        bar, receptacle = (simulation.data.body(name).xpos[1] for name in ("bar", "bin"))
        assert bar * receptacle < 0
        sides.add(receiver_of(simulation))
    assert sides == set(SIDES)


def test_some_hand_holds_the_bar_while_it_is_in_the_air(shown):
    _, moments = shown
    held = [bool(moment.hands) for moment in moments if moment.bar[2] > 0.06]
    assert len(held) > CONTROL_HZ
    assert all(held)


def test_both_hands_hold_the_bar_where_it_is_handed_over(shown):
    _, moments = shown
    both = [moment.bar for moment in moments if moment.hands == set(SIDES)]
    assert both
    np.testing.assert_allclose(both, np.broadcast_to(MEETING, np.shape(both)), atol=0.03)


def test_the_giver_picks_up_and_the_receiver_puts_down(shown):
    receiver, moments = shown
    hands = [moment.hands for moment in moments if len(moment.hands) == 1]
    assert hands[0] == {OTHER[receiver]}
    assert hands[-1] == {receiver}
    changes = sum(before != after for before, after in pairwise(hands))
    assert changes == 1


def test_the_arms_touch_neither_each_other_nor_the_bin(shown):
    _, moments = shown
    assert not any(moment.collided for moment in moments)


def test_a_bar_that_is_put_back_is_fetched_again(simulation):
    environment = ControlLoop(simulation)
    environment.reset(SEEDS[0])
    start = simulation.data.body("bar").xpos.copy()
    expert = make_expert(simulation, "handover", np.random.default_rng(0))
    while simulation.data.body("bar").xpos[2] < 0.2:
        environment.step(expert.command())
    place(simulation.model, simulation.data, "bar", *start, np.pi / 2)
    while not (simulation.success or environment.truncated):
        environment.step(expert.command())
    assert simulation.success
