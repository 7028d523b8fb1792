"""The conditions that `dbp bench rate` measures under: the size of pictures, and what else runs."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from dbp_ros.errors import ConfigError
from dbp_ros.evaluation.running_stack import module_process
from dbp_ros.resources import resource_directory

DRAWN = (84, 84)
SIZES = {"84": (84, 84), "640": (480, 640)}
LOADS = ("idle", "swap", "record", "hog")
CONDITIONS = tuple(f"{size}-{load}" for size in SIZES for load in LOADS)


@dataclass(frozen=True)
class Condition:
    """One condition.

    Attributes:
        name: Such as `640-record`.
        size: Height and width of the pictures.
        load: What goes on beside: nothing, swaps of models, recording, or a busy loop.
    """

    name: str
    size: tuple[int, int]
    load: str


def condition_of(name: str) -> Condition:
    """Return the condition of a name.

    Raises:
        ConfigError: If there is none.
    """
    if name not in CONDITIONS:
        raise ConfigError(f"condition {name!r} is unknown: use some of {', '.join(CONDITIONS)}")
    size, load = name.split("-")
    return Condition(name, SIZES[size], load)


def write_config(condition: Condition, folder: Path) -> Path:
    """Copy the installed parameter files, with pictures of the condition's size; return where.

    Pictures are drawn small and enlarged: see `dbp_ros.sim.upscaling`.
    """
    shutil.copytree(resource_directory() / "config", folder, dirs_exist_ok=True)
    path = folder / "simulation.yaml"
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    settings = document["/**"]["ros__parameters"]
    settings["image_height"], settings["image_width"] = condition.size
    settings["render_height"], settings["render_width"] = DRAWN
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return folder


@contextmanager
def cpu_load_beside(condition: Condition, folder: Path) -> Iterator[None]:
    """Let something else run for as long as the block lasts; bags go below `folder`."""
    commands = {
        "record": ("dbp_ros.nodes.bag_node", "--ros-args", "-p", f"out:={folder / 'bags'}"),
        "hog": ("benchmarks.rate.cpu_load",),
    }
    if condition.load not in commands:
        yield
        return
    with module_process(commands[condition.load], folder / f"{condition.load}.log"):
        yield
