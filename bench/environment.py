"""What the peers need, made once and kept in the cache: their virtual environment and their models.

Both are named by a hash of what they are made of. A peer that cannot be installed or converted is
named with the reason and left out; the others are measured all the same.
"""

import hashlib
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from bench import texts
from bench.errors import BenchError
from bench.resident import ROOT, variables

BENCH = ROOT / "bench"
REQUIREMENTS = BENCH / "requirements.txt"
CONVERTED = ("onnxruntime", "openvino", "ctranslate2")


def virtual_environment(cache: Path) -> Path:
    """The Python that peers run in."""
    folder = cache / f"bench-env-{digest(REQUIREMENTS)}"
    python, complete = folder / "bin" / "python", folder / "complete"
    if not complete.exists():
        print("bench: installing the peers, about 5 GB on disk (first time only)", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        # All dependencies are listed: PyTorch's own list would also bring a GPU compiler.
        install: list[str | Path] = [python, "-m", "pip", "install", "--quiet", "--require-virtualenv", "--no-deps"]
        if subprocess.run([*install, "-r", REQUIREMENTS]).returncode != 0:
            _install_one_by_one(install)
        complete.touch()
    return python


def environment_of(requirements: Path, cache: Path, name: str, what: str) -> Path:
    """The Python of a smaller benchmark, with all of its `requirements`; `what` names them for the user."""
    folder = cache / f"{name}-env-{digest(requirements)}"
    python, complete = folder / "bin" / "python", folder / "complete"
    if not complete.exists():
        print(f"bench: installing {what} (first time only)", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        install: list[str | Path] = [python, "-m", "pip", "install", "--quiet", "--require-virtualenv", "--no-deps"]
        if subprocess.run([*install, "-r", requirements]).returncode != 0:
            raise BenchError(f"{requirements} cannot be installed; see above")
        complete.touch()
    return python


def pinned(requirements: Path) -> dict[str, str]:
    """The versions in a file of requirements, with or without hashes."""
    words = (line.partition("#")[0].split() for line in requirements.read_text().splitlines())
    return dict(line[0].split("==", 1) for line in words if line and not line[0].startswith("-"))


def _install_one_by_one(install: list[str | Path]) -> None:
    """Installs package by package, so that one that cannot be installed costs only the peers that need it."""
    for line in REQUIREMENTS.read_text().splitlines():
        package = line.partition("#")[0].strip()
        if package and subprocess.run([*install, package]).returncode != 0:
            print(f"bench: {package} cannot be installed; what needs it is left out", file=sys.stderr, flush=True)


def model(cache: Path, python: Path, shape: str, lost: dict[str, str]) -> Path:
    """The folder of the model with every peer's conversion; what failed is noted in `lost` by peer."""
    folder = cache / f"bench-{shape}-{digest(REQUIREMENTS, BENCH / 'model.py', BENCH / 'texts.py')}"
    if not (folder / "complete").exists():
        print(f"bench: making the model {shape}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if reason := _run([python, "-m", "bench.model", "make", shape, folder], folder / "model.log"):
            raise BenchError(f"the model cannot be made: {reason}")
        (folder / "complete").touch()
    for peer in CONVERTED:
        source = BENCH / "peers" / f"{peer}.py"
        complete = folder / f"{peer}-{digest(source)}.complete"
        if complete.exists():
            continue
        print(f"bench: converting the model for {peer}", flush=True)
        if reason := _run([python, "-m", "bench.peers", "convert", peer, folder], folder / f"{peer}.log"):
            lost[peer] = f"conversion failed: {reason}"
        else:
            complete.touch()
    return folder


def reference(python: Path, model: Path, scored: Path) -> Path:
    """The file of PyTorch's logits for the first of these texts."""
    path = model / f"reference-{digest(scored)}.json"
    if not path.exists():
        print("bench: computing the reference logits", flush=True)
        if reason := _run([python, "-m", "bench.model", "reference", model, scored, path], model / "reference.log"):
            raise BenchError(f"no reference logits: {reason}")
    return path


def texts_file(cache: Path, count: int) -> Path:
    """The file of `count` texts."""
    path = cache / f"bench-texts-{count}-{digest(BENCH / 'texts.py')}.jsonl"
    texts.write(path, texts.sample(count))
    return path


def _run(command: list[str | Path], log: Path) -> str | None:
    """Runs a command. Returns the last line of its output if it failed."""
    with log.open("wb") as out:
        code = subprocess.run(command, cwd=ROOT, env=variables(2), stdout=out, stderr=subprocess.STDOUT).returncode
    said = log.read_text(errors="replace").strip().splitlines() or ["it printed nothing"]
    return f"{said[-1]} (log: {log})" if code else None


def digest(*files: Path) -> str:
    """A hash of what the files contain, short enough for a name."""
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]
