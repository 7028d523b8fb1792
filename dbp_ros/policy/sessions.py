"""ONNX Runtime sessions: the one place that decides where and with how many threads they run."""

from pathlib import Path

import onnxruntime as ort

from dbp_ros.errors import BundleError, ConfigError

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}


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
    if provider not in PROVIDERS:
        raise ConfigError(
            f"execution_provider is {provider!r}, expected one of {', '.join(PROVIDERS)}"
        )
    if PROVIDERS[provider] not in ort.get_available_providers():
        raise ConfigError(
            f"execution_provider {provider!r} is not in this onnxruntime, which has "
            f"{', '.join(ort.get_available_providers())}: install onnxruntime-gpu instead"
        )
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        session = ort.InferenceSession(str(path), options, providers=[PROVIDERS[provider]])
    except Exception as error:
        first_line = str(error).splitlines()[0]
        raise BundleError(f"{path} cannot be loaded ({first_line}): export it again") from error
    # A GPU provider whose libraries are missing is left out without an error.
    if PROVIDERS[provider] not in session.get_providers():
        raise ConfigError(
            f"execution_provider {provider!r} cannot run here, onnxruntime fell back to "
            f"{', '.join(session.get_providers())}: check its libraries, or use cpu"
        )
    return session
