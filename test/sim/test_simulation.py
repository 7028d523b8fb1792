"""Physics, commands and measurements of the simulation."""

import threading

import mujoco
import numpy as np
import pytest

from dbp_ros.errors import CommandError, ConfigError
from dbp_ros.settings.dual_ur5e import DUAL_UR5E_JOINTS
from dbp_ros.sim.simulation import Simulation, set_qpos


@pytest.fixture(scope="module")
def simulation():
    return Simulation("lift")


def test_joints_are_in_the_order_of_the_robot(simulation):
    assert simulation.joint_names == DUAL_UR5E_JOINTS


def test_an_unknown_task_is_rejected_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"known tasks are .*lift"):
        Simulation("juggle")


def test_the_same_seed_gives_the_same_start(simulation):
    simulation.reset(7)
    first = simulation.qpos
    simulation.advance(50)
    simulation.reset(7)
    np.testing.assert_array_equal(simulation.qpos, first)


def test_seeds_place_the_cube_within_its_zone(simulation):
    positions = []
    for seed in range(30):
        simulation.reset(seed)
        positions.append(simulation.data.body("cube").xpos[:2].copy())
    assert np.abs(positions).max() <= 0.08
    assert np.ptp(positions, axis=0).min() > 0.1


def test_the_arms_hold_against_gravity(simulation):
    simulation.reset(3)
    start = simulation.positions
    simulation.advance(1000)
    np.testing.assert_allclose(simulation.positions, start, atol=1e-3)


def test_time_counts_from_the_reset(simulation):
    simulation.reset(0)
    simulation.advance(25)
    assert simulation.time_ns == 25 * simulation.step_ns == 50_000_000


def test_a_command_is_held_until_it_is_replaced(simulation):
    simulation.reset(0)
    target = simulation.home + 0.05
    target[[6, 13]] = 0.03
    simulation.command(target)
    simulation.advance(600)
    np.testing.assert_allclose(simulation.positions, target, atol=2e-3)


@pytest.mark.parametrize("joint", range(6))
def test_a_servo_follows_within_60_ms_and_does_not_overshoot(simulation, joint):
    simulation.reset(0)
    simulation.command(simulation.home)
    simulation.advance(600)
    target = simulation.home.copy()
    target[joint] += 0.1
    simulation.command(target)
    responses = []
    for _ in range(300):
        simulation.advance(1)
        responses.append((simulation.positions[joint] - simulation.home[joint]) / 0.1)
    assert np.argmax(np.array(responses) > 0.63) * simulation.step_ns < 60e6
    assert max(responses) < 1.01


def test_a_command_of_the_wrong_length_is_rejected(simulation):
    with pytest.raises(CommandError, match="expected 14"):
        simulation.command(np.zeros(13))


def test_a_non_finite_command_is_rejected_by_joint_name(simulation):
    bad = simulation.home.copy()
    bad[2] = np.nan
    with pytest.raises(CommandError, match="left_elbow_joint"):
        simulation.command(bad)


def test_positions_are_copies(simulation):
    simulation.reset(0)
    simulation.positions[:] = 9
    assert simulation.positions.max() < 9


def test_the_gripper_position_is_its_opening(simulation):
    simulation.reset(0)
    assert simulation.positions[6] == pytest.approx(0.085)
    data = simulation.data
    pads = [data.body(f"left_{finger}").xpos for finger in ("finger_1", "finger_2")]
    assert np.linalg.norm(pads[0] - pads[1]) == pytest.approx(0.085, abs=1e-4)


def test_nothing_is_solved_at_the_start(simulation):
    simulation.reset(0)
    assert (simulation.success, simulation.reward, simulation.terminated) == (False, 0.0, False)


def test_a_brief_success_does_not_terminate(simulation):
    simulation.reset(0)
    joint = simulation.model.body("cube").jntadr[0]
    height = simulation.model.jnt_qposadr[joint] + 2
    simulation.data.qpos[height] = 0.6
    simulation.advance(1)
    assert simulation.success
    assert simulation.reward == 1.0
    simulation.advance(500)
    assert not simulation.success
    assert not simulation.terminated


def test_qpos_poses_a_copy_of_the_scene_in_another_thread(simulation):
    simulation.reset(5)
    simulation.advance(20)
    copy = mujoco.MjData(simulation.model)
    worker = threading.Thread(target=lambda: set_qpos(simulation.model, copy, simulation.qpos))
    worker.start()
    worker.join()
    mujoco.mj_forward(simulation.model, simulation.data)
    np.testing.assert_allclose(copy.geom_xpos, simulation.data.geom_xpos, atol=1e-12)
    np.testing.assert_allclose(copy.cam_xpos, simulation.data.cam_xpos, atol=1e-12)
