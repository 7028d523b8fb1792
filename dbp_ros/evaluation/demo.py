"""The main job, run and measured: the whole stack as real processes, episode after episode."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image as Picture

from dbp_ros.evaluation.report import EpisodeResult, build_report, plot_histograms
from dbp_ros.evaluation.running_stack import (
    Tell,
    read_reference_loops,
    reference_loop_beside,
    running_stack,
)
from dbp_ros.files import require_folder, write_text
from dbp_ros.nodes.episode_runner import EpisodeRunner
from dbp_ros.settings.fields import check_ranges, setting
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.types import Image

WITHOUT_NOISE = 0xFC
FILM_ZOOM = 4
FILM_FRAME_MS = 66


@dataclass(frozen=True)
class DemoConfig:
    """What to run, and where to put what comes of it."""

    task: str = setting("lift", "task of the simulated cell")
    model: str = setting(PolicyConfig.model, "model bundle: a folder, or a name under models/")
    episodes: int = setting(20, "number of episodes", minimum=1)
    film: int = setting(3, "number of them to record as a video of the head camera", minimum=0)
    out: Path = setting(Path("build/demo"), "folder for the report, the plot and the film")


@dataclass(frozen=True)
class Demo:
    """What a run gave.

    Attributes:
        report: See `build_report`.
        statistics: Of the guard, the policy and the empty loop, for the plot.
        frames: Images of the head camera, for the film.
    """

    report: dict[str, Any]
    statistics: tuple[dict[str, Any], dict[str, Any], dict[str, Any]]
    frames: list[Image]


def run_demo(config: DemoConfig, tell: Tell, note: Tell) -> Demo:
    """Start the stack and run the episodes.

    The DDS traffic stays on this machine, in a domain of its own.

    Args:
        config: What to run.
        tell: Shows one line of progress, which the next one replaces.
        note: Prints one line for each episode.

    Raises:
        ConfigError: If the folder for the results cannot be written.
        DbpError: If the stack does not start or stops answering.
    """
    check_ranges(config)
    require_folder(config.out)
    with running_stack(config.task, config.model, config.out, EpisodeRunner, tell) as runner:
        with reference_loop_beside(config.out) as floors:
            results = _run_episodes(config, runner, tell, note)
        guard, policy, simulation = map(runner.statistics, ("guard", "policy", "simulation"))
        frames = list(runner.frames)
    floor, *witnesses = read_reference_loops(floors)
    report = build_report(config.task, results, guard, policy, simulation, floor, witnesses)
    return Demo(report, (guard, policy, floor), frames)


def write_results(folder: Path, demo: Demo) -> None:
    """Write `report.json`, a plot and a film."""
    write_text(folder / "report.json", json.dumps(demo.report, indent=2) + "\n")
    plot_histograms(folder / "latency.png", *demo.statistics)
    write_film(folder / "head_camera.gif", demo.frames)


def _run_episodes(
    config: DemoConfig, runner: EpisodeRunner, tell: Tell, note: Tell
) -> list[EpisodeResult]:
    limit_s = float(runner.statistics("simulation")["time_limit_s"])
    for name in ("guard", "policy", "simulation"):
        runner.trigger(f"{name}/clear_statistics")
    results: list[EpisodeResult] = []
    if config.film:
        runner.film("head_camera")
    before = _periods(runner)
    for number in range(config.episodes):
        if number == config.film:
            runner.stop_filming()
        runner.prepare()

        def watch(number: int = number) -> None:
            tell(_live_line(number, config.episodes, results, runner))

        success, duration_s = runner.run_episode(limit_s, watch)
        after = _periods(runner)
        result = EpisodeResult(success, duration_s, *_rates(before, after))
        note(_episode_line(number, config.episodes, result))
        results.append(result)
        before = after
    runner.enable_control(False)
    return results


def _periods(runner: EpisodeRunner) -> list[dict[str, float]]:
    return [
        runner.statistics("policy")["decision_period"],
        runner.statistics("guard")["command_period"],
    ]


def _rates(before: Sequence[dict[str, float]], after: Sequence[dict[str, float]]) -> list[float]:
    """Return how often decisions and commands came a second between two moments."""
    return [
        (b["periods"] - a["periods"]) / max(1e-9, b["active_s"] - a["active_s"])
        for a, b in zip(before, after, strict=True)
    ]


def _episode_line(number: int, episodes: int, result: EpisodeResult) -> str:
    return (
        f"{number + 1:3}/{episodes}   {'solved' if result.success else 'failed'} in "
        f"{result.duration_s:4.1f} s   decisions {result.decision_rate_hz:6.1f} Hz   "
        f"commands {result.command_rate_hz:6.1f} Hz"
    )


def _live_line(
    number: int, episodes: int, results: Sequence[EpisodeResult], runner: EpisodeRunner
) -> str:
    policy, guard = runner.diagnostics.get("policy", {}), runner.diagnostics.get("guard", {})
    return (
        f"episode {number + 1}/{episodes}   "
        f"success {sum(result.success for result in results)}/{len(results)}   "
        f"decisions {policy.get('decision_period.rate_hz', '…')} Hz   "
        f"commands {guard.get('command_period.rate_hz', '…')} Hz   "
        f"reaction {guard.get('reaction_ms.p50', '…')} ms   "
        f"image age {guard.get('image_age_at_command_ms.p50', '…')} ms"
    )


def write_film(path: Path, frames: Sequence[Image]) -> None:
    """Write every second picture of a 30 Hz camera as an animation, enlarged, without its noise."""
    pictures = [
        Picture.fromarray(frame & WITHOUT_NOISE).resize(
            (frame.shape[1] * FILM_ZOOM, frame.shape[0] * FILM_ZOOM), Picture.Resampling.NEAREST
        )
        for frame in frames[::2]
    ]
    if pictures:
        pictures[0].save(
            path, save_all=True, append_images=pictures[1:], duration=FILM_FRAME_MS, loop=0
        )
