"""`dbp inspect`: describe a model bundle and verify it on this machine."""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from dbp_ros.bundle.bundle import bundle_directory, read_bundle, read_manifest, sha256_of
from dbp_ros.bundle.golden import read_golden
from dbp_ros.bundle.manifest import AS_RECORDED, MANIFEST, Manifest
from dbp_ros.policy.model import Model

REPETITIONS = 50
SHA256_DIGITS, SHOWN_DIGITS = 64, 12
LABELS = {
    "evaluations": "inference steps",
    "dataset": "data set",
    "train_s": "training time [s]",
    "export_difference": "ONNX against PyTorch",
}

Row = Sequence[str]


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb."""
    parser.description = (
        "Print the manifest of a model bundle, check the hash of each file, and run the golden "
        "cases on this machine. Exit status 1 if a file is damaged or the self-test fails."
    )
    parser.add_argument("model", help="model bundle: a folder, or a name under models/")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the manifest, then check the files and run the self-test.

    Raises:
        BundleError: If there is no bundle, it is damaged, or it fails its self-test.
    """
    directory = bundle_directory(arguments.model)
    manifest = read_manifest(directory)
    print(f"{manifest.name}, version {manifest.version}: {directory}")
    show("observation", sensors(manifest))
    show("state", columns(manifest, "state", manifest.states))
    show("action chunk", chunk(manifest))
    show("action", columns(manifest, "action", manifest.joints))
    if hands := network_actions(manifest):
        show("action of the network, converted to joints", columns(manifest, "action", hands))
    show("provenance", mapping_rows(manifest.made_by))
    show("metrics", mapping_rows(manifest.metrics))
    show("files", files(directory, manifest))
    model = Model(read_bundle(directory))
    print("\nthe sha256 of every file is correct")
    show("self-test on this machine", self_test(model))
    return 0


def show(title: str, rows: Sequence[Row]) -> None:
    """Print aligned rows below a title."""
    print(f"\n{title}")
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    for row in rows:
        print("  " + "  ".join(map(str.ljust, row, widths)).rstrip())


def sensors(manifest: Manifest) -> list[Row]:
    """Return the cameras, the point clouds and the history of an observation."""
    rows: list[Row] = [
        (c.name, f"{c.width} x {c.height} px, {c.encoding}, to {c.feature_size} features")
        for c in manifest.cameras
    ]
    rows += [
        (c.name, f"{c.points} points of {c.channels}, to {c.feature_size} features")
        for c in manifest.clouds
    ]
    length, step_s = manifest.history.length, manifest.history.step_s
    history = "1 step" if length == 1 else f"{length} steps, {step_s:.4g} s apart"
    return [*rows, ("history", history)]


def chunk(manifest: Manifest) -> list[Row]:
    """Return horizon, meaning and rate of an action chunk."""
    action = manifest.action
    horizon_s = action.horizon * action.step_s
    meaning = action.meaning.replace("_", " ")
    if network_actions(manifest):
        meaning = f"{meaning}, by inverse kinematics from poses of the hands"
    if action.meaning == AS_RECORDED:
        meaning = f"{meaning}: no policy node runs the model, only the simulator of its data"
    return [
        ("horizon", f"{action.horizon} points, {action.step_s:.4g} s apart, {horizon_s:.3g} s"),
        ("point", meaning),
        ("control rate", f"{manifest.control_rate_hz:g} Hz"),
    ]


def columns(manifest: Manifest, side: str, names: Sequence[str]) -> list[Row]:
    """Return name, unit, range and meaning of the columns of the `state` or the `action`."""
    rows: list[Row] = []
    for name in names:
        column = _described(manifest.normaliser, side, name)
        bounds = "from {:g} to {:g}".format(*column["range"]) if "range" in column else ""
        meaning = str(column.get("meaning", "")).replace("_", " ")
        rows.append((name, str(column.get("unit", "")), bounds, meaning))
    return rows or [("none",)]


def network_actions(manifest: Manifest) -> list[str]:
    """Return the columns of the network's action that are no joints, such as poses of hands."""
    return [name for name in manifest.normaliser.get("action", {}) if name not in manifest.joints]


def _described(normaliser: dict[str, Any], side: str, name: str) -> dict[str, Any]:
    """Return the normaliser entry of a column; the first bundle format has one per joint."""
    joint = normaliser.get(name)
    if joint is None:
        described: dict[str, Any] = normaliser.get(side, {}).get(name, {})
        return described
    if side == "state":
        return {"unit": joint["unit"], "range": joint["position_range"]}
    return {"unit": joint["unit"], "range": joint["action_range"], "meaning": joint["action"]}


def mapping_rows(section: dict[str, Any]) -> list[Row]:
    """Return a section of the manifest, one row for each key and each list item."""
    rows: list[Row] = []
    for key, value in section.items():
        label = LABELS.get(key, key.replace("_", " "))
        if isinstance(value, list):
            rows += [("" if index else label, str(item)) for index, item in enumerate(value)]
        else:
            rows.append((label, _brief(value)))
    return rows or [("unknown",)]


def _brief(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_brief(item)}" for name, item in value.items())
    if isinstance(value, list):
        return " ".join(map(_brief, value)) or "none"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return f"{text[:SHOWN_DIGITS]}…" if len(text) == SHA256_DIGITS else text


def files(directory: Path, manifest: Manifest) -> list[Row]:
    """Return size and hash of each file, and whether the hash is correct."""
    rows: list[Row] = [(MANIFEST, f"{(directory / MANIFEST).stat().st_size:,} bytes", "", "")]
    for name, expected in manifest.files.items():
        path = directory / name
        digits = f"{expected[:SHOWN_DIGITS]}…"
        if not path.is_file():
            rows.append((name, "", digits, "MISSING"))
            continue
        intact = sha256_of(path) == expected
        state = "correct" if intact else "CHANGED OR TRUNCATED"
        rows.append((name, f"{path.stat().st_size:,} bytes", digits, state))
    return rows


def self_test(model: Model) -> list[Row]:
    """Run the golden cases; return their largest error and the inference times.

    Raises:
        BundleError: If the error exceeds the tolerance.
    """
    error, golden = model.self_test(), read_golden(model.bundle)
    cases, tolerance = len(golden.action), model.manifest.proof.tolerance
    features = model.encode_case(golden, 0)
    decide = partial(model.predict, golden.positions[0], features, golden.latent[0])
    rows: list[Row] = [
        ("error", f"{error:.2g} at most in {cases} cases, tolerance {tolerance:.2g}"),
        ("head", median_time(decide)),
    ]
    for name, frames in golden.frames.items():
        rows.append((name, median_time(partial(model.encode, name, frames[0, -1]))))
    return rows


def median_time(run: Callable[[], object]) -> str:
    """Return the median time of a call as text."""
    times_ns = []
    for _ in range(REPETITIONS):
        start_ns = time.perf_counter_ns()
        run()
        times_ns.append(time.perf_counter_ns() - start_ns)
    return f"{statistics.median(times_ns) / 1e6:.2f} ms, median of {REPETITIONS} on one thread"
