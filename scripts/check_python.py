"""Checks the project's Python: ruff's rules, ruff's format, mypy's types. Settings are in pyproject.toml.

All checks run, so that one run shows everything there is to fix. `python3 scripts/tools.py ruff check --fix`
and `python3 scripts/tools.py ruff format` fix most of it.
"""

import os
import subprocess
import sys
from pathlib import Path

from tools import tool

ROOT = Path(__file__).resolve().parent.parent
# What is checked together, and where its imports are looked up besides the root. Programs that are started
# by their path import their neighbours by bare names, some of which occur more than once.
TYPED = [
    (["stack", "bench"], []),
    (["scripts"], ["scripts"]),
    (["dashboards/superset.py", "dashboards/local"], ["dashboards"]),
    (["dashboards/dbt.py"], ["scripts"]),
    (["dashboards/server"], ["dashboards/server"]),
    (["dashboards/tests"], ["dashboards", "dashboards/server", "dashboards/tests"]),
    (["models/train"], ["models/train"]),
    (["deploy/tests"], ["scripts", "deploy/tests", "dashboards/tests"]),
    (["cli/tests/outcomes"], []),
    (["joiner/indicators/tests"], []),
]


def main() -> int:
    mypy, ruff = tool("mypy"), tool("ruff")
    passed = [succeeds([ruff, "check", "--output-format", "concise"]), succeeds([ruff, "format", "--check", "--diff"])]
    passed += [succeeds([mypy, *sources], imports) for sources, imports in TYPED]
    return 0 if all(passed) else 1


def succeeds(command: list[str | Path], imports: list[str] | None = None) -> bool:
    """Whether the command ends with success; what it prints is left for the reader."""
    print("$", *command, flush=True)
    found = os.pathsep.join(str(ROOT / folder) for folder in ["", *(imports or [])])
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "MYPYPATH": found}, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
