"""ONNX Runtime sessions: execution provider and number of threads."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import onnxruntime as ort

from dbp_ros.errors import BundleError, ConfigError


@dataclass(frozen=True)
class ProviderSpec:
    """Execution provider of ONNX Runtime, with its options.

    Attributes:
        provider: Name of the provider in ONNX Runtime.
        memory: Device of its input buffers: `cpu` or `cuda`.
        options: Options of the provider.
        fallbacks: Providers of unsupported operators, before the CPU provider.
        cache: Folder that it requires, if any.
    """

    provider: str
    memory: str = "cpu"
    options: Mapping[str, str] = field(default_factory=dict)
    fallbacks: tuple[str, ...] = ()
    cache: Path | None = None

    @property
    def providers(self) -> list[str | tuple[str, dict[str, str]]]:
        """Providers to request from a session, best first."""
        return [(self.provider, dict(self.options)), *self.fallbacks]


def engine_cache() -> Path:
    """Return the folder of TensorRT engines, each of which takes minutes to build."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "dbp_ros" / "tensorrt"


PROVIDERS = {
    "cpu": ProviderSpec("CPUExecutionProvider"),
    # An exhaustive search takes seconds for each new image size, in the middle of a run.
    "cuda": ProviderSpec("CUDAExecutionProvider", "cuda", {"cudnn_conv_algo_search": "HEURISTIC"}),
    "tensorrt": ProviderSpec(
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


def provider_spec(name: str) -> ProviderSpec:
    """Return the provider of a setting.

    Raises:
        ConfigError: If it is unknown or not in this build of ONNX Runtime.
    """
    if name not in PROVIDERS:
        raise ConfigError(f"execution_provider is {name!r}, expected one of {', '.join(PROVIDERS)}")
    if PROVIDERS[name].provider not in ort.get_available_providers():
        raise ConfigError(
            f"execution_provider {name!r} is not in this onnxruntime, which has "
            f"{', '.join(ort.get_available_providers())}: install onnxruntime-gpu instead"
        )
    return PROVIDERS[name]


def open_session(path: Path, provider: str, threads: int) -> ort.InferenceSession:
    """Load a graph.

    Args:
        path: The ONNX file.
        provider: `cpu`, `cuda` or `tensorrt`.
        threads: Threads of one inference; they do not spin between inferences.

    Raises:
        ConfigError: If the provider is unknown or not in this build of ONNX Runtime.
        BundleError: If ONNX Runtime cannot load the file.
    """
    spec = provider_spec(provider)
    if spec.cache is not None:
        spec.cache.mkdir(parents=True, exist_ok=True)
    if spec.memory == "cuda" and hasattr(ort, "preload_dlls"):
        # Libraries of CUDA and cuDNN that pip has installed are found only after this.
        ort.preload_dlls()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        session = ort.InferenceSession(str(path), options, providers=spec.providers)
    except Exception as error:
        first_line = str(error).splitlines()[0]
        raise BundleError(f"{path} cannot be loaded ({first_line}): export it again") from error
    # ONNX Runtime drops a GPU provider whose libraries are missing, without an error.
    if spec.provider not in session.get_providers():
        raise ConfigError(
            f"execution_provider {provider!r} cannot run here, onnxruntime fell back to "
            f"{', '.join(session.get_providers())}: check its libraries, or use cpu"
        )
    return session
