#!/usr/bin/env python3
"""Tests the dashboards: `python3 dashboards/tests/run.py [TEST...]`.

Needs a running ClickHouse (`python3 -m stack up --service clickhouse`) and, for the page,
Chromium and its driver (`scripts/setup --with-browser`). Makes and drops a database of its own, and starts a
Superset of its own, so that the ones in use are left alone. TAPEWIRE_DASHBOARDS_PICTURE
names a file for a picture of the page.
"""

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent
DASHBOARDS = TESTS.parent
sys.path[1:1] = [str(DASHBOARDS), str(DASHBOARDS.parent)]

import database  # noqa: E402
from local import environment  # noqa: E402

from stack.errors import StackError  # noqa: E402
from stack.settings import from_environment  # noqa: E402


def main(tests: list[str]) -> int:
    try:
        database.write("SELECT 1", database="system")
        python = environment.virtual_environment(from_environment().cache)
    except OSError as error:
        print(
            f"dashboards: ClickHouse at {database.URL}: {error}; `python3 -m stack up --service clickhouse`",
            file=sys.stderr,
        )
        return 3
    except StackError as error:
        print(f"dashboards: {error}", file=sys.stderr)
        return error.exit_code
    path = os.pathsep.join(map(str, (DASHBOARDS / "server", DASHBOARDS, DASHBOARDS.parent)))
    command = [
        str(python),
        "-m",
        "unittest",
        "-v",
        *(tests or ["test_bundle", "test_datasets", "test_browser", "test_page"]),
    ]
    return subprocess.run(command, cwd=TESTS, env=os.environ | {"PYTHONPATH": path}).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
