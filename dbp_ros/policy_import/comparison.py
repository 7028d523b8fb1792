"""Comparison of an imported bundle with the original graph."""

import numpy as np

from dbp_ros.bundle.golden import GoldenCases
from dbp_ros.errors import BundleError
from dbp_ros.policy.model import Model
from dbp_ros.policy_import.foreign_graph import Tensors
from dbp_ros.policy_import.reference_policy import ReferencePolicy
from dbp_ros.types import Floats

# Share of the golden tolerance that the import may use on this machine.
IMPORT_SHARE = 0.1


def compare(model: Model, *observations: GoldenCases) -> tuple[float, int]:
    """Return the largest difference of a bundle from the original graph, and the number of cases.

    Raises:
        BundleError: If it is too large.
    """
    worst, cases = 0.0, 0
    for golden in observations:
        for case in range(len(golden.action)):
            features = model.encode_case(golden, case)
            action = model.predict(golden.positions[case], features, golden.latent[case])
            worst = _larger(worst, action, golden.action[case])
            cases += 1
    _require_close(model, worst)
    return worst, cases


def compare_calls(model: Model, reference: ReferencePolicy, golden: GoldenCases) -> float:
    """Return the largest difference of consecutive calls of a recurrent policy.

    Raises:
        BundleError: If it is too large.
    """
    worst, state = 0.0, model.initial_state
    states: Tensors = {}
    for case in range(len(golden.action)):
        inputs = golden.positions[case], golden.latent[case]
        images = {camera: frames[case] for camera, frames in golden.images.items()}
        expected, states = reference.advance(inputs[0], images, inputs[1], states)
        assert state is not None
        features = model.encode_case(golden, case)
        action, state = model.advance(inputs[0], features, inputs[1], state)
        worst = _larger(worst, action, expected)
    _require_close(model, worst)
    return worst


def _larger(worst: float, action: Floats, expected: Floats) -> float:
    """Return the larger difference; NaN if an action is NaN."""
    return float(np.maximum(worst, np.abs(action - expected).max()))


def _require_close(model: Model, worst: float) -> None:
    largest = IMPORT_SHARE * model.manifest.proof.tolerance
    if not worst <= largest:
        raise BundleError(
            f"the actions of the bundle differ from the original graph by {worst:.2g}, expected at "
            f"most {largest:.2g}: nothing was written; for a policy of low precision set tolerance "
            "in the mapping"
        )
