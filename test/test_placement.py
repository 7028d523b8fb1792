"""Who runs where: a core for the guard where there are enough, nobody bound where there are not."""

import pytest

from dbp_ros.placement import FEWEST_TO_SHARE_OUT, Place, cores_of


@pytest.mark.parametrize("count", range(FEWEST_TO_SHARE_OUT, 65))
def test_the_guard_has_a_core_that_nobody_else_has(count: int) -> None:
    guard, policy, rest = (set(cores_of(place, range(count))) for place in Place)
    assert len(guard) == 1
    assert not guard & (policy | rest)
    assert guard | policy | rest == set(range(count))


@pytest.mark.parametrize("count", [4, 8, 64])
def test_the_policy_can_encode_and_decide_at_once_and_the_rest_has_all_but_one(count: int) -> None:
    assert len(cores_of(Place.POLICY, range(count))) == 2
    assert len(cores_of(Place.REST, range(count))) == count - 1


@pytest.mark.parametrize("place", Place)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_on_a_small_machine_nobody_is_bound(place: Place, count: int) -> None:
    assert cores_of(place, range(count)) == ()


def test_only_cores_that_there_are_are_given_out() -> None:
    assert cores_of(Place.GUARD, (9, 2, 5, 7)) == (9,)
    assert cores_of(Place.POLICY, (9, 2, 5, 7)) == (5, 7)
