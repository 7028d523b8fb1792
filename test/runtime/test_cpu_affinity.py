"""CPU affinity plan: the guard has a core to itself if there are enough."""

import pytest

from dbp_ros.runtime.cpu_affinity import (
    MIN_CORES_FOR_PLAN,
    Role,
    cores_for,
    cores_for_stacks,
    guard_cores,
    policy_cores,
)


@pytest.mark.parametrize("count", range(MIN_CORES_FOR_PLAN, 65))
def test_the_guard_has_an_exclusive_core(count: int) -> None:
    guard, policy, background, rest = (set(cores_for(role, range(count))) for role in Role)
    assert len(guard) == 1
    assert not guard & (policy | background | rest)
    assert guard | policy | rest == set(range(count))


@pytest.mark.parametrize("count", range(2, 65))
def test_the_background_avoids_the_cores_of_guard_and_policy(count: int) -> None:
    guard, policy, background, _ = (set(cores_for(role, range(count))) for role in Role)
    assert background
    assert not background & (guard | policy)


@pytest.mark.parametrize("count", [4, 8, 64])
def test_the_policy_has_two_cores_and_the_rest_all_but_that_of_the_guard(count: int) -> None:
    assert len(cores_for(Role.POLICY, range(count))) == 2
    assert len(cores_for(Role.REST, range(count))) == count - 1


@pytest.mark.parametrize("count", [2, 3])
def test_on_a_small_machine_policy_and_cell_have_every_core(count: int) -> None:
    assert cores_for(Role.GUARD, range(count)) == (count - 1,)
    assert cores_for(Role.POLICY, range(count)) == cores_for(Role.REST, range(count)) == ()


@pytest.mark.parametrize("role", Role)
def test_on_one_core_no_process_is_pinned(role: Role) -> None:
    assert cores_for(role, (0,)) == ()


def test_only_available_cores_are_planned() -> None:
    assert cores_for(Role.GUARD, (9, 2, 5, 7)) == (9,)
    assert cores_for(Role.POLICY, (9, 2, 5, 7)) == (5, 7)


@pytest.mark.parametrize("stacks", [2, 3, 8])
def test_with_enough_cores_stacks_share_none_of_guard_and_policy(stacks: int) -> None:
    cores = range(cores_for_stacks(stacks))
    taken: set[int] = set()
    for _ in range(stacks):
        (guard,) = cores_for(Role.GUARD, cores, taken)
        policy = cores_for(Role.POLICY, cores, taken)
        assert len(policy) == 2
        assert not taken & {guard, *policy}
        taken |= {guard, *policy}
    assert cores_for(Role.BACKGROUND, cores, taken) == cores_for(Role.REST, cores, taken) == (0,)


@pytest.mark.parametrize("count", range(2, 20))
def test_each_guard_has_an_exclusive_core_while_there_are_any(count: int) -> None:
    taken: set[int] = set()
    for _ in range(count):
        (core,) = cores_for(Role.GUARD, range(count), taken)
        assert core not in taken
        taken.add(core)
    assert cores_for(Role.GUARD, range(count), taken) == (count - 1,)
    assert sorted(guard_cores(range(count))) == list(range(count))


def test_a_policy_avoids_the_guards_of_other_stacks() -> None:
    assert policy_cores(range(4)) == [(1, 2)]
    assert cores_for(Role.POLICY, range(4), {2}) == (0, 1)
    assert cores_for(Role.POLICY, range(4), {1, 2, 3}) == (0,)
    assert cores_for(Role.POLICY, range(4), {0, 1, 2, 3}) == (0, 1, 2)


def test_the_background_avoids_the_cores_of_other_stacks_if_possible() -> None:
    assert cores_for(Role.BACKGROUND, range(8), {4, 2, 3}) == (0, 1)
    assert cores_for(Role.BACKGROUND, range(2), {0, 1}) == (0,)
