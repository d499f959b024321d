"""The test programs of all crates, compiled as the test run compiles them."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Program:
    """A compiled test program; it is run in its crate's folder, as cargo does."""

    name: str
    executable: Path
    folder: Path


def build(names: list[str]) -> list[Program]:
    """Compiles the test programs with these names, or all of them (`*`). Errors are cargo's, and end this process."""
    tests = [argument for name in names for argument in ("--test", name)]
    command = ["cargo", "test", "--workspace", "--release", "--locked", *tests, "--no-run", "--message-format=json"]
    built = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if built.returncode != 0:
        sys.exit(built.returncode)
    found = []
    for line in built.stdout.splitlines():
        if not line.startswith("{"):
            continue
        message = json.loads(line)
        if message["reason"] == "compiler-artifact" and message["target"]["kind"] == ["test"] and message["executable"]:
            folder = Path(message["manifest_path"]).parent
            found.append(Program(message["target"]["name"], Path(message["executable"]), folder))
    return found
