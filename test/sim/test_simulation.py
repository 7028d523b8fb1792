"""The simulation behaves as a robot does."""

import threading

import mujoco
import numpy as np
import pytest

from dbp_ros.errors import CommandError, ConfigError
from dbp_ros.settings.robot import DUAL_UR5E_JOINTS
from dbp_ros.sim.simulation import Simulation, pose


@pytest.fixture(scope="module")
def simulation():
    return Simulation("lift")


def test_joints_are_in_the_order_of_the_robot(simulation):
    assert simulation.joint_names == DUAL_UR5E_JOINTS


def test_an_unknown_task_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"known tasks are .*lift"):
        Simulation("juggle")


def test_the_same_seed_gives_the_same_start(simulation):
    simulation.reset(7)
    first = simulation.snapshot().qpos
    simulation.advance(50)
    simulation.reset(7)
    np.testing.assert_array_equal(simulation.snapshot().qpos, first)


def test_another_seed_puts_the_cube_elsewhere_within_the_zone(simulation):
    places = []
    for seed in range(30):
        simulation.reset(seed)
        places.append(simulation.data.body("cube").xpos[:2].copy())
    assert np.abs(places).max() <= 0.08
    assert np.ptp(places, axis=0).min() > 0.1


def test_the_arms_hold_still_without_sagging(simulation):
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
    way = []
    for _ in range(300):
        simulation.advance(1)
        way.append((simulation.positions[joint] - simulation.home[joint]) / 0.1)
    assert np.argmax(np.array(way) > 0.63) * simulation.step_ns < 60e6
    assert max(way) < 1.01


def test_a_command_of_the_wrong_length_is_refused(simulation):
    with pytest.raises(CommandError, match="expected 14"):
        simulation.command(np.zeros(13))


def test_a_command_that_is_not_finite_is_refused_by_joint_name(simulation):
    bad = simulation.home.copy()
    bad[2] = np.nan
    with pytest.raises(CommandError, match="left_elbow_joint"):
        simulation.command(bad)


def test_positions_are_copies(simulation):
    simulation.reset(0)
    simulation.positions[:] = 9
    assert simulation.positions.max() < 9


def test_the_gripper_reads_as_its_opening(simulation):
    simulation.reset(0)
    assert simulation.positions[6] == pytest.approx(0.085)
    data = simulation.data
    pads = [data.body(f"left_{finger}").xpos for finger in ("finger_1", "finger_2")]
    assert np.linalg.norm(pads[0] - pads[1]) == pytest.approx(0.085, abs=1e-4)


def test_nothing_is_solved_at_the_start(simulation):
    simulation.reset(0)
    assert (simulation.success, simulation.reward, simulation.terminated) == (False, 0.0, False)


def test_success_has_to_last_before_the_episode_terminates(simulation):
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


def test_a_snapshot_poses_the_scene_of_another_thread(simulation):
    simulation.reset(5)
    simulation.advance(20)
    mine = mujoco.MjData(simulation.model)
    worker = threading.Thread(target=lambda: pose(simulation.model, mine, simulation.snapshot()))
    worker.start()
    worker.join()
    mujoco.mj_forward(simulation.model, simulation.data)
    np.testing.assert_allclose(mine.geom_xpos, simulation.data.geom_xpos, atol=1e-12)
    np.testing.assert_allclose(mine.cam_xpos, simulation.data.cam_xpos, atol=1e-12)
