"""Switch of controllers by `ros2 control`, which every installation of ros2_control has."""

import shutil
import subprocess
from collections.abc import Sequence

from dbp_ros.errors import DbpError

TIMEOUT_S = 20.0


def switch_controllers(namespace: str, activate: Sequence[str], deactivate: Sequence[str]) -> None:
    """Activate and deactivate controllers in one cycle; all of them, or none.

    Args:
        namespace: Namespace of the controller manager; empty for none.
        activate: Controllers to activate.
        deactivate: Controllers to deactivate.

    Raises:
        DbpError: If `ros2 control` is not installed, does not respond, or refuses.
    """
    if shutil.which("ros2") is None:
        raise DbpError(
            "ros2 is not on the path: source the installation of ROS 2, and install ros2controlcli"
        )
    manager = "/".join(("", *filter(None, namespace.split("/")), "controller_manager"))
    command = ["ros2", "control", "switch_controllers", "-c", manager, "--strict"]
    command += ["--activate", *activate, "--deactivate", *deactivate]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise DbpError(f"{' '.join(command)} did not end within {TIMEOUT_S:g} s") from None
    output = " ".join((done.stdout + done.stderr).split())
    if done.returncode or "Error" in output:
        raise DbpError(f"{' '.join(command)} failed: {output or f'status {done.returncode}'}")
