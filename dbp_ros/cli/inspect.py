"""`dbp inspect`: explain a model bundle to a person, and prove that it works on this machine."""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from dbp_ros.bundle.bundle import bundle_directory, read_bundle, read_manifest, sha256_of
from dbp_ros.bundle.golden import read_golden
from dbp_ros.bundle.manifest import MANIFEST, Manifest
from dbp_ros.policy.model import Model

PASSES = 50
SHA256_DIGITS, SHOWN_DIGITS = 64, 12
LABELS = {
    "evaluations": "passes for a chunk",
    "dataset": "data set",
    "train_s": "training time [s]",
    "export_difference": "graphs against PyTorch",
}

Row = Sequence[str]


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb."""
    parser.description = (
        f"{__doc__} The exit status is 1 where a file is damaged or the proof fails."
    )
    parser.add_argument("model", help="bundle: a folder, or a name under models/")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print what the manifest says, then what is true of the files.

    Raises:
        BundleError: If there is no bundle, it is damaged, or misses its proof.
    """
    directory = bundle_directory(arguments.model)
    manifest = read_manifest(directory)
    print(f"{manifest.name}, version {manifest.version}: {directory}")
    show("sees", sights(manifest))
    show("measures", columns(manifest, "state", manifest.states))
    show("decides", chunk(manifest))
    show("commands", columns(manifest, "action", manifest.joints))
    show("was made by", facts(manifest.made_by))
    show("metrics", facts(manifest.metrics))
    show("files", files(directory, manifest))
    model = Model(read_bundle(directory))
    print("\nevery file has its sha256")
    show("proof on this machine", proved(model))
    return 0


def show(title: str, rows: Sequence[Row]) -> None:
    """Print rows below a title, their cells one below the other."""
    print(f"\n{title}")
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    for row in rows:
        print("  " + "  ".join(map(str.ljust, row, widths)).rstrip())


def sights(manifest: Manifest) -> list[Row]:
    """Return what the policy looks at and how much of the past it takes."""
    rows: list[Row] = [
        (one.name, f"{one.width} x {one.height} px, {one.encoding}, to {one.feature_size} features")
        for one in manifest.cameras
    ]
    rows += [
        (one.name, f"{one.points} points of {one.channels}, to {one.feature_size} features")
        for one in manifest.clouds
    ]
    length, step_s = manifest.history.length, manifest.history.step_s
    past = "the newest of all" if length == 1 else f"the newest {length}, {step_s:.4g} s apart"
    return [*rows, ("history", past)]


def chunk(manifest: Manifest) -> list[Row]:
    """Return what one answer is."""
    action = manifest.action
    ahead_s = action.horizon * action.step_s
    return [
        ("a chunk", f"{action.horizon} points, {action.step_s:.4g} s apart, {ahead_s:.3g} s ahead"),
        ("a point", action.meaning.replace("_", " ")),
        ("meant for", f"{manifest.control_rate_hz:g} chunks a second"),
    ]


def columns(manifest: Manifest, side: str, names: Sequence[str]) -> list[Row]:
    """Return name, unit, range and meaning of the columns of the `state` or the `action`."""
    rows: list[Row] = []
    for name in names:
        known = _described(manifest.normaliser, side, name)
        span = "from {:g} to {:g}".format(*known["range"]) if "range" in known else ""
        meaning = str(known.get("meaning", "")).replace("_", " ")
        rows.append((name, str(known.get("unit", "")), span, meaning))
    return rows or [("nothing",)]


def _described(normaliser: dict[str, Any], side: str, name: str) -> dict[str, Any]:
    """Return what the normaliser says of a column; the first bundles had one entry a joint."""
    joint = normaliser.get(name)
    if joint is None:
        described: dict[str, Any] = normaliser.get(side, {}).get(name, {})
        return described
    if side == "state":
        return {"unit": joint["unit"], "range": joint["position_range"]}
    return {"unit": joint["unit"], "range": joint["action_range"], "meaning": joint["action"]}


def facts(known: dict[str, Any]) -> list[Row]:
    """Return what a part of the manifest says, a line for each key and each command."""
    rows: list[Row] = []
    for key, value in known.items():
        label = LABELS.get(key, key.replace("_", " "))
        if isinstance(value, list):
            rows += [("" if index else label, str(one)) for index, one in enumerate(value)]
        else:
            rows.append((label, _brief(value)))
    return rows or [("unknown",)]


def _brief(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_brief(one)}" for name, one in value.items())
    if isinstance(value, list):
        return " ".join(map(_brief, value)) or "none"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return f"{text[:SHOWN_DIGITS]}…" if len(text) == SHA256_DIGITS else text


def files(directory: Path, manifest: Manifest) -> list[Row]:
    """Return size and hash of each file, and whether it is the one that was exported."""
    rows: list[Row] = [(MANIFEST, f"{(directory / MANIFEST).stat().st_size:,} bytes", "", "")]
    for name, expected in manifest.files.items():
        path = directory / name
        digits = f"{expected[:SHOWN_DIGITS]}…"
        if not path.is_file():
            rows.append((name, "", digits, "MISSING"))
            continue
        whole = sha256_of(path) == expected
        state = "right" if whole else "CHANGED OR TRUNCATED"
        rows.append((name, f"{path.stat().st_size:,} bytes", digits, state))
    return rows


def proved(model: Model) -> list[Row]:
    """Return how near the graphs come to the proof and how long they take.

    Raises:
        BundleError: If they miss it.
    """
    worst, proof = model.prove(), read_golden(model.bundle)
    cases, tolerance = len(proof.action), model.manifest.proof.tolerance
    features = model.features(proof, 0)
    decide = partial(model.decide, proof.positions[0], features, proof.latent[0])
    rows: list[Row] = [
        ("difference", f"{worst:.2g} at most in {cases} cases, {tolerance:.2g} is allowed"),
        ("a decision", median_time(decide)),
    ]
    for name, frames in proof.frames.items():
        rows.append((name, median_time(partial(model.encode, name, frames[0, -1]))))
    return rows


def median_time(run: Callable[[], object]) -> str:
    """Return how long a call takes, in words."""
    times_ns = []
    for _ in range(PASSES):
        start_ns = time.perf_counter_ns()
        run()
        times_ns.append(time.perf_counter_ns() - start_ns)
    return f"{statistics.median(times_ns) / 1e6:.2f} ms, the median of {PASSES} on one thread"
