"""`dbp demo`: episodes on the whole stack with a report, a plot and a video."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from PIL import Image as PILImage

from dbp_ros.bundle.bundle import bundle_directory, read_bundle
from dbp_ros.errors import ConfigError
from dbp_ros.evaluation.loop_rates import rates_between, read_periods
from dbp_ros.evaluation.report import EpisodeResult, build_report, plot_histograms
from dbp_ros.evaluation.running_stack import (
    STACK_LOG,
    Log,
    read_reference_loops,
    reference_loops,
    running_stack,
)
from dbp_ros.files import require_folder, write_text
from dbp_ros.nodes.model_pusher import ModelPusher
from dbp_ros.settings.dual_ur5e import DEFAULT_ROBOT
from dbp_ros.settings.fields import Settings, setting
from dbp_ros.settings.simulation import TaskName
from dbp_ros.stack.preflight import checked_processes
from dbp_ros.stack.processes import StackConfig
from dbp_ros.types import Image

NOISE_MASK = 0xFC
VIDEO_ZOOM = 4
VIDEO_FRAME_MS = 66
# Line of the log with the address of the operator's page, or why there is none.
PAGE = re.compile(r"operator's page: http\S+|(?<=\[panel\] )error: .*")
PAGE_START_S = 30.0
# Each has a model of its name.
ALL_TASKS: tuple[TaskName, ...] = ("lift", "can", "transport")


@dataclass(frozen=True)
class DemoConfig(Settings):
    """Settings of a demo.

    Raises:
        ConfigError: If a model is given for all tasks.
    """

    robot: str = setting(
        DEFAULT_ROBOT,
        "description of the robot: a name in config/robots/, or a file; other robots than that of "
        "the cell move joint by joint, without a policy",
    )
    task: Literal[TaskName, "all"] = setting(
        "transport", f"task of the simulated cell; all for {', '.join(ALL_TASKS)} in turn"
    )
    model: str = setting(
        "", "model bundle: a folder, or a name under models/; empty for that of the task"
    )
    episodes: int = setting(20, "number of episodes", ge=1)
    film: int = setting(3, "episodes to record as a video of the head camera", ge=0)
    panel: bool = setting(False, "serve the operator's page in a browser; prints its address")
    out: Path = setting(Path("build/demo"), "folder for the report, the plot and the video")

    def __post_init__(self) -> None:
        """Check each value, and values that depend on each other."""
        super().__post_init__()
        if self.task == "all" and self.model:
            raise ConfigError(f"model is {self.model}, but each task has its own: leave it empty")

    def task_of(self, episode: int) -> str:
        """Return the task of an episode."""
        return ALL_TASKS[episode % len(ALL_TASKS)] if self.task == "all" else self.task

    def model_of(self, task: str) -> str:
        """Return the model of a task."""
        return self.model or task


@dataclass(frozen=True)
class DemoResult:
    """Result of a demo.

    Attributes:
        report: See `build_report`.
        statistics: Statistics of guard, policy and reference loop for the plot.
        frames: Images of the head camera for the video.
    """

    report: dict[str, Any]
    statistics: tuple[dict[str, Any], dict[str, Any], dict[str, Any]]
    frames: list[Image]


def run_demo(config: DemoConfig, status: Log, log: Log) -> DemoResult:
    """Start the stack and run the episodes.

    Args:
        config: Settings.
        status: Sets the status line.
        log: Prints one line for each episode.

    Raises:
        ConfigError: If the output folder is not writable.
        DbpError: If the stack does not start or does not respond.
    """
    require_folder(config.out)
    for number in range(min(config.episodes, len(ALL_TASKS))):
        read_bundle(bundle_directory(config.model_of(config.task_of(number))))
    first = config.task_of(0)
    stack = first, config.model_of(first), config.out
    flags = ("--panel",) if config.panel else ()
    if config.panel:
        checked_processes(StackConfig(panel=True))
    with running_stack(*stack, ModelPusher, status, flags) as runner:
        log(_page_line(config, runner))
        with reference_loops(config.out) as files:
            results = _run_episodes(config, runner, status, log)
        guard, policy, simulation = map(runner.statistics, ("guard", "policy", "simulation"))
        frames = list(runner.frames)
    reference, *pinned = read_reference_loops(files)
    report = build_report(config.task, results, guard, policy, simulation, reference, pinned)
    return DemoResult(report, (guard, policy, reference), frames)


def _page_line(config: DemoConfig, runner: ModelPusher) -> str:
    """Return where the operator's page is, or how to get it."""
    if not config.panel:
        return "dbp demo --panel shows the arms in a browser"
    log = config.out / STACK_LOG

    def outcome() -> re.Match[str] | None:
        return PAGE.search(log.read_text(encoding="utf-8", errors="replace"))

    runner.wait_for(lambda: outcome() is not None, "the operator's page to start", PAGE_START_S)
    found = outcome()
    assert found is not None
    return found[0]


def write_results(folder: Path, demo: DemoResult) -> None:
    """Write `report.json`, a plot and a video."""
    write_text(folder / "report.json", json.dumps(demo.report, indent=2) + "\n")
    plot_histograms(folder / "latency.png", *demo.statistics)
    write_video(folder / "head_camera.gif", demo.frames)


def _run_episodes(
    config: DemoConfig, runner: ModelPusher, status: Log, log: Log
) -> list[EpisodeResult]:
    task = config.task_of(0)
    for name in ("guard", "policy", "simulation"):
        runner.trigger(f"{name}/clear_statistics")
    results: list[EpisodeResult] = []
    if config.film:
        runner.record_frames("head_camera")
    before = read_periods(runner)
    for number in range(config.episodes):
        if number == config.film:
            runner.stop_recording()
        if task != config.task_of(number):
            task = config.task_of(number)
            log(_change_task(runner, task, config.model_of(task)))
            before = read_periods(runner)
        else:
            runner.reset()
        limit_s = float(runner.statistics("simulation")["time_limit_s"])

        def show_status(number: int = number) -> None:
            status(_live_line(number, config.episodes, results, runner))

        success, duration_s = runner.run_episode(limit_s, show_status)
        after = read_periods(runner)
        result = EpisodeResult(success, duration_s, *rates_between(before, after), task)
        log(_episode_line(number, config.episodes, result))
        results.append(result)
        before = after
    runner.enable_control(False)
    return results


def _change_task(runner: ModelPusher, task: str, model: str) -> str:
    """Reset the cell with another task and swap in its model; return a line for the log."""
    runner.set_task(task)
    runner.reset()
    # The model runs in shadow mode next to the active one, while control is disabled.
    runner.activate_policy(True)
    swap_s = runner.swap(bundle_directory(model), share_path=True)
    runner.activate_policy(False)
    return f"          {task}: swapped in its model in {swap_s:.1f} s"


def _episode_line(number: int, episodes: int, result: EpisodeResult) -> str:
    return (
        f"{number + 1:3}/{episodes}   {'solved' if result.success else 'failed'} in "
        f"{result.duration_s:4.1f} s   decisions {result.decision_rate_hz:6.1f} Hz   "
        f"commands {result.command_rate_hz:6.1f} Hz"
    )


def _live_line(
    number: int, episodes: int, results: Sequence[EpisodeResult], runner: ModelPusher
) -> str:
    policy, guard = runner.diagnostics.get("policy", {}), runner.diagnostics.get("guard", {})
    return (
        f"episode {number + 1}/{episodes}   "
        f"success {sum(result.success for result in results)}/{len(results)}   "
        f"decisions {policy.get('decision_period.rate_hz', '…')} Hz   "
        f"commands {guard.get('command_period.rate_hz', '…')} Hz   "
        f"image to command {guard.get('reaction_ms.p50', '…')} ms   "
        f"image age {guard.get('image_age_at_command_ms.p50', '…')} ms"
    )


def write_video(path: Path, frames: Sequence[Image]) -> None:
    """Write every second image of a 30 Hz camera as an enlarged animation without noise."""
    images = [
        PILImage.fromarray(frame & NOISE_MASK).resize(
            (frame.shape[1] * VIDEO_ZOOM, frame.shape[0] * VIDEO_ZOOM), PILImage.Resampling.NEAREST
        )
        for frame in frames[::2]
    ]
    if images:
        images[0].save(
            path, save_all=True, append_images=images[1:], duration=VIDEO_FRAME_MS, loop=0
        )
