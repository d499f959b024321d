"""What Superset needs beside this repository, made once and kept in the cache.

Two things, named by a hash of what they are made of: a virtual environment with the exact
packages of requirements.lock, and a template of Superset's own database.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stack.errors import StackError

DASHBOARDS = Path(__file__).resolve().parent.parent
LOCK = DASHBOARDS / "requirements.lock"
UV_LOCK = DASHBOARDS / "requirements-uv.lock"
METADATA = DASHBOARDS / "server" / "metadata.py"
# The versions for which Superset 6.1's numpy and pandas have wheels.
PYTHONS = ("3.11", "3.12")


def virtual_environment(cache: Path) -> Path:
    """Python of the environment that Superset runs in; built when it is not there."""
    folder = cache / f"superset-venv-{_digest(LOCK, UV_LOCK)}"
    python, done = folder / "bin" / "python", folder / ".complete"
    with _one_builder(cache, done):
        if not done.exists():
            interpreter = _interpreter()
            print("superset: installing its packages, some 850 MB (first time only)", file=sys.stderr, flush=True)
            # A half-built environment is not trusted; its packages are in uv's cache already.
            shutil.rmtree(folder, ignore_errors=True)
            _run([interpreter, "-m", "venv", str(folder)], "making a virtual environment")
            _run([str(python), "-m", "pip", "install", "--require-hashes", "-r", str(UV_LOCK)], "installing uv")
            _run(
                [
                    str(folder / "bin" / "uv"),
                    "pip",
                    "install",
                    "--python",
                    str(python),
                    "--require-hashes",
                    "-r",
                    str(LOCK),
                ],
                "installing Superset",
            )
            done.touch()
    return python


def metadata_template(cache: Path, python: Path) -> Path:
    """A Superset database with schema and roles, without accounts and dashboards."""
    template = cache / f"superset-metadata-{_digest(LOCK, METADATA)}.db"
    with _one_builder(cache, template):
        if not template.exists():
            print("superset: preparing its database, up to a minute (first time only)", file=sys.stderr, flush=True)
            unfinished = cache / "superset-metadata.part"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            _run([str(python), "-E", "-s", str(METADATA), str(unfinished)], "preparing Superset's database")
            (unfinished / "metadata.db").replace(template)
            shutil.rmtree(unfinished)
    return template


def _interpreter() -> str:
    """A Python that Superset runs on and that can make virtual environments."""
    wanted = os.environ.get("TAPEWIRE_SUPERSET_PYTHON")
    for candidate in [wanted] if wanted else [sys.executable, *(f"python{version}" for version in PYTHONS)]:
        path = shutil.which(candidate)
        if path and _answer(path, "import sys; print('%d.%d' % sys.version_info[:2])") in PYTHONS:
            break
    else:
        here = f"TAPEWIRE_SUPERSET_PYTHON={wanted}" if wanted else f"{sys.executable}"
        raise StackError(
            f"superset: needs Python {' or '.join(PYTHONS)}, which {here} is not; "
            "install one (`uv python install 3.12`) and name it in TAPEWIRE_SUPERSET_PYTHON"
        )
    if _answer(path, "import ensurepip, venv; print('both')") != "both":
        raise StackError(f"superset: {path} cannot make virtual environments; `apt-get install python3-venv`")
    return path


def _answer(python: str, program: str) -> str:
    return subprocess.run([python, "-c", program], capture_output=True, text=True).stdout.strip()


def _run(command: list[str], doing: str) -> None:
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode != 0:
        said = [line.strip() for line in result.stdout.splitlines() if line.strip()]
        raise StackError(
            f"superset: {doing} failed: {' / '.join(said[-3:])[:600]}; "
            "if the package index was not reachable, run the same command again"
        )


@contextmanager
def _one_builder(cache: Path, target: Path) -> Iterator[None]:
    """Keeps a second command from building the same; does nothing when all is built."""
    if target.exists():
        yield
        return
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "superset.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _digest(*files: Path) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
