"""ONNX Runtime sessions: the one place that decides where and with how many threads they run."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import onnxruntime as ort

from dbp_ros.errors import BundleError, ConfigError


@dataclass(frozen=True)
class Device:
    """A place where graphs run.

    Attributes:
        provider: What ONNX Runtime calls it.
        memory: Where its inputs live: `cpu` or `cuda`.
        options: Of the provider.
        beside: Providers for what it cannot run, before the CPU.
        cache: Folder that must be there, if any.
    """

    provider: str
    memory: str = "cpu"
    options: Mapping[str, str] = field(default_factory=dict)
    beside: tuple[str, ...] = ()
    cache: Path | None = None

    @property
    def providers(self) -> list[str | tuple[str, dict[str, str]]]:
        """What a session is asked for, best first."""
        return [(self.provider, dict(self.options)), *self.beside]


def engine_cache() -> Path:
    """Return where TensorRT keeps what takes it minutes to build."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "dbp_ros" / "tensorrt"


DEVICES = {
    "cpu": Device("CPUExecutionProvider"),
    # An exhaustive search takes seconds for each new size of a picture, in the middle of a run.
    "cuda": Device("CUDAExecutionProvider", "cuda", {"cudnn_conv_algo_search": "HEURISTIC"}),
    "tensorrt": Device(
        "TensorrtExecutionProvider",
        "cuda",
        {
            "trt_engine_cache_enable": "True",
            "trt_engine_cache_path": str(engine_cache()),
            "trt_timing_cache_enable": "True",
            "trt_timing_cache_path": str(engine_cache()),
        },
        ("CUDAExecutionProvider",),
        engine_cache(),
    ),
}


def device_of(name: str) -> Device:
    """Return a device by the name that a user gives it.

    Raises:
        ConfigError: If it is unknown or not in this build of ONNX Runtime.
    """
    if name not in DEVICES:
        raise ConfigError(f"execution_provider is {name!r}, expected one of {', '.join(DEVICES)}")
    if DEVICES[name].provider not in ort.get_available_providers():
        raise ConfigError(
            f"execution_provider {name!r} is not in this onnxruntime, which has "
            f"{', '.join(ort.get_available_providers())}: install onnxruntime-gpu instead"
        )
    return DEVICES[name]


def open_session(path: Path, provider: str, threads: int) -> ort.InferenceSession:
    """Load a graph.

    Args:
        path: The ONNX file.
        provider: `cpu`, `cuda` or `tensorrt`.
        threads: Threads of one inference; they do not spin between inferences.

    Raises:
        ConfigError: If the provider is unknown or not in this build of ONNX Runtime.
        BundleError: If the file is no graph that ONNX Runtime can load.
    """
    device = device_of(provider)
    if device.cache is not None:
        device.cache.mkdir(parents=True, exist_ok=True)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        session = ort.InferenceSession(str(path), options, providers=device.providers)
    except Exception as error:
        first_line = str(error).splitlines()[0]
        raise BundleError(f"{path} cannot be loaded ({first_line}): export it again") from error
    # A GPU provider whose libraries are missing is left out without an error.
    if device.provider not in session.get_providers():
        raise ConfigError(
            f"execution_provider {provider!r} cannot run here, onnxruntime fell back to "
            f"{', '.join(session.get_providers())}: check its libraries, or use cpu"
        )
    return session
