"""`dbp quantize`: quantize a model bundle."""

import argparse
import shlex
from functools import partial
from pathlib import Path

import numpy as np

from dbp_ros.bundle.bundle import Bundle, bundle_directory, read_bundle
from dbp_ros.bundle.golden import GoldenCases, read_golden
from dbp_ros.bundle.manifest import MANIFEST
from dbp_ros.cli.terminal import show, terminal
from dbp_ros.data.selection import Selection
from dbp_ros.errors import BundleError, ConfigError
from dbp_ros.files import check_new_folder, shown_path
from dbp_ros.learning.dataset import load_demonstrations
from dbp_ros.learning.quantization import PRECISIONS, quantize_bundle
from dbp_ros.policy.model import Model
from dbp_ros.settings.fields import from_mapping
from dbp_ros.settings.flags import check_at_least
from dbp_ros.telemetry.stopwatch import time_interleaved

MEASUREMENT_S = 3.0
SEED = 0


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb."""
    parser.description = (
        "Quantize a model bundle, and print the error of its actions against full precision and "
        "the latency of its head. The golden cases are those of full precision."
    )
    parser.add_argument(
        "--model", required=True, help="model bundle: a folder, or a name under models/"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the new bundle")
    parser.add_argument(
        "--precision", default="int8", help=f"one of {', '.join(PRECISIONS)} (default: int8)"
    )
    parser.add_argument("--name", help="name of the new model (default: <model>-<precision>)")
    parser.add_argument(
        "--data",
        type=Path,
        help="data set for calibration and comparison (default: the golden cases)",
    )
    parser.add_argument(
        "--cases", type=int, default=200, help="observations to sample from --data (default: 200)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Quantize the bundle; print its error and latency.

    Raises:
        BundleError: If its error against full precision is too large.
        ConfigError: If the new bundle would replace the source.
    """
    check_at_least(1, cases=arguments.cases)
    check_new_folder(arguments.out, MANIFEST)
    source = read_bundle(bundle_directory(arguments.model))
    if arguments.out.resolve() == source.directory.resolve():
        raise ConfigError(
            f"--out {arguments.out} is the folder of --model, which would be replaced: give "
            "another folder"
        )
    recorded = recorded_observations(source, arguments.data, arguments.cases)
    name = arguments.name or f"{source.manifest.name}-{arguments.precision}"
    errors = quantize_bundle(
        source, arguments.out, arguments.precision, recorded, name, command(arguments)
    )
    console = terminal()
    show(console, f"{name}: {arguments.out}", rows(source, read_bundle(arguments.out), recorded))
    console.print(
        f"actions on {errors.cases} recorded observations differ from full precision by "
        f"{errors.error_mean:.2g} on average, {errors.error_p99:.2g} at the 99th percentile and "
        f"{errors.error_max:.2g} at most"
    )
    return 0


def command(arguments: argparse.Namespace) -> str:
    """Return the command line that reproduces the bundle."""
    words = ["dbp", "quantize", "--model", arguments.model, "--precision", arguments.precision]
    words += ["--out", shown_path(arguments.out)]
    if arguments.name:
        words += ["--name", arguments.name]
    if arguments.data:
        words += ["--data", shown_path(arguments.data), "--cases", arguments.cases]
    return shlex.join(map(str, words))


def recorded_observations(source: Bundle, data: Path | None, cases: int) -> GoldenCases:
    """Return observations of recorded episodes, or the golden cases of the bundle.

    The episodes are read as in the training of the bundle.

    Raises:
        BundleError: If the episodes lack a state, a camera or a point cloud of the model.
        TrainingError: If they cannot be read.
    """
    if data is None:
        return read_golden(source)
    manifest = source.manifest
    selection = manifest.made_by.get("dataset", {}).get("selection", {})
    recorded = load_demonstrations(data, from_mapping(Selection, selection))
    clouds = tuple(cloud.name for cloud in manifest.clouds)
    for what, needed, found in (
        ("states", manifest.states, recorded.state_names),
        ("cameras", manifest.camera_names, recorded.images),
        ("point clouds", clouds, recorded.points),
    ):
        if missing := [name for name in needed if name not in found]:
            raise BundleError(
                f"{data} has the {what} {', '.join(found) or 'none'}, and {source.directory} takes "
                f"{', '.join(missing)} too: give a data set that the model can be trained on"
            )
    generator = np.random.default_rng(SEED)
    count = min(cases, len(recorded.states))
    chosen = np.sort(generator.choice(len(recorded.states), count, replace=False))
    batch = recorded.batch(chosen, manifest.action.horizon, manifest.history.length)
    columns = [recorded.state_names.index(name) for name in manifest.states]
    shape = (count, *manifest.latent_shape)
    return GoldenCases(
        positions=batch.states.numpy()[..., columns],
        images={name: batch.images[name].numpy() for name in manifest.camera_names},
        points={cloud.name: batch.points[cloud.name].numpy() for cloud in manifest.clouds},
        latent=generator.standard_normal(shape, dtype=np.float32),
        action=np.zeros(shape, np.float32),
    )


def rows(source: Bundle, quantized: Bundle, recorded: GoldenCases) -> list[dict[str, object]]:
    """Return one row for each bundle: size and latency of the head, interleaved."""
    # Both may have the same name.
    models = {name: Model(b) for name, b in (("before", source), ("quantized", quantized))}
    features = {name: model.encode_case(recorded, 0) for name, model in models.items()}
    state, latent = recorded.positions[0], recorded.latent[0]
    calls = {
        name: partial(model.predict, state, features[name], latent)
        for name, model in models.items()
    }
    times = time_interleaved(calls, MEASUREMENT_S)
    return [
        {
            "model": f"{model.manifest.name}, {name}",
            "head [MB]": model.bundle.path(model.manifest.head).stat().st_size / 1e6,
            "head, caches warm p50 [ms]": times[name].warm_ms(50),
            "p99": times[name].warm_ms(99),
            "caches cold [ms]": times[name].cold_ms,
        }
        for name, model in models.items()
    ]
