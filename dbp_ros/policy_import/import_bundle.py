"""Import of a foreign graph as a model bundle, verified against the original graph."""

from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import onnx

from dbp_ros import __version__
from dbp_ros.bundle.bundle import read_bundle, sha256_of
from dbp_ros.bundle.golden import write_golden
from dbp_ros.bundle.manifest import (
    ENCODING,
    FORMAT,
    GOLDEN_FILE,
    HEAD_FILE,
    JOINT_POSITION,
    ActionSpec,
    CameraSpec,
    GoldenSpec,
    HistorySpec,
    Manifest,
    write_manifest,
)
from dbp_ros.errors import ConfigError
from dbp_ros.files import atomic_folder
from dbp_ros.policy.model import Model
from dbp_ros.policy_import.comparison import compare, compare_calls
from dbp_ros.policy_import.denoising_graph import DenoisingGraph
from dbp_ros.policy_import.encoder_graph import encoder_model
from dbp_ros.policy_import.foreign_graph import ForeignGraph, nodes_of, serialized
from dbp_ros.policy_import.graph_split import ImageBranch, image_branch
from dbp_ros.policy_import.head_graph import feature_size, head_model
from dbp_ros.policy_import.mapping_file import write_mapping
from dbp_ros.policy_import.observations import golden_cases, other_sizes
from dbp_ros.policy_import.plan import ImportPlan, plan_import
from dbp_ros.policy_import.recurrent_state import recurrent_spec
from dbp_ros.policy_import.reference_policy import ReferencePolicy
from dbp_ros.policy_import.static_graph import POLICY, static_graph
from dbp_ros.settings.policy_mapping import PolicyMapping

MAPPING_FILE = "mapping.yaml"
LAYERS = {"Conv", "Gemm", "MatMul"}
SLOWEST_HZ, FASTEST_HZ = 1.0, 1000.0


@dataclass(frozen=True)
class ModelInfo:
    """Name and provenance of a bundle.

    Attributes:
        name: Name of the model.
        version: Version of the model.
        command: Command line that imports it; empty if there is none.
    """

    name: str
    version: int = 1
    command: str = ""


@dataclass(frozen=True)
class ImportReport:
    """Result of an import.

    Attributes:
        difference: Largest difference from the original graph [rad, m].
        cases: Number of observations compared.
        encoded: Inputs of images whose encoder contains a part of the policy.
    """

    difference: float
    cases: int
    encoded: tuple[str, ...]


def import_policy(
    graph: ForeignGraph,
    mapping: PolicyMapping,
    directory: Path,
    info: ModelInfo,
) -> ImportReport:
    """Write a model bundle of a foreign graph atomically.

    Args:
        graph: The policy.
        mapping: Its inputs and outputs.
        directory: Folder of the bundle; an older bundle there is replaced.
        info: Name and provenance of the bundle.

    Raises:
        ConfigError: If the mapping does not fit the graph.
        BundleError: If the graph does not run, or an action of the bundle differs from the
            original; nothing is written.
    """
    if mapping.denoiser:
        graph = DenoisingGraph(graph, mapping.denoiser)
    plan = plan_import(graph, mapping)
    reference = ReferencePolicy(graph, plan)
    model = static_graph(graph, plan)
    branches = {image: _branch(model, plan, image) for image in mapping.images}
    with atomic_folder(directory) as staging:
        encoders = {i: encoder_model(model, plan, i, branch) for i, branch in branches.items()}
        for image, encoder in encoders.items():
            _save(encoder, staging / encoder_file(mapping.images[image].camera))
        _save(head_model(model, plan, branches), staging / HEAD_FILE)
        write_mapping(staging / MAPPING_FILE, mapping)
        golden = golden_cases(plan, reference)
        write_golden(staging / GOLDEN_FILE, golden)
        manifest = _manifest(graph, plan, branches, staging, info)
        write_manifest(staging, manifest)
        imported = Model(read_bundle(staging))
        difference, cases = compare(imported, golden, *other_sizes(plan, reference))
        if mapping.recurrent:
            difference = max(difference, compare_calls(imported, reference, golden))
        encoded = tuple(image for image, encoder in encoders.items() if _has_layers(encoder))
        report = ImportReport(difference, cases, encoded)
        metrics = {"import_difference": float(f"{report.difference:.3g}")}
        write_manifest(staging, replace(manifest, metrics=metrics))
    return report


def encoder_file(camera: str) -> str:
    """Return the file name of the encoder of a camera."""
    return f"encoder_{camera}.onnx"


def _branch(model: onnx.ModelProto, plan: ImportPlan, image: str) -> ImageBranch | None:
    """Return the part of the policy that runs once for each image, without a history of them."""
    return image_branch(model, f"{POLICY}{image}") if plan.windows[image] == 1 else None


def _has_layers(model: onnx.ModelProto) -> bool:
    """Return whether a graph has a layer with weights."""
    return any(node.op_type in LAYERS for node in nodes_of(model.graph))


def _save(model: onnx.ModelProto, path: Path) -> None:
    path.write_bytes(serialized(Path(path.name), model))


def _manifest(
    graph: ForeignGraph,
    plan: ImportPlan,
    branches: dict[str, ImageBranch | None],
    directory: Path,
    info: ModelInfo,
) -> Manifest:
    mapping = plan.mapping
    cameras = []
    for name, branch in branches.items():
        camera, (height, width) = mapping.images[name].camera, plan.camera_size(name)
        size = feature_size(plan, name, branch)
        cameras.append(CameraSpec(camera, height, width, ENCODING, size, encoder_file(camera)))
    return Manifest(
        format=FORMAT,
        name=info.name,
        version=info.version,
        joints=mapping.joints,
        states=mapping.joints,
        action=ActionSpec(JOINT_POSITION, plan.horizon, mapping.step_s, plan.latent_size),
        history=HistorySpec(plan.history, plan.observation_step_s),
        cameras=tuple(cameras),
        clouds=(),
        head=HEAD_FILE,
        control_rate_hz=decision_rate_hz(mapping),
        proof=GoldenSpec(GOLDEN_FILE, mapping.tolerance),
        files={path.name: sha256_of(path) for path in sorted(directory.iterdir())},
        recurrent=recurrent_spec(plan),
        made_by={
            "commands": [info.command] if info.command else [],
            "method": "import",
            "source": {
                "files": {path.name: sha256_of(path) for path in graph.files},
                "opset": graph.opset,
            },
            "mapping": MAPPING_FILE,
            "versions": {"dbp_ros": __version__, "onnx": version("onnx")},
        },
    )


def decision_rate_hz(mapping: PolicyMapping) -> float:
    """Return the decisions per second of a policy that executes `n_action_steps` of each chunk.

    Raises:
        ConfigError: If a bundle cannot have this rate.
    """
    rate_hz = 1 / (mapping.n_action_steps * mapping.step_s)
    if not SLOWEST_HZ <= rate_hz <= FASTEST_HZ:
        most = int(1 / (SLOWEST_HZ * mapping.step_s))
        is_slow = rate_hz < SLOWEST_HZ and most > 0
        cure = f"execute at most {most} points" if is_slow else "correct step_s"
        raise ConfigError(
            f"n_action_steps {mapping.n_action_steps} of step_s {mapping.step_s:g} are "
            f"{rate_hz:.3g} decisions per second, expected from {SLOWEST_HZ:g} to {FASTEST_HZ:g}: "
            f"{cure}"
        )
    return float(f"{rate_hz:.6g}")
