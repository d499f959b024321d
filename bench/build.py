"""Our side of a benchmark: an example of the workspace, built in release mode."""

import json
import subprocess
from pathlib import Path

from bench.errors import BenchError
from bench.resident import ROOT


def example(name: str) -> Path:
    """The program of an example, built first. What cargo says of it goes to stderr."""
    print(f"bench: building the example {name}", flush=True)
    # The whole workspace, so that what `make test` compiled is used here too.
    command = ["cargo", "build", "--release", "--locked", "--workspace", "--example", name]
    built = subprocess.run(
        [*command, "--message-format=json-render-diagnostics"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    if built.returncode != 0:
        raise BenchError(f"the example {name} does not build; see above, or run `{' '.join(command)}`")
    artifacts = [json.loads(line) for line in built.stdout.splitlines()]
    return Path(next(one["executable"] for one in artifacts if one.get("target", {}).get("name") == name))
