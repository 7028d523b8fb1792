"""A policy that leaves something to learn: few demonstrations, few updates, a small network."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from dbp_ros.bench.running import Tell
from dbp_ros.errors import DbpError
from dbp_ros.learning.checkpoint import CHECKPOINT

CAMERAS = ("left_wrist_camera", "right_wrist_camera")
# One point a chunk, a fifth of a second ahead: few numbers to explore, and smooth.
HORIZON = 1
ROWS_A_STEP = 6
NETWORK = (
    *("--every", str(ROWS_A_STEP), "--horizon", str(HORIZON), "--batch", "32", "--samples", "4"),
    # A picture of the step before would be a fifth of a second old; the light never changes.
    *("--late-frame-probability", "0", "--brightness", "0.05", "--contrast", "0.05"),
    *("--width", "64", "--branch-width", "32", "--depth", "1", "--learning-rate", "0.002"),
    *("--keypoints", "16", "--channels", "8", "16", "24", "24"),
    # Two threads wait for each other, and badly where something else has a core.
    *("--threads", "1"),
)


def make_weak_policy(
    task: str, demonstrations: int, updates: int, folder: Path, tell: Tell
) -> tuple[Path, Path]:
    """Record, train and export, each unless that was done.

    Args:
        task: Of the simulated cell.
        demonstrations: How many.
        updates: How long to train.
        folder: Where to keep everything.
        tell: Shows one line of progress.

    Returns:
        The folders of the training run and of the bundle.

    Raises:
        DbpError: If a step fails.
    """
    data, run, model = folder / "data", folder / "weak", folder / "models" / "weak"
    collect = ("--task", task, "--episodes", str(demonstrations), "--workers", "1")
    seldom = ("--validate-every", str(updates), "--checkpoint-every", str(updates))
    train = (
        *("--images", *CAMERAS, "--keep-still", "--validation-fraction", "0"),
        *("--updates", str(updates), *NETWORK, *seldom),
    )
    steps = (
        ("collect", data, (*collect, "--out", str(data))),
        ("train", run / CHECKPOINT, (*train, "--data", str(data), "--out", str(run))),
        ("export", model, ("--run", str(run), "--data", str(data), "--out", str(model))),
    )
    for verb, made, words in steps:
        if not made.exists():
            tell(f"a weak policy from {demonstrations} demonstrations: dbp {verb}")
            name = ("--name", "weak") if verb == "export" else ()
            _run((verb, *words, *name), folder / f"{verb}.log")
    return run, model


def _run(words: Sequence[str], log: Path) -> None:
    with log.open("wb") as file:
        command = [sys.executable, "-m", "dbp_ros.cli", *words]
        status = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False)
    if status.returncode:
        raise DbpError(f"dbp {words[0]} failed ({status.returncode}), see {log}")
