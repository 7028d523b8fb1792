"""The initial model: the configured one, or the last good one as a fallback."""

from dataclasses import dataclass
from pathlib import Path

from dbp_ros.bundle.bundle import Bundle, read_bundle, sha256_of
from dbp_ros.bundle.manifest import MANIFEST, require_joints
from dbp_ros.errors import BundleError
from dbp_ros.hotswap.blocklist import Blocklist
from dbp_ros.hotswap.model_history import ModelHistory
from dbp_ros.policy.model import Model
from dbp_ros.settings.policy import PolicyConfig


@dataclass(frozen=True)
class InitialModel:
    """A loaded model that passed its self-test.

    Attributes:
        model: The model.
        golden_error: Largest difference from its golden cases, in the unit of the actions.
        refused: Sha256 of the configured bundle's manifest if another model is used; empty if
            there is no such file.
        fallback: Why the configured bundle is not used; empty if it is.
    """

    model: Model
    golden_error: float
    refused: str = ""
    fallback: str = ""


def load_initial_model(
    directory: Path, config: PolicyConfig, blocklist: Blocklist, history: ModelHistory
) -> InitialModel:
    """Load the configured bundle, or the last good one if that cannot be used.

    Args:
        directory: Folder of the configured bundle.
        config: Settings.
        blocklist: Models that are refused.
        history: The last good bundles of this folder.

    Raises:
        BundleError: If neither can be used.
        ConfigError: If the execution provider is not available.
    """
    try:
        bundle = read_bundle(directory)
        blocklist.require_absent(bundle.sha256)
        return InitialModel(*_load_tested(bundle, config))
    except BundleError as error:
        reason = str(error)
        last_good = history.last_good(blocklist)
        if last_good is None:
            raise
    try:
        model, golden_error = _load_tested(last_good, config)
    except BundleError as error:
        raise BundleError(
            f"{reason}; the last good model cannot be used either: {error}"
        ) from error
    return InitialModel(model, golden_error, _sha256_of_manifest(directory), reason)


def _load_tested(bundle: Bundle, config: PolicyConfig) -> tuple[Model, float]:
    require_joints(bundle.manifest, config.joints)
    model = Model(bundle, config.execution_provider, config.intra_op_threads)
    return model, model.self_test()


def _sha256_of_manifest(directory: Path) -> str:
    try:
        return sha256_of(directory / MANIFEST)
    except OSError:
        return ""
