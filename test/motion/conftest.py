"""Cells of the guard's tests."""

import pytest
from motion.guard_cell import AHEAD, CONFIG, START, Cell, FaultyCell, measure_rest, towards

from dbp_ros.motion.guard import MotionGuard


@pytest.fixture
def cell():
    """An enabled cell."""
    cell = Cell(MotionGuard(CONFIG), START)
    measure_rest(cell.guard, START, cell.now_ns)
    cell.guard.enable(cell.now_ns)
    return cell


@pytest.fixture
def moving(cell):
    """A cell whose arms move."""
    cell.run(40, towards(AHEAD))
    assert cell.guard.moving
    return cell


@pytest.fixture
def faulty():
    cell = FaultyCell(MotionGuard(CONFIG), START)
    measure_rest(cell.guard, START, cell.now_ns)
    cell.guard.enable(cell.now_ns)
    return cell
