"""A tiny bundle of real graphs whose outputs can be computed by hand.

The action is a gain times `newest positions + ramp + 0.01 latent + 0.001 mean of the features`.
A stochastic head adds `exp(log_std) noise` to the latent's part, which is its normalised action.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from dbp_ros.bundle.bundle import sha256_of
from dbp_ros.bundle.manifest import (
    ENCODING,
    FORMAT,
    JOINT_POSITION,
    ActionSpec,
    CameraSpec,
    GoldenSpec,
    HistorySpec,
    Manifest,
    write_manifest,
)

JOINTS = ("left_elbow_joint", "left_gripper_joint", "right_elbow_joint")
CAMERAS = ("head_camera", "left_wrist_camera")
FEATURES = 3
FILES = ("encoder.onnx", "head.onnx", "proof.npz")
LATENT_GAIN, FEATURE_GAIN = 0.01, 0.001
NO_RAMP = np.zeros((4, 1))


def write_graph(path, nodes, inputs, outputs, **constants):
    graph = helper.make_graph(
        nodes,
        path.stem,
        [helper.make_tensor_value_info(*spec) for spec in inputs],
        [helper.make_tensor_value_info(*spec) for spec in outputs],
        [numpy_helper.from_array(np.array(v), name) for name, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, path)


def write_encoder(path: Path, size: tuple[int | str, int | str]) -> None:
    """Write an encoder: the features are the mean of each channel."""
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels", "rows_and_columns"], ["mean"], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "batch"], ["features"]),
    ]
    write_graph(
        path,
        nodes,
        [("image", TensorProto.UINT8, (*size, 3))],
        [("features", TensorProto.FLOAT, (1, FEATURES))],
        rows_and_columns=[0, 1],
        batch=[0],
    )


def write_head(
    path: Path,
    cameras: Sequence[str],
    nu: int,
    history: int,
    gain: float,
    ramp: np.ndarray,
    nan_above: float,
    log_std: float | None,
    work: int,
) -> None:
    """Write a head of the formula above, which returns NaN for large features.

    `work` is the size of two square matrices whose product is discarded.
    """
    shape = (1, len(ramp), nu)
    seen = [f"features.{camera}" for camera in cameras]
    nodes = [
        helper.make_node("Gather", ["positions", "newest"], ["last_position"], axis=1),
        helper.make_node("Mul", ["latent", "latent_gain"], ["mean_chunk"]),
        *(
            [helper.make_node("Identity", ["mean_chunk"], ["normalised"])]
            if log_std is None
            else [
                helper.make_node("Identity", ["log_std_chunk"], ["log_std"]),
                helper.make_node("Exp", ["log_std_chunk"], ["std"]),
                helper.make_node("Mul", ["noise", "std"], ["deviation"]),
                helper.make_node("Add", ["mean_chunk", "deviation"], ["normalised"]),
            ]
        ),
        helper.make_node("Concat", seen, ["features"], axis=1),
        helper.make_node("ReduceMean", ["features", "all_but_batch"], ["mean"], keepdims=1),
        helper.make_node("Mul", ["mean", "feature_gain"], ["image_offset"]),
        *(
            [
                helper.make_node("Expand", ["mean", "square"], ["wide"]),
                helper.make_node("MatMul", ["wide", "wide"], ["product"]),
                helper.make_node("ReduceMean", ["product"], ["large"], keepdims=1),
                helper.make_node("Mul", ["large", "zero"], ["idle"]),
            ]
            if work
            else [helper.make_node("Identity", ["zero"], ["idle"])]
        ),
        helper.make_node(
            "Sum", ["last_position", "ramp", "normalised", "image_offset", "idle"], ["sum"]
        ),
        helper.make_node("Mul", ["sum", "gain"], ["chunk"]),
        helper.make_node("Greater", ["mean", "nan_above"], ["too_bright"]),
        helper.make_node("Where", ["too_bright", "nan", "chunk"], ["action"]),
    ]
    write_graph(
        path,
        nodes,
        [
            ("positions", TensorProto.FLOAT, (1, history, nu)),
            *((name, TensorProto.FLOAT, (1, history, FEATURES)) for name in seen),
            ("latent", TensorProto.FLOAT, shape),
            *([] if log_std is None else [("noise", TensorProto.FLOAT, shape)]),
        ],
        [
            (name, TensorProto.FLOAT, shape)
            for name in ("action", *([] if log_std is None else ["normalised", "log_std"]))
        ],
        newest=[history - 1],
        all_but_batch=[1, 2],
        ramp=np.broadcast_to(ramp, (len(ramp), nu)).astype(np.float32)[None],
        latent_gain=np.float32(LATENT_GAIN),
        feature_gain=np.float32(FEATURE_GAIN),
        gain=np.float32(gain),
        log_std_chunk=np.full(shape, log_std or 0.0, np.float32),
        square=[1, work, work],
        zero=np.float32(0.0),
        nan_above=np.float32(nan_above),
        nan=np.float32(np.nan),
    )


def write_golden_cases(
    path: Path, cameras: Sequence[str], nu: int, history: int, ramp: np.ndarray
) -> None:
    """Write three golden cases with the outputs of the formula for a gain of one."""
    rng = np.random.default_rng(0)
    images = {name: rng.integers(0, 256, (3, history, 8, 12, 3), np.uint8) for name in cameras}
    positions = rng.standard_normal((3, history, nu)).astype(np.float32)
    latent = rng.standard_normal((3, len(ramp), nu)).astype(np.float32)
    image_offset = np.mean([seen.mean(axis=(1, 2, 3, 4)) for seen in images.values()], axis=0)
    action = (
        positions[:, -1:] + ramp + LATENT_GAIN * latent + FEATURE_GAIN * image_offset[:, None, None]
    )
    np.savez(
        path,
        positions=positions,
        latent=latent,
        action=action.astype(np.float32),
        **{f"image.{name}": seen for name, seen in images.items()},
    )


def write_toy_bundle(
    directory: Path,
    *,
    graph_joints: Sequence[str] = JOINTS,
    graph_cameras: Sequence[str] = CAMERAS,
    history: int = 1,
    size: tuple[int | str, int | str] = ("height", "width"),
    gain: float = 1.0,
    ramp: np.ndarray = NO_RAMP,
    step_s: float = 0.02,
    log_std: float | None = None,
    nan_above: float = np.inf,
    work: int = 0,
    **changes,
) -> Path:
    """Write a bundle and return its folder; `changes` replace values of the manifest."""
    directory.mkdir(parents=True, exist_ok=True)
    write_encoder(directory / "encoder.onnx", size)
    nu = len(graph_joints)
    head = directory / "head.onnx"
    write_head(head, graph_cameras, nu, history, gain, ramp, nan_above, log_std, work)
    write_golden_cases(directory / "proof.npz", graph_cameras, nu, history, ramp)
    values = {
        "format": FORMAT,
        "name": "toy",
        "version": 1,
        "joints": tuple(graph_joints),
        "states": tuple(graph_joints),
        "action": ActionSpec(JOINT_POSITION, len(ramp), step_s),
        "history": HistorySpec(history, 0.1),
        "cameras": tuple(
            CameraSpec(name, 8, 12, ENCODING, FEATURES, "encoder.onnx") for name in graph_cameras
        ),
        "clouds": (),
        "head": "head.onnx",
        "control_rate_hz": 125.0,
        "proof": GoldenSpec("proof.npz", 1e-4),
        "files": {name: sha256_of(directory / name) for name in FILES},
        "stochastic": log_std is not None,
    }
    write_manifest(directory, Manifest(**{**values, **changes}))
    return directory
