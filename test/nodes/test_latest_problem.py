"""The problem of a topic, as the guard reports it."""

from dbp_ros.nodes.chunk_input import LatestProblem
from dbp_ros.types import NS_PER_S

MS = NS_PER_S // 1000


def test_a_problem_lasts_while_its_messages_arrive_and_ends_without_them() -> None:
    problem = LatestProblem()
    for age_ms in range(0, 3000, 10):
        problem.record(f"{age_ms} ms old", age_ms * MS)
    assert problem.sentence(3000 * MS) == "2000 ms old"
    assert problem.sentence(3990 * MS) == "2000 ms old"
    assert problem.sentence(3991 * MS) == ""
    problem.record("not finite", 5000 * MS)
    assert problem.sentence(5000 * MS) == "not finite"


def test_a_valid_message_ends_a_problem() -> None:
    problem = LatestProblem()
    problem.record("not finite", MS)
    problem.clear()
    assert problem.sentence(2 * MS) == ""
