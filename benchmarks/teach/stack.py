"""Supervisor of the processes in a JSON file, as a process."""

import json
import os
import sys
from pathlib import Path

from dbp_ros.runtime.supervisor import Supervisor
from dbp_ros.stack.processes import ESSENTIAL

if __name__ == "__main__":
    commands = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    sys.exit(Supervisor(commands, os.environ, ESSENTIAL).run())
