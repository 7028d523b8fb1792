"""Conditions of `dbp bench rate`: image size and background load."""

import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from dbp_ros.errors import ConfigError, DbpError
from dbp_ros.evaluation.running_stack import log_tail, module_process
from dbp_ros.resources import resource_directory

RENDERED_SIZE = (84, 84)
SIZES = {"84": (84, 84), "640": (480, 640)}
LOADS = ("idle", "swap", "record", "hog")
# Loads of the operator's page with the recorder, by their number of browsers.
PAGES = {"page": 1, "pages": 10}
CONDITIONS = tuple(f"{size}-{load}" for size in SIZES for load in LOADS)
# Printed by `page_clients` once all browsers have received a message.
BROWSERS_CONNECTED = "browsers are connected"
CONNECT_S, POLL_S = 60.0, 0.1
# Processes of a load by their logs.
Processes = Mapping[Path, "subprocess.Popen[bytes]"]
KNOWN = (*CONDITIONS, *(f"{size}-{load}" for size in SIZES for load in PAGES))


@dataclass(frozen=True)
class Condition:
    """One condition.

    Attributes:
        name: For example `640-record`.
        size: Height and width of the images.
        load: `idle`, `swap` for model swaps, `record` with the recorder, `page` and `pages` also
            with the operator's page in one and in ten browsers, or `hog` for a CPU load.
    """

    name: str
    size: tuple[int, int]
    load: str

    @property
    def records(self) -> bool:
        """Whether the recorder runs."""
        return self.load == "record" or self.load in PAGES


def parse_condition(name: str) -> Condition:
    """Return a condition by name.

    Raises:
        ConfigError: If the name is unknown.
    """
    if name not in KNOWN:
        raise ConfigError(f"condition {name!r} is unknown: use some of {', '.join(KNOWN)}")
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
    """Run the background load of a condition; its logs and bags go to `folder`.

    The block begins when the browsers of a page are connected.

    Raises:
        DbpError: If they do not connect, or a process ends during the block.
    """
    commands: dict[str, tuple[str, ...]] = {}
    if condition.records:
        bags = ("--ros-args", "-p", f"out:={folder / 'bags'}")
        commands["record"] = ("dbp_ros.nodes.recorder_node", *bags)
    if condition.load in PAGES:
        commands["page"] = ("dbp_ros.nodes.panel_node", "--ros-args", "-p", "port:=0")
        browsers = ("benchmarks.rate.page_clients", str(folder / "page.log"))
        commands["browsers"] = (*browsers, str(PAGES[condition.load]))
    if condition.load == "hog":
        commands["hog"] = ("benchmarks.rate.cpu_load",)
    with ExitStack() as resources:
        processes = {
            folder / f"{name}.log": resources.enter_context(
                module_process(command, folder / f"{name}.log", True)
            )
            for name, command in commands.items()
        }
        if condition.load in PAGES:
            _wait_for_browsers(folder / "browsers.log", processes)
        yield
        _require_running(processes)


def _wait_for_browsers(log: Path, processes: Processes) -> None:
    deadline_s = time.monotonic() + CONNECT_S
    while BROWSERS_CONNECTED not in log.read_text(encoding="utf-8"):
        _require_running(processes)
        if time.monotonic() > deadline_s:
            raise DbpError(f"the browsers did not connect within {CONNECT_S:g} s: see {log.parent}")
        time.sleep(POLL_S)


def _require_running(processes: Processes) -> None:
    for log, process in processes.items():
        if process.poll() is not None:
            raise DbpError(
                f"the load {log.stem} ended with status {process.returncode}:\n{log_tail(log)}"
            )
