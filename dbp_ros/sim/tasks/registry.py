"""Tasks of the cell by name."""

from dbp_ros.errors import ConfigError
from dbp_ros.sim.tasks.can import Can
from dbp_ros.sim.tasks.lift import Lift
from dbp_ros.sim.tasks.reach import Reach
from dbp_ros.sim.tasks.task import Task
from dbp_ros.sim.tasks.transport import Transport

TASKS: dict[str, type[Task]] = {task.name: task for task in (Reach, Lift, Can, Transport)}


def make_task(name: str) -> Task:
    """Return a new task.

    Raises:
        ConfigError: If there is no such task.
    """
    if name not in TASKS:
        raise ConfigError(f"no task '{name}': known tasks are {', '.join(sorted(TASKS))}")
    return TASKS[name]()
