"""The model that a policy begins with: the configured one, or the last good one in its place."""

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
    """A model that is loaded and gives its proof.

    Attributes:
        model: The model.
        difference: Its largest difference from its proof, in the unit of the actions.
        refused: The sha256 of the configured bundle's manifest where that is not the model's;
            empty where it is, or where there is no such file.
        fallback: Why it is not the configured bundle; empty where it is.
    """

    model: Model
    difference: float
    refused: str = ""
    fallback: str = ""


def load_initial_model(
    directory: Path, config: PolicyConfig, failures: Blocklist, history: ModelHistory
) -> InitialModel:
    """Load the configured bundle, or the last good one where that cannot be used.

    Args:
        directory: Folder of the configured bundle.
        config: Settings.
        failures: Models that are not tried again.
        history: The last good bundles of this folder.

    Raises:
        BundleError: If neither can be used.
        ConfigError: If the provider is not to be had.
    """
    try:
        bundle = read_bundle(directory)
        failures.require_none(bundle.sha256)
        return InitialModel(*_proved(bundle, config))
    except BundleError as error:
        reason = str(error)
        kept = history.last_good(failures)
        if kept is None:
            raise
    try:
        model, difference = _proved(kept, config)
    except BundleError as error:
        raise BundleError(
            f"{reason}; the last good model cannot be used either: {error}"
        ) from error
    return InitialModel(model, difference, _sha256_of_manifest(directory), reason)


def _proved(bundle: Bundle, config: PolicyConfig) -> tuple[Model, float]:
    require_joints(bundle.manifest, config.joints)
    model = Model(bundle, config.execution_provider, config.intra_op_threads)
    return model, model.prove()


def _sha256_of_manifest(directory: Path) -> str:
    try:
        return sha256_of(directory / MANIFEST)
    except OSError:
        return ""
