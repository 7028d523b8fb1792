"""Deployment of a model: the folder that the policy node watches."""

import shutil
from pathlib import Path

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.files import atomic_folder


def deploy(model: Path, live: Path) -> str:
    """Copy a verified bundle to the folder that the policy watches.

    A running policy tests it in shadow mode and swaps it in. A policy that waits for its first
    model starts with it.

    Args:
        model: Folder of the bundle.
        live: Folder that is replaced.

    Returns:
        A sentence for the user.

    Raises:
        BundleError: If the bundle is missing or damaged.
    """
    manifest = read_bundle(model).manifest
    first = not live.exists()
    with atomic_folder(live) as staging:
        shutil.copytree(model, staging, dirs_exist_ok=True)
    what = f"{manifest.name} version {manifest.version}"
    if first:
        return f"{what} is deployed as the first model: the policy starts with it"
    return f"{what} is deployed: the policy tests it in shadow mode and swaps it in"
