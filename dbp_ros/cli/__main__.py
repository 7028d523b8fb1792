"""`python -m dbp_ros.cli`: the `dbp` command without its script."""

import sys

from dbp_ros.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
