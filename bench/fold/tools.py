"""What a part of the benchmark is given."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Tools:
    """The peers' Python, our program, and folders: the downloads, the logs, and what is removed at the end."""

    python: Path
    program: Path
    cache: Path
    logs: Path
    scratch: Path


@contextlib.contextmanager
def workshop(python: Path, program: Path, cache: Path) -> Iterator[Tools]:
    logs = cache / "bench-fold"
    logs.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tapewire-fold-") as scratch:
        yield Tools(python, program, cache, logs, Path(scratch))
