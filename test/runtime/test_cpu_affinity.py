"""Who runs where: the guard on a core that it has alone where there are enough."""

import pytest

from dbp_ros.runtime.cpu_affinity import (
    FEWEST_TO_SHARE_OUT,
    Role,
    cores_for,
    cores_to_keep_apart,
    guard_cores,
    policy_cores,
)


@pytest.mark.parametrize("count", range(FEWEST_TO_SHARE_OUT, 65))
def test_the_guard_has_a_core_that_nobody_else_has(count: int) -> None:
    guard, policy, background, rest = (set(cores_for(place, range(count))) for place in Role)
    assert len(guard) == 1
    assert not guard & (policy | background | rest)
    assert guard | policy | rest == set(range(count))


@pytest.mark.parametrize("count", range(2, 65))
def test_who_learns_or_records_keeps_off_the_cores_of_control(count: int) -> None:
    guard, policy, background, _ = (set(cores_for(place, range(count))) for place in Role)
    assert background
    assert not background & (guard | policy)


@pytest.mark.parametrize("count", [4, 8, 64])
def test_the_policy_can_encode_and_decide_at_once_and_the_rest_has_all_but_one(count: int) -> None:
    assert len(cores_for(Role.POLICY, range(count))) == 2
    assert len(cores_for(Role.REST, range(count))) == count - 1


@pytest.mark.parametrize("count", [2, 3])
def test_on_a_small_machine_policy_and_cell_have_every_core(count: int) -> None:
    assert cores_for(Role.GUARD, range(count)) == (count - 1,)
    assert cores_for(Role.POLICY, range(count)) == cores_for(Role.REST, range(count)) == ()


@pytest.mark.parametrize("place", Role)
def test_on_one_core_nobody_is_bound(place: Role) -> None:
    assert cores_for(place, (0,)) == ()


def test_only_cores_that_there_are_are_given_out() -> None:
    assert cores_for(Role.GUARD, (9, 2, 5, 7)) == (9,)
    assert cores_for(Role.POLICY, (9, 2, 5, 7)) == (5, 7)


@pytest.mark.parametrize("stacks", [2, 3, 8])
def test_where_there_are_enough_no_two_stacks_share_a_core_of_control(stacks: int) -> None:
    cores = range(cores_to_keep_apart(stacks))
    taken: set[int] = set()
    for _ in range(stacks):
        (guard,) = cores_for(Role.GUARD, cores, taken)
        policy = cores_for(Role.POLICY, cores, taken)
        assert len(policy) == 2
        assert not taken & {guard, *policy}
        taken |= {guard, *policy}
    assert cores_for(Role.BACKGROUND, cores, taken) == cores_for(Role.REST, cores, taken) == (0,)


@pytest.mark.parametrize("count", range(2, 20))
def test_each_guard_has_a_core_of_its_own_until_there_are_no_more(count: int) -> None:
    taken: set[int] = set()
    for _ in range(count):
        (core,) = cores_for(Role.GUARD, range(count), taken)
        assert core not in taken
        taken.add(core)
    assert cores_for(Role.GUARD, range(count), taken) == (count - 1,)
    assert sorted(guard_cores(range(count))) == list(range(count))


def test_a_policy_keeps_off_the_guards_of_other_stacks() -> None:
    assert policy_cores(range(4)) == [(1, 2)]
    assert cores_for(Role.POLICY, range(4), {2}) == (0, 1)
    assert cores_for(Role.POLICY, range(4), {1, 2, 3}) == (0,)
    assert cores_for(Role.POLICY, range(4), {0, 1, 2, 3}) == (0, 1, 2)


def test_the_background_keeps_off_the_cores_of_other_stacks_where_there_are_others() -> None:
    assert cores_for(Role.BACKGROUND, range(8), {4, 2, 3}) == (0, 1)
    assert cores_for(Role.BACKGROUND, range(2), {0, 1}) == (0,)
