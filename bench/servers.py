"""Servers of a benchmark's own, on free ports."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.errors import BenchError
from bench.resident import ROOT

PORTS = [
    "TAPEWIRE_KAFKA_PORT",
    "TAPEWIRE_KAFKA_CONTROLLER_PORT",
    "TAPEWIRE_CLICKHOUSE_HTTP_PORT",
    "TAPEWIRE_CLICKHOUSE_TCP_PORT",
]
STACK = [sys.executable, "-m", "stack"]


@contextlib.contextmanager
def servers(folder: Path, services: list[str]) -> Iterator[dict[str, str]]:
    """These services of the stack, and the environment that names them. Their data are removed at the end."""
    ports = {name: str(free_port()) for name in PORTS}
    variables = os.environ | ports | {"TAPEWIRE_STACK_DIR": str(folder / "stack")}
    variables["TAPEWIRE_KAFKA_BROKERS"] = f"127.0.0.1:{ports['TAPEWIRE_KAFKA_PORT']}"
    variables["TAPEWIRE_CLICKHOUSE_URL"] = f"http://127.0.0.1:{ports['TAPEWIRE_CLICKHOUSE_HTTP_PORT']}"
    chosen = [word for service in services for word in ("--service", service)]
    try:
        if subprocess.run([*STACK, "up", *chosen], cwd=ROOT, env=variables).returncode != 0:
            raise BenchError("the servers did not start; see above")
        yield variables
    finally:
        subprocess.run([*STACK, "down", *chosen], cwd=ROOT, env=variables)
        shutil.rmtree(folder / "stack", ignore_errors=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
