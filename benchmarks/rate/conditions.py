"""Conditions of `dbp bench rate`: image size and background load."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from dbp_ros.errors import ConfigError
from dbp_ros.evaluation.running_stack import module_process
from dbp_ros.resources import resource_directory

RENDERED_SIZE = (84, 84)
SIZES = {"84": (84, 84), "640": (480, 640)}
LOADS = ("idle", "swap", "record", "hog")
CONDITIONS = tuple(f"{size}-{load}" for size in SIZES for load in LOADS)


@dataclass(frozen=True)
class Condition:
    """One condition.

    Attributes:
        name: For example `640-record`.
        size: Height and width of the images.
        load: `idle`, `swap` for model swaps, `record` with the recorder, or `hog` for a CPU load.
    """

    name: str
    size: tuple[int, int]
    load: str


def parse_condition(name: str) -> Condition:
    """Return a condition by name.

    Raises:
        ConfigError: If the name is unknown.
    """
    if name not in CONDITIONS:
        raise ConfigError(f"condition {name!r} is unknown: use some of {', '.join(CONDITIONS)}")
    size, load = name.split("-")
    return Condition(name, SIZES[size], load)


def write_config(condition: Condition, folder: Path) -> Path:
    """Copy the installed parameter files with the image size of a condition; return `folder`.

    Images are rendered small and upscaled, see `dbp_ros.sim.upscaling`.
    """
    shutil.copytree(resource_directory() / "config", folder, dirs_exist_ok=True)
    path = folder / "simulation.yaml"
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    settings = document["/**"]["ros__parameters"]
    settings["image_height"], settings["image_width"] = condition.size
    settings["render_height"], settings["render_width"] = RENDERED_SIZE
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return folder


@contextmanager
def background_load(condition: Condition, folder: Path) -> Iterator[None]:
    """Run the background load of a condition; its log and bags go to `folder`."""
    commands = {
        "record": ("dbp_ros.nodes.recorder_node", "--ros-args", "-p", f"out:={folder / 'bags'}"),
        "hog": ("benchmarks.rate.cpu_load",),
    }
    if condition.load not in commands:
        yield
        return
    with module_process(commands[condition.load], folder / f"{condition.load}.log"):
        yield
