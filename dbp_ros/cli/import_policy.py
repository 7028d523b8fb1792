"""`dbp import`: import an ONNX policy that was trained elsewhere as a model bundle."""

import argparse
import shlex
from pathlib import Path

from dbp_ros.bundle.manifest import MANIFEST
from dbp_ros.cli.inspect import show
from dbp_ros.errors import ConfigError
from dbp_ros.files import check_file, check_new_folder, write_text
from dbp_ros.policy_import.foreign_graph import ForeignGraph
from dbp_ros.policy_import.import_bundle import ImportReport, ModelInfo, import_policy
from dbp_ros.policy_import.mapping_draft import draft_mapping
from dbp_ros.policy_import.mapping_file import read_mapping
from dbp_ros.settings.policy_mapping import PolicyMapping
from dbp_ros.settings.robot import RobotDescription
from dbp_ros.settings.robot_files import read_robot


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb."""
    parser.description = (
        "Import an ONNX policy that was trained elsewhere. A mapping file names its joints, "
        "cameras, units and normalisation. The bundle is compared with the original graph, and "
        "then runs like an exported one. --describe prints the inputs and outputs of the graph, "
        "and writes a first mapping file."
    )
    parser.add_argument("policy", type=Path, help="ONNX file")
    parser.add_argument(
        "--denoiser",
        type=Path,
        metavar="FILE",
        help="ONNX file of a denoising network that takes outputs of the policy",
    )
    parser.add_argument("--mapping", type=Path, help="mapping file (YAML)")
    parser.add_argument("--out", type=Path, help="folder for the bundle")
    parser.add_argument("--name", help="name of the model (default: name of the folder)")
    parser.add_argument("--version", type=int, default=1, help="version of the model (default: 1)")
    parser.add_argument(
        "--robot",
        help="description of the robot, a name in config/robots/ or a file: joints and cameras of "
        "a first mapping, or of a check",
    )
    parser.add_argument(
        "--describe",
        action="store_true",
        help="print the inputs and outputs, and write a first mapping to the file of --mapping",
    )
    parser.add_argument(
        "--force", action="store_true", help="with --describe: overwrite an existing mapping"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Describe or import a policy.

    Raises:
        ConfigError: If the mapping does not fit the graph or the robot.
        BundleError: If the graph cannot be loaded, or the bundle differs from it.
    """
    robot = read_robot(arguments.robot) if arguments.robot else None
    if arguments.describe:
        return describe(arguments, robot)
    if arguments.mapping is None or arguments.out is None:
        raise ConfigError(
            "expected --mapping and --out: write a first mapping with --describe --mapping FILE"
        )
    check_new_folder(arguments.out, MANIFEST)
    mapping = read_mapping(arguments.mapping)
    if robot is not None:
        require_robot(mapping, robot)
    graph = ForeignGraph(arguments.policy, arguments.denoiser)
    name = arguments.name or arguments.out.name
    info = ModelInfo(name, arguments.version, command(arguments))
    report = import_policy(graph, mapping, arguments.out, info)
    print_report(arguments.out, mapping, report)
    return 0


def describe(arguments: argparse.Namespace, robot: RobotDescription | None) -> int:
    """Print the inputs and outputs of a graph, and write a first mapping."""
    graph = ForeignGraph(arguments.policy, arguments.denoiser)
    producer = " ".join(filter(None, (graph.model.producer_name, graph.model.producer_version)))
    print(f"{arguments.policy}: {graph.num_nodes} nodes, opset {graph.opset}, by {producer or '?'}")
    show("inputs", [(name, str(spec)) for name, spec in graph.inputs.items()] or [("none",)])
    show("outputs", [(name, str(spec)) for name, spec in graph.outputs.items()])
    if arguments.mapping is None:
        print("\nadd --mapping FILE to write a first mapping")
        return 0
    check_file(arguments.mapping, "--mapping")
    if arguments.mapping.exists() and not arguments.force:
        raise ConfigError(f"{arguments.mapping} exists: give another file, or add --force")
    joints, cameras = ((), ()) if robot is None else (robot.joints, tuple(robot.cameras))
    write_text(arguments.mapping, draft_mapping(graph, joints, cameras))
    print(f"\nwrote {arguments.mapping}; edit what is marked by `check:`")
    return 0


def command(arguments: argparse.Namespace) -> str:
    """Return the command line that imports the policy again."""
    words = ["dbp", "import", arguments.policy.name, "--mapping", arguments.mapping.name]
    words += ["--denoiser", arguments.denoiser.name] if arguments.denoiser else []
    words += ["--out", f"models/{arguments.out.name}", "--version", arguments.version]
    words += ["--name", arguments.name] if arguments.name else []
    return shlex.join(map(str, words))


def require_robot(mapping: PolicyMapping, robot: RobotDescription) -> None:
    """Raise `ConfigError` unless a mapping has the joints of a robot, and only its cameras."""
    cameras = [image.camera for image in mapping.images.values()]
    missing = sorted(set(robot.joints) - set(mapping.joints))
    unknown = sorted({*mapping.joints, *cameras} - {*robot.joints, *robot.cameras})
    if missing or unknown:
        raise ConfigError(
            f"robot {robot.name} has the joints {', '.join(robot.joints)} and the cameras "
            f"{', '.join(robot.cameras) or 'none'}: the mapping lacks "
            f"{', '.join(missing) or 'none'} and has {', '.join(unknown) or 'none'} in addition: "
            "correct the mapping"
        )


def print_report(out: Path, mapping: PolicyMapping, report: ImportReport) -> None:
    """Print where each image is processed, and the difference from the original graph."""
    for name, image in mapping.images.items():
        part = "once for each image" if name in report.encoded else "with every decision"
        print(f"{name} ({image.camera}): the network of this image runs {part}")
    print(
        f"{out}: {report.cases} observations agree with the original graph within "
        f"{report.difference:.1e}; next: dbp inspect {out}"
    )
