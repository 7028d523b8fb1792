"""Joint states: gaps, jumps and suspensions."""

import numpy as np
from motion.guard_cell import (
    AHEAD,
    DT,
    PERIOD_NS,
    START,
    assert_smooth,
    reset_after_a_jump,
    sent,
    towards,
)

from dbp_ros.guard_state import GuardMode
from dbp_ros.types import NS_PER_S


def test_stale_joint_states_bring_the_arms_to_rest_despite_fresh_chunks(moving):
    before = [moving.positions]
    commands = moving.run(100, towards(AHEAD), measured=False)
    assert_smooth([*before, *commands])
    assert (moving.guard.mode, moving.guard.reason) == (GuardMode.HOLDING, "joint states are stale")
    # At rest without joint states there are no commands: the positions of the arms are unknown.
    assert 10 < len(sent(commands)) < 80
    assert commands[-1] is None
    assert not moving.guard.moving


def test_a_chunk_from_before_a_gap_of_joint_states_is_not_resumed(moving):
    moving.run(40, measured=False)
    moving.run(5)
    assert moving.guard.reason == "waiting for a chunk"


def test_after_a_short_gap_of_joint_states_tracking_resumes(moving):
    commands = [moving.positions, *moving.run(60, towards(AHEAD), measured=False)]
    commands += moving.run(100, towards(AHEAD))
    assert moving.guard.mode is GuardMode.TRACKING
    assert moving.guard.counters.joint_state_gaps == 1
    assert moving.guard.counters.disabled_by_fault == 0
    assert_smooth(commands)


def test_after_a_gap_commands_wait_for_a_check_of_the_controllers(moving):
    moving.guard.controllers_checked_ns = moving.now_ns
    moving.run(100, measured=False)
    assert moving.run(100, towards(AHEAD)) == [None] * 100
    assert moving.guard.mode is GuardMode.HOLDING
    assert moving.guard.reason == (
        "joint states were interrupted: the controllers are being checked"
    )
    moving.guard.controllers_checked_ns = moving.now_ns
    commands = [moving.positions, *moving.run(100, towards(AHEAD))]
    assert moving.guard.mode is GuardMode.TRACKING
    assert_smooth(commands)


def test_after_a_gap_in_which_the_arm_was_moved_commands_start_at_the_arm(moving):
    moving.run(100, measured=False)
    arms = moving.positions = moving.positions - 0.25
    commands = moving.run(100, towards(AHEAD))
    assert_smooth([arms, *commands])
    assert moving.guard.counters.reanchors == 1


def test_a_long_gap_of_joint_states_disables_control(moving):
    moving.run(round(1.1 / DT), towards(AHEAD), measured=False)
    assert not moving.guard.enabled
    assert moving.guard.mode is GuardMode.DISABLED
    assert moving.guard.reason == (
        "control was disabled by a fault: no joint states arrived for more than 1 s; "
        "enable control again"
    )
    assert moving.guard.counters.disabled_by_fault == 1
    assert moving.run(50, towards(AHEAD)) == [None] * 50
    moving.guard.enable(moving.now_ns)
    moving.run(1, towards(AHEAD))
    assert moving.guard.mode is GuardMode.TRACKING


def test_implausible_jumps_of_joint_states_latch_a_stop_at_the_last_command(
    moving,
):
    commands = [moving.positions]
    for k in range(300):
        moving.now_ns += PERIOD_NS
        measured = np.zeros(2) if k % 2 else moving.positions
        moving.guard.add_measurement(measured, moving.now_ns)
        commands.append(moving.guard.tick(moving.now_ns))
    assert "joint_states: left_elbow_joint jumps by 0.3" in moving.guard.reason
    assert_smooth(commands)
    np.testing.assert_array_equal(commands[-1], commands[-100])


def test_each_joint_may_move_for_the_time_since_its_own_last_arrival(cell):
    """Two drivers at 30 Hz, one a millisecond after the other."""
    period_ns, now_ns = NS_PER_S // 30, cell.now_ns
    positions, arrivals_ns = START.copy(), np.array([now_ns, now_ns])
    for _ in range(30):
        now_ns += period_ns
        for joint, at_ns in ((0, now_ns), (1, now_ns + 1_000_000)):
            positions = positions.copy()
            positions[joint] += 1.5 * period_ns / NS_PER_S
            arrivals_ns = np.where(np.arange(2) == joint, at_ns, arrivals_ns)
            cell.guard.add_measurement(positions, int(arrivals_ns.min()), arrivals_ns)
    assert not cell.guard.stop_reason


def test_a_jump_after_a_tracking_stop_does_not_prevent_the_reset(faulty):
    reset_after_a_jump(faulty)
    assert not faulty.guard.stop_reason


def test_after_a_jump_the_command_stays_until_a_reset(moving):
    moving.run(20, towards(AHEAD))
    commands = []
    for _ in range(1000):
        moving.now_ns += PERIOD_NS
        moving.guard.add_measurement(np.array([-0.9, -0.9]), moving.now_ns)
        commands.append(moving.guard.tick(moving.now_ns))
    assert moving.guard.mode is GuardMode.STOPPED
    np.testing.assert_array_equal(commands[-1], commands[100])
    moving.guard.reset()
    moving.guard.enable(moving.now_ns)
    np.testing.assert_allclose(moving.guard.tick(moving.now_ns + PERIOD_NS), [-0.9, -0.9])


def test_after_a_suspension_commands_start_at_the_measured_positions(moving):
    moving.run(5, towards(AHEAD))
    moving.now_ns += NS_PER_S // 2
    arms = moving.positions = moving.positions - 0.2
    commands = moving.run(100, towards(AHEAD))
    assert_smooth([arms, *commands])


def test_after_a_suspension_commands_wait_for_a_check_of_the_controllers(moving):
    moving.guard.controllers_checked_ns = moving.now_ns
    moving.run(100)
    moving.now_ns += NS_PER_S // 2
    assert moving.run(100, towards(AHEAD)) == [None] * 100
    moving.guard.controllers_checked_ns = moving.now_ns
    moving.run(100, towards(AHEAD))
    assert moving.guard.mode is GuardMode.TRACKING


def test_a_jump_towards_the_command_is_plausible(moving):
    stalled = moving.positions
    for k in range(25):
        moving.now_ns += PERIOD_NS
        moving.guard.add_measurement(moving.positions if k == 24 else stalled, moving.now_ns)
        moving.guard.accept(towards(AHEAD)(moving.now_ns), moving.now_ns)
        moving.positions = moving.guard.tick(moving.now_ns)
    assert moving.guard.mode is GuardMode.TRACKING
