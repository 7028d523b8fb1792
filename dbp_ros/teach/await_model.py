"""Start of a policy with its first model: waits for the bundle, then becomes the policy.

The process replaces itself with the command, so a supervisor sees one process throughout.
"""

import os
import sys
import time
from pathlib import Path

from dbp_ros.bundle.manifest import MANIFEST

MODULE = "dbp_ros.teach.await_model"
POLL_S = 0.5


def command_of(model: Path, command: list[str]) -> list[str]:
    """Return the command line that runs a command once a bundle exists."""
    return [sys.executable, "-m", MODULE, str(model), *command]


def main() -> None:
    """Wait for the bundle in the first argument, then run the command in the others."""
    manifest, command = Path(sys.argv[1]) / MANIFEST, sys.argv[2:]
    if not manifest.is_file():
        print(f"waiting for the first model in {manifest.parent}", flush=True)
    try:
        while not manifest.is_file():
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        return
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
