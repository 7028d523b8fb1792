"""A loaded ONNX graph: run directly on the CPU, through bound buffers on other devices."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from dbp_ros.policy.onnx_sessions import PROVIDERS, open_session


class OnnxGraph:
    """ONNX graph on the CPU. Thread-safe."""

    def __init__(self, session: ort.InferenceSession) -> None:
        self._session = session

    @property
    def inputs(self) -> Sequence[ort.NodeArg]:
        """Name, type and shape of each input."""
        nodes: Sequence[ort.NodeArg] = self._session.get_inputs()
        return nodes

    @property
    def outputs(self) -> Sequence[ort.NodeArg]:
        """Name, type and shape of each output."""
        nodes: Sequence[ort.NodeArg] = self._session.get_outputs()
        return nodes

    def run(self, outputs: Sequence[str], feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Return the named outputs in order; they never alias an input or one another."""
        values: list[NDArray[Any]] = self._session.run(list(outputs), dict(feeds))
        return values


class BoundGraph(OnnxGraph):
    """ONNX graph on another device, with input buffers there that are reused by every run."""

    def __init__(self, session: ort.InferenceSession, memory: str) -> None:
        """Prepare without buffers.

        Args:
            session: The graph.
            memory: Device of the buffers, such as `cuda`.
        """
        super().__init__(session)
        self._memory = memory
        self._binding = session.io_binding()
        self._buffers: dict[str, ort.OrtValue] = {}
        # The buffers are used by one run at a time.
        self._running = threading.Lock()

    def run(self, outputs: Sequence[str], feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Return the named outputs in order; they never alias an input or one another."""
        with self._running:
            for name, value in feeds.items():
                self._fill(name, np.ascontiguousarray(value))
            self._binding.clear_binding_outputs()
            for name in outputs:
                self._binding.bind_output(name, "cpu")
            self._session.run_with_iobinding(self._binding)
            return [np.array(value) for value in self._binding.copy_outputs_to_cpu()]

    def _fill(self, name: str, value: NDArray[Any]) -> None:
        buffer = self._buffers.get(name)
        if buffer is None or tuple(buffer.shape()) != value.shape:
            kind = value.dtype.type
            buffer = ort.OrtValue.ortvalue_from_shape_and_type(value.shape, kind, self._memory, 0)
            self._buffers[name] = buffer
            self._binding.bind_ortvalue_input(name, buffer)
        buffer.update_inplace(value)


def open_graph(path: Path, provider: str, threads: int) -> OnnxGraph:
    """Load a graph; see `open_session` for arguments and errors."""
    session, memory = open_session(path, provider, threads), PROVIDERS[provider].memory
    return OnnxGraph(session) if memory == "cpu" else BoundGraph(session, memory)
