"""The guard: it follows what is safe, refuses the rest, and comes to rest when in doubt."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbp_ros.errors import CommandError
from dbp_ros.guard_state import GuardMode
from dbp_ros.motion.guard import MotionGuard
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.types import NS_PER_S, ActionChunk

CONFIG = GuardConfig(
    joints=("left_elbow_joint", "right_elbow_joint"),
    position_lower=(-1.0, -1.0),
    position_upper=(1.0, 1.0),
    velocity_limit=(2.0, 2.0),
    acceleration_limit=(12.0, 12.0),
    tracking_error_limit=(0.3, 0.3),
    command_rate_hz=250.0,
    position_margin=np.inf,
)
PERIOD_NS = 4_000_000
DT = PERIOD_NS / NS_PER_S
STEP_NS = 20_000_000
START = np.array([0.2, -0.2])
AHEAD = np.array([0.8, 0.4])


@dataclass
class Cell:
    """Two joints that follow every command at once, and a guard with its clock."""

    guard: MotionGuard
    positions: np.ndarray
    now_ns: int = NS_PER_S

    def run(self, periods, chunk=None, measured=True):
        """Return the command of each period; `chunk` makes a fresh chunk for each."""
        commands = []
        for _ in range(periods):
            self.now_ns += PERIOD_NS
            if measured:
                self.guard.measure(self.positions, self.now_ns)
            if chunk is not None:
                self.guard.accept(chunk(self.now_ns), self.now_ns)
            commands.append(self.guard.tick(self.now_ns))
            self.positions = self.positions if commands[-1] is None else commands[-1]
        return commands


def towards(target, points=10):
    """Return a maker of chunks that stand at one target."""
    return lambda now_ns: ActionChunk(
        positions=np.tile(np.asarray(target, dtype=float), (points, 1)),
        due_ns=now_ns + STEP_NS * np.arange(1, points + 1),
        stamp_ns=now_ns,
    )


def sent(commands):
    """Return the commands that were published: None stands for silence."""
    return np.array([command for command in commands if command is not None])


def assert_smooth(commands):
    steps = np.diff(sent(commands), axis=0)
    assert (np.abs(steps) <= 2.0 * DT + 1e-9).all()
    assert (np.abs(np.diff(steps, axis=0)) <= 12.0 * DT**2 + 1e-9).all()


@pytest.fixture
def cell():
    """A cell that is enabled and knows where its arms are."""
    cell = Cell(MotionGuard(CONFIG), START)
    cell.guard.measure(START, cell.now_ns)
    cell.guard.enable(cell.now_ns)
    return cell


@pytest.fixture
def moving(cell):
    """A cell at speed."""
    cell.run(40, towards(AHEAD))
    assert cell.guard.moving
    return cell


def test_before_it_is_enabled_it_commands_nothing_whatever_comes():
    cell = Cell(MotionGuard(CONFIG), START)
    assert cell.run(20, towards(AHEAD)) == [None] * 20
    assert cell.guard.mode is GuardMode.DISABLED
    assert cell.guard.counters.commands == 0


def test_it_cannot_be_enabled_before_it_knows_where_the_arms_are():
    with pytest.raises(CommandError, match="no fresh joint states"):
        MotionGuard(CONFIG).enable(NS_PER_S)


def test_it_cannot_be_enabled_on_old_joint_states():
    guard = MotionGuard(CONFIG)
    guard.measure(START, NS_PER_S)
    with pytest.raises(CommandError, match="no fresh joint states"):
        guard.enable(2 * NS_PER_S)


def test_enabled_it_holds_where_the_arms_are_until_a_chunk_comes(cell):
    np.testing.assert_array_equal(cell.run(20), [START] * 20)
    assert (cell.guard.mode, cell.guard.reason) == (GuardMode.HOLDING, "waiting for a chunk")


def test_a_chunk_from_before_it_was_enabled_is_not_followed():
    cell = Cell(MotionGuard(CONFIG), START)
    cell.run(1, towards(AHEAD))
    cell.guard.enable(cell.now_ns)
    np.testing.assert_array_equal(cell.run(5), [START] * 5)


def test_chunks_lead_to_their_target_within_the_limits(cell):
    commands = cell.run(500, towards(AHEAD))
    assert_smooth([START, START, *commands])
    np.testing.assert_allclose(commands[-1], AHEAD, atol=1e-6)
    assert cell.guard.mode is GuardMode.TRACKING


def test_a_target_beyond_a_limit_leads_to_the_limit(cell):
    np.testing.assert_allclose(cell.run(500, towards([7.0, -7.0]))[-1], [1.0, -1.0], atol=1e-9)


@pytest.mark.parametrize("periods_a_chunk", [1, 2, 3])
def test_chunks_of_a_smooth_motion_are_followed_without_lag_however_often_they_come(
    cell, periods_a_chunk
):
    def motion(time_ns):
        phase = 2.0 * np.atleast_1d(time_ns - NS_PER_S)[:, None] / NS_PER_S
        return START + 0.25 * np.sin(phase)

    def sine(now_ns):
        due_ns = now_ns + STEP_NS * np.arange(1, 17)
        return ActionChunk(motion(due_ns), due_ns, now_ns)

    lag = []
    for _ in range(600 // periods_a_chunk):
        commands = [*cell.run(1, sine), *cell.run(periods_a_chunk - 1)]
        lag.append(np.abs(commands[-1] - motion(cell.now_ns)[0]).max())
    assert max(lag[len(lag) // 2 :]) < 1e-3


@given(
    st.lists(
        st.tuples(st.floats(-3, 3), st.floats(-3, 3), st.sampled_from(["chunk", "none", "blind"])),
        min_size=1,
        max_size=15,
    )
)
@settings(max_examples=40, deadline=None)
def test_whatever_comes_and_stops_coming_the_limits_hold(story):
    cell = Cell(MotionGuard(CONFIG), START)
    cell.guard.measure(START, cell.now_ns)
    cell.guard.enable(cell.now_ns)
    commands = [START, START]
    for *target, what in story:
        commands += cell.run(40, towards(target) if what == "chunk" else None, what != "blind")
    assert_smooth(commands)
    assert (np.abs(sent(commands)) <= 1.0 + 1e-9).all()


def test_without_a_fresh_chunk_it_comes_to_rest_within_the_limits_and_holds(moving):
    before = [moving.positions]
    commands = moving.run(100)
    assert_smooth([*before, *commands])
    assert (moving.guard.mode, moving.guard.reason) == (GuardMode.HOLDING, "no fresh chunk")
    np.testing.assert_array_equal(commands[-1], commands[-30])
    assert moving.guard.counters.holds == 1


def test_until_the_time_out_the_last_chunk_goes_on(moving):
    moving.run(round(CONFIG.chunk_timeout_s / DT))
    assert moving.guard.mode is GuardMode.TRACKING
    moving.run(1)
    assert moving.guard.mode is GuardMode.HOLDING


def test_a_fresh_chunk_ends_the_hold(moving):
    moving.run(100)
    moving.run(1, towards(AHEAD))
    assert moving.guard.mode is GuardMode.TRACKING


def test_stale_joint_states_bring_it_to_rest_though_chunks_go_on(moving):
    before = [moving.positions]
    commands = moving.run(100, towards(AHEAD), measured=False)
    assert_smooth([*before, *commands])
    assert (moving.guard.mode, moving.guard.reason) == (GuardMode.HOLDING, "joint states are stale")
    # At rest without knowledge of the arms, silence: any command could be far from them.
    assert 10 < len(sent(commands)) < 80
    assert commands[-1] is None
    assert not moving.guard.moving


def test_a_chunk_from_before_the_joint_states_went_stale_is_not_taken_up_again(moving):
    moving.run(40, measured=False)
    moving.run(5)
    assert moving.guard.reason == "waiting for a chunk"


def bad_chunks():
    good = towards(AHEAD)(0)
    nan = good.positions.copy()
    nan[3, 1] = np.nan
    return {
        "three joints": (replace(good, positions=np.zeros((10, 3))), r"\(10, 3\).*\(points, 2\)"),
        "one point as a row": (replace(good, positions=np.zeros(2)), "has shape"),
        "no points": (replace(good, positions=np.zeros((0, 2))), "has shape"),
        "not a number": (replace(good, positions=nan), "not finite for right_elbow_joint"),
        "infinite": (replace(good, positions=good.positions + np.inf), "not finite for left"),
        "two points at once": (replace(good, due_ns=good.due_ns // (2 * STEP_NS)), "one after"),
        "backwards": (replace(good, due_ns=good.due_ns[::-1]), "one after the other"),
        "too few times": (replace(good, due_ns=good.due_ns[:-1]), "one after the other"),
        "too old": (replace(good, stamp_ns=-100_000_001), "100 ms old.*clocks"),
        "from the future": (replace(good, stamp_ns=100_000_001), "-100 ms old.*clocks"),
    }


@pytest.mark.parametrize("kind", bad_chunks())
def test_a_bad_chunk_is_refused_with_a_reason_and_the_one_before_goes_on(moving, kind):
    bad, reason = bad_chunks()[kind]
    followed = moving.guard.chunk
    shifted = replace(bad, due_ns=bad.due_ns + moving.now_ns, stamp_ns=bad.stamp_ns + moving.now_ns)
    with pytest.raises(CommandError, match=reason):
        moving.guard.accept(shifted, moving.now_ns)
    moving.run(1)
    assert moving.guard.chunk is followed
    assert moving.guard.mode is GuardMode.TRACKING
    assert moving.guard.counters.refused_chunks == 1


def test_bad_chunks_do_not_put_off_the_time_out(moving):
    bad = replace(towards(AHEAD)(moving.now_ns), positions=np.full((10, 2), np.nan))
    for _ in range(30):
        moving.run(1)
        with pytest.raises(CommandError):
            moving.guard.accept(bad, moving.now_ns)
    assert moving.guard.reason == "no fresh chunk"


def test_numbers_too_large_to_compute_with_do_not_become_a_command(cell):
    with np.errstate(over="ignore", invalid="ignore"):
        commands = cell.run(50, lambda now_ns: wild(now_ns))
    assert np.isfinite(commands).all()
    assert_smooth(commands)


def wild(now_ns):
    """Return a chunk that jumps between the largest numbers there are."""
    signs = np.array([1.0, -1.0] * 5)[:, None]
    return replace(
        towards(AHEAD)(now_ns),
        positions=np.finfo(float).max * signs * np.ones((1, 2)),
        due_ns=now_ns + 1_500_000 * np.arange(1, 11),
    )


def test_an_emergency_stop_latches_and_survives_new_chunks(moving):
    before = [moving.positions]
    moving.guard.stop("e-stop")
    commands = moving.run(100, towards(AHEAD))
    assert_smooth([*before, *commands])
    assert (moving.guard.mode, moving.guard.reason) == (GuardMode.STOPPED, "e-stop")
    np.testing.assert_array_equal(commands[-1], commands[-50])
    with pytest.raises(CommandError, match=r"e-stop.*reset it first"):
        moving.guard.enable(moving.now_ns)


def test_the_first_reason_of_a_stop_is_kept_and_counted_once(moving):
    moving.guard.stop("e-stop")
    moving.guard.stop("another")
    assert moving.guard.stop_reason == "e-stop"
    assert moving.guard.counters.stops == 1


def test_a_stop_can_be_reset_only_at_rest(moving):
    moving.guard.stop("e-stop")
    moving.run(1)
    with pytest.raises(CommandError, match="still move"):
        moving.guard.reset()
    moving.run(100)
    moving.guard.reset()
    assert moving.guard.mode is GuardMode.DISABLED


def test_after_a_reset_nothing_is_commanded_until_it_is_enabled_anew(moving):
    moving.guard.stop("e-stop")
    moving.run(100)
    moving.guard.reset()
    assert moving.run(10, towards(AHEAD)) == [None] * 10
    moving.guard.enable(moving.now_ns)
    assert moving.run(10, towards(AHEAD))[-1] is not None
    assert moving.guard.mode is GuardMode.TRACKING


def test_a_stop_while_disabled_keeps_it_from_being_enabled():
    guard = MotionGuard(CONFIG)
    guard.measure(START, NS_PER_S)
    guard.stop("e-stop")
    assert guard.tick(NS_PER_S) is None
    with pytest.raises(CommandError, match="reset it first"):
        guard.enable(NS_PER_S)
    guard.reset()
    guard.enable(NS_PER_S)


def test_a_reset_without_a_stop_changes_nothing(cell):
    cell.guard.reset()
    assert cell.guard.enabled
    np.testing.assert_array_equal(cell.run(1), [START])


def test_an_arm_that_does_not_follow_stops_both(moving):
    commands = []
    stuck = moving.positions
    for _ in range(250):
        moving.positions = np.array([moving.positions[0], stuck[1]])
        commands += moving.run(1, towards(AHEAD))
    assert moving.guard.mode is GuardMode.STOPPED
    assert "right_elbow_joint is 0.3" in moving.guard.reason
    np.testing.assert_array_equal(commands[-1], commands[-20])
    assert (moving.guard.counters.stops, moving.guard.counters.tracking_stops) == (1, 1)
    assert_smooth([command[:1] for command in commands])
    assert (np.abs(np.diff(commands, axis=0)) <= 2.0 * DT + 1e-9).all()
    # The arm that is stuck holds where it is: it will not jump when it is free again.
    assert commands[-1][1] == pytest.approx(stuck[1], abs=1e-4)


def test_disabling_brings_it_to_rest_and_then_to_silence(moving):
    before = [moving.positions]
    moving.guard.disable()
    commands = moving.run(100, towards(AHEAD))
    count = len(sent(commands))
    assert_smooth([*before, *commands])
    assert 10 < count < 60
    assert commands[count:] == [None] * (100 - count)
    assert not moving.guard.moving
    assert moving.guard.mode is GuardMode.DISABLED


def test_enabling_again_while_it_comes_to_rest_does_not_jump(moving):
    commands = [moving.positions, *moving.run(1, towards(AHEAD))]
    moving.guard.disable()
    commands += moving.run(5)
    moving.guard.measure(START, moving.now_ns)
    moving.guard.enable(moving.now_ns)
    commands += moving.run(100, towards(START))
    assert_smooth(commands)


def test_enabling_twice_changes_nothing(moving):
    moving.guard.enable(moving.now_ns)
    moving.run(1)
    assert moving.guard.mode is GuardMode.TRACKING


def test_a_stop_while_being_disabled_still_comes_to_rest(moving):
    moving.guard.disable()
    moving.run(2)
    moving.guard.stop("e-stop")
    assert moving.run(100)[-1] is not None
    assert not moving.guard.moving
    assert moving.guard.mode is GuardMode.STOPPED


def test_arms_beyond_a_limit_are_taken_over_where_they_are():
    cell = Cell(MotionGuard(CONFIG), np.array([1.2, 0.0]))
    cell.guard.measure(cell.positions, cell.now_ns)
    cell.guard.enable(cell.now_ns)
    commands = cell.run(10)
    np.testing.assert_array_equal(commands, [[1.2, 0.0]] * 10)
    commands += cell.run(300, towards([0.9, 0.0]))
    assert_smooth(commands)
    np.testing.assert_allclose(commands[-1], [0.9, 0.0], atol=1e-6)


def test_it_counts_commands_and_those_that_a_limit_changed(cell):
    cell.run(100, towards([100.0, 100.0]))
    assert cell.guard.counters.commands == 100
    assert cell.guard.counters.limited_commands > 90


def test_a_target_that_stands_still_is_not_counted_as_limited(cell):
    cell.run(50, towards(START))
    assert cell.guard.counters.limited_commands == 0


def test_a_short_gap_of_joint_states_is_counted_and_ends_by_itself(moving):
    commands = [moving.positions, *moving.run(60, towards(AHEAD), measured=False)]
    commands += moving.run(100, towards(AHEAD))
    assert moving.guard.mode is GuardMode.TRACKING
    assert moving.guard.counters.joint_state_gaps == 1
    assert moving.guard.counters.withdrawals == 0
    assert_smooth(commands)


def test_after_a_gap_in_which_the_arm_was_moved_it_goes_on_from_the_arm(moving):
    moving.run(100, measured=False)
    arms = moving.positions = moving.positions - 0.25
    commands = moving.run(100, towards(AHEAD))
    assert_smooth([arms, *commands])
    assert moving.guard.counters.reanchors == 1


def test_joint_states_lost_for_longer_withdraw_the_enabling(moving):
    moving.run(round(1.1 / DT), towards(AHEAD), measured=False)
    assert not moving.guard.enabled
    assert moving.guard.mode is GuardMode.DISABLED
    assert moving.guard.reason == (
        "the enabling was withdrawn: no joint states arrived for more than 1 s; "
        "enable control again"
    )
    assert moving.guard.counters.withdrawals == 1
    assert moving.run(50, towards(AHEAD)) == [None] * 50
    moving.guard.enable(moving.now_ns)
    moving.run(1, towards(AHEAD))
    assert moving.guard.mode is GuardMode.TRACKING


def test_a_controller_that_is_lost_gets_no_more_commands_and_the_other_arm_comes_to_rest(moving):
    before = moving.positions
    moving.guard.lose(slice(0, 1), "left_controller was deactivated", moving.now_ns)
    commands = moving.run(100, towards(AHEAD))
    assert moving.guard.muted.tolist() == [True, False]
    assert_smooth([before[1:], *(None if c is None else c[1:] for c in commands)])
    assert commands[-1] is None
    assert moving.guard.reason == (
        "the enabling was withdrawn: left_controller was deactivated; enable control again"
    )
    assert (moving.guard.counters.controller_losses, moving.guard.counters.withdrawals) == (1, 1)


def test_controllers_that_are_lost_at_once_are_both_named(cell):
    cell.run(5)
    cell.guard.lose(slice(0, 1), "left_controller was deactivated", cell.now_ns)
    cell.run(5)
    assert cell.guard.mode is GuardMode.DISABLED
    cell.guard.lose(slice(1, 2), "right_controller was deactivated", cell.now_ns)
    assert "left_controller was deactivated; right_controller was" in cell.guard.reason
    cell.guard.lose(slice(1, 2), "right_controller was unloaded", cell.now_ns + 2 * NS_PER_S)
    assert "unloaded" not in cell.guard.reason


def test_after_a_lost_controller_it_starts_again_from_where_the_arms_are(moving):
    moving.guard.lose(slice(0, 1), "left_controller was deactivated", moving.now_ns)
    moving.run(100)
    moving.positions = np.array([-0.5, 0.5])
    moving.run(60)
    moving.guard.enable(moving.now_ns)
    np.testing.assert_array_equal(moving.run(5), [[-0.5, 0.5]] * 5)
    assert not moving.guard.muted.any()


def test_a_controller_lost_while_control_is_disabled_changes_nothing():
    guard = MotionGuard(CONFIG)
    guard.lose(slice(0, 1), "left_controller was deactivated", NS_PER_S)
    assert guard.counters.controller_losses == 0
    assert guard.reason == "control is not enabled"


def test_control_is_not_enabled_while_the_arms_move():
    cell = Cell(MotionGuard(CONFIG), START)
    for _ in range(50):
        cell.positions = cell.positions + np.array([0.0, 0.5 * DT])
        cell.run(1)
    with pytest.raises(CommandError, match=r"right_elbow_joint moves at 0\.500 per second"):
        cell.guard.enable(cell.now_ns)
    cell.run(50)
    cell.guard.enable(cell.now_ns)


@dataclass
class Deaf(Cell):
    """A cell whose arms obey only where that is wanted."""

    obeys: bool = True
    offset: float = 0.0

    def run(self, periods, chunk=None, measured=True):
        commands = []
        for _ in range(periods):
            stays = self.positions
            commands += super().run(1, chunk, measured)
            self.positions = self.positions + self.offset if self.obeys else stays
        return commands


@pytest.fixture
def deaf():
    cell = Deaf(MotionGuard(CONFIG), START)
    cell.guard.measure(START, cell.now_ns)
    cell.guard.enable(cell.now_ns)
    return cell


def test_arms_that_stop_obeying_and_are_free_again_after_a_reset_do_not_move(deaf):
    deaf.run(40, towards(AHEAD))
    deaf.obeys, stays = False, deaf.positions
    commands = deaf.run(300, towards(AHEAD))
    assert deaf.guard.mode is GuardMode.STOPPED
    assert not deaf.guard.moving
    np.testing.assert_allclose(commands[-1], stays, atol=1e-4)
    deaf.guard.reset()
    assert deaf.run(1) == [None]


def test_arms_whose_measurement_froze_are_brought_to_it_within_the_limits(moving):
    frozen, before = moving.positions, moving.positions
    commands = [before]
    for _ in range(400):
        moving.now_ns += PERIOD_NS
        moving.guard.measure(frozen, moving.now_ns)
        if moving.guard.enabled and not moving.guard.stop_reason:
            moving.guard.accept(towards(AHEAD)(moving.now_ns), moving.now_ns)
        commands.append(moving.guard.tick(moving.now_ns))
    assert moving.guard.mode is GuardMode.STOPPED
    assert (np.abs(np.diff(commands, axis=0)) <= 2.0 * DT + 1e-9).all()
    np.testing.assert_allclose(commands[-1], frozen, atol=1e-4)


def test_an_arm_that_is_moved_while_it_is_stopped_takes_its_command_along(deaf):
    deaf.run(40, towards(AHEAD))
    deaf.guard.stop("e-stop")
    deaf.run(100)
    deaf.obeys = False
    for _ in range(200):
        deaf.positions = deaf.positions + np.array([0.3 * DT, 0.0])
        deaf.run(1)
        assert abs(deaf.run(1)[-1][0] - deaf.positions[0]) < 0.2
    np.testing.assert_allclose(deaf.run(300)[-1], deaf.positions, atol=1e-4)
    assert deaf.guard.counters.reanchors >= 1


def test_an_arm_that_is_moved_a_little_while_it_is_held_takes_its_command_along(deaf):
    deaf.run(200, towards(START))
    deaf.run(200)
    deaf.obeys = False
    for _ in range(100):
        deaf.positions = deaf.positions + np.array([0.2 * DT, 0.0])
        deaf.run(1)
    np.testing.assert_allclose(deaf.run(300)[-1], deaf.positions, atol=1e-4)
    deaf.obeys = True
    assert_smooth(deaf.run(200, towards(START)))


def test_an_arm_that_sags_under_its_load_does_not_sink_while_it_is_held(deaf):
    deaf.offset = -0.05
    deaf.run(300, towards(START))
    held = deaf.run(2000)[-1]
    np.testing.assert_allclose(held, START, atol=0.11)
    assert deaf.guard.counters.reanchors <= 2


def test_a_gripper_that_holds_an_object_is_not_opened_while_it_is_held():
    config = replace(CONFIG, gripper_joints=("right_elbow_joint",))
    cell = Cell(MotionGuard(config), START)
    cell.guard.measure(START, cell.now_ns)
    cell.guard.enable(cell.now_ns)
    for k in range(1000):
        # The object keeps it 0.1 away from the command that closes it.
        cell.positions = np.array([START[0], max(cell.positions[1], START[1] - 0.1)])
        (command,) = cell.run(1, towards([START[0], START[1] - 0.2]) if k < 500 else None)
    assert command[1] == pytest.approx(START[1] - 0.2)
    assert cell.guard.mode is GuardMode.HOLDING


@pytest.mark.parametrize("target", [1e9, 57.3, -1.6])
def test_a_chunk_far_beyond_the_position_limits_is_refused(moving, target):
    guard = MotionGuard(replace(CONFIG, position_margin=0.25))
    guard.measure(START, NS_PER_S)
    guard.enable(NS_PER_S)
    with pytest.raises(CommandError, match=r"a chunk moves right_elbow_joint to .*degrees"):
        guard.accept(towards([0.0, target])(NS_PER_S), NS_PER_S)
    assert guard.counters.refused_chunks == 1
    guard.accept(towards([0.0, -1.4])(NS_PER_S), NS_PER_S)


def test_a_warning_stays_while_most_commands_are_limited(cell):
    cell.run(50, towards(START))
    assert cell.guard.reason == ""
    cell.run(1000, towards([0.2, 7.0]))
    assert "most commands are limited, most of all for right_elbow_joint" in cell.guard.reason
    cell.run(2000, lambda now_ns: towards(cell.positions)(now_ns))
    assert cell.guard.reason == ""


def test_joint_states_that_jump_farther_than_an_arm_can_move_latch_a_stop_that_does_not_follow_them(
    moving,
):
    commands = [moving.positions]
    for k in range(300):
        moving.now_ns += PERIOD_NS
        measured = np.zeros(2) if k % 2 else moving.positions
        moving.guard.measure(measured, moving.now_ns)
        commands.append(moving.guard.tick(moving.now_ns))
    assert "joint_states: left_elbow_joint jumps by 0.3" in moving.guard.reason
    assert_smooth(commands)
    np.testing.assert_array_equal(commands[-1], commands[-100])


def test_a_guard_that_was_suspended_goes_on_from_where_the_arms_are(moving):
    moving.run(5, towards(AHEAD))
    moving.now_ns += NS_PER_S // 2
    arms = moving.positions = moving.positions - 0.2
    commands = moving.run(100, towards(AHEAD))
    assert_smooth([arms, *commands])


def test_an_arm_that_catches_up_with_its_command_in_one_message_is_followed(moving):
    stalled = moving.positions
    for k in range(25):
        moving.now_ns += PERIOD_NS
        moving.guard.measure(moving.positions if k == 24 else stalled, moving.now_ns)
        moving.guard.accept(towards(AHEAD)(moving.now_ns), moving.now_ns)
        moving.positions = moving.guard.tick(moving.now_ns)
    assert moving.guard.mode is GuardMode.TRACKING
