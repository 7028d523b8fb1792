"""The main job, run and measured: the whole stack as real processes, episode after episode."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image as Picture

from dbp_ros.bench.report import EpisodeResult, build_report, plot_histograms
from dbp_ros.config import GuardConfig, check_ranges, setting
from dbp_ros.contract import Image
from dbp_ros.domain import leased_domain
from dbp_ros.errors import DbpError
from dbp_ros.files import write_text
from dbp_ros.nodes.episode_runner import EpisodeRunner
from dbp_ros.nodes.process import spinning
from dbp_ros.stack import environment

START_LIMIT_S = 60.0
END_LIMIT_S = 15.0
MOST_WITNESSES = 4
WITHOUT_NOISE = 0xFC
FILM_ZOOM = 4
FILM_FRAME_MS = 66


@dataclass(frozen=True)
class DemoConfig:
    """What to run, and where to put what comes of it."""

    task: str = setting("lift", "task of the simulated cell")
    model: str = setting("lift", "model bundle: a folder, or a name under models/")
    episodes: int = setting(20, "how many episodes to run", minimum=1)
    film_episodes: int = setting(3, "how many of them to film with the head camera", minimum=0)
    out: Path = setting(Path("build/demo"), "folder for the report, the plot and the film")


Tell = Callable[[str], None]


def run_demo(config: DemoConfig, tell: Tell, note: Tell) -> dict[str, Any]:
    """Start the stack, run the episodes, and write `report.json`, a plot and a film.

    The DDS traffic stays on this machine, in a domain of its own.

    Args:
        config: What to run.
        tell: Shows one line of progress, which the next one replaces.
        note: Prints one line for each episode.

    Returns:
        The report.

    Raises:
        DbpError: If the stack does not start or stops answering.
    """
    check_ranges(config)
    config.out.mkdir(parents=True, exist_ok=True)
    log = config.out / "stack.log"
    with ExitStack() as resources:
        domain = resources.enter_context(leased_domain())
        os.environ |= {
            **environment(os.environ),
            "ROS_DOMAIN_ID": str(domain),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        }
        up = ("dbp_ros.cli", "up", "--task", config.task, "--model", config.model)
        resources.enter_context(child(up, log))
        runner = resources.enter_context(spinning(EpisodeRunner))
        tell("starting the stack")
        try:
            runner.wait_for(lambda: _ready(runner, log), "the stack to start", START_LIMIT_S)
        except DbpError as error:
            raise DbpError(f"{error}; the end of {log}:\n{_tail(log)}") from error
        runner.activate_policy(False)
        with floor_beside(config.out) as floors:
            results = _run_episodes(config, runner, tell, note)
        guard, policy, simulation = map(runner.statistics, ("guard", "policy", "simulation"))
        frames = list(runner.frames)
    floor, *witnesses = (json.loads(path.read_text(encoding="utf-8")) for path in floors)
    report = build_report(config.task, results, guard, policy, simulation, floor, witnesses)
    write_text(config.out / "report.json", json.dumps(report, indent=2) + "\n")
    plot_histograms(config.out / "latency.png", guard, policy, floor)
    write_film(config.out / "head_camera.gif", frames)
    return report


def _run_episodes(
    config: DemoConfig, runner: EpisodeRunner, tell: Tell, note: Tell
) -> list[EpisodeResult]:
    limit_s = float(runner.statistics("simulation")["time_limit_s"])
    for name in ("guard", "policy", "simulation"):
        runner.trigger(f"{name}/clear_statistics")
    results: list[EpisodeResult] = []
    if config.film_episodes:
        runner.film("head_camera")
    before = _periods(runner)
    for number in range(config.episodes):
        if number == config.film_episodes:
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


def _ready(runner: EpisodeRunner, log: Path) -> bool:
    if "is not restarted" in _tail(log) or "ending the stack" in _tail(log):
        raise DbpError("a process of the stack ended")
    return len(runner.states) == 3 and runner.states["policy"] == "deciding"


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
        f"image age {guard.get('image_age_at_command_ms.p50', '…')} ms"
    )


@contextmanager
def floor_beside(folder: Path) -> Iterator[list[Path]]:
    """Measure the machine's floor, with a witness on each core, for as long as the block lasts.

    Yields:
        The files that are written at the end, the floor's own first.
    """
    guard = GuardConfig()
    same, above = guard.realtime_priority + 1, guard.realtime_priority + 2
    cores = sorted(os.sched_getaffinity(0))[:MOST_WITNESSES]
    loops = [("floor", same, ()), *((f"core_{k}", above, ("--core", str(k))) for k in cores)]
    with ExitStack() as resources:
        files = [folder / f"{name}.json" for name, _, _ in loops]
        for file, (name, priority, bound) in zip(files, loops, strict=True):
            words = ("--rate", str(guard.command_rate_hz), "--priority", str(priority), *bound)
            command = ("dbp_ros.bench.floor", *words, "--out", str(file))
            resources.enter_context(child(command, folder / f"{name}.log"))
        yield files


@contextmanager
def child(module: Sequence[str], log: Path) -> Iterator[None]:
    """Run a module of ours as a process for as long as the block lasts."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", *module], stdout=file, stderr=subprocess.STDOUT
        )
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(END_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


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


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:])
