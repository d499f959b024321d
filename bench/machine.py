"""What is recorded beside the figures: processor, versions, commit, how busy the machine was."""

import os
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path

from bench.resident import ROOT

# The instructions that decide how fast such a model can be.
FLAGS = ["avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_int8", "amx_bf16"]
BFLOAT16 = {"avx512_bf16", "amx_bf16"}
PACKAGES = ["torch", "transformers", "tokenizers", "numpy", "onnxruntime", "openvino", "nncf", "ctranslate2"]


def flags() -> list[str]:
    """Those of `FLAGS` that the processor has."""
    present = dict(_pairs("/proc/cpuinfo")).get("flags", "").split()
    return [flag for flag in FLAGS if flag in present]


def facts(python: Path) -> dict:
    described = dict(_pairs("/proc/cpuinfo"))
    installed = _said(str(python), "-m", "pip", "freeze") or ""
    listed = dict(line.split("==", 1) for line in installed.splitlines() if "==" in line)
    changes = _said("git", "status", "--porcelain", "--untracked-files=no")
    return {
        "cpu": described.get("model name", platform.processor()),
        "cpu_family": described.get("cpu family"),
        "cpu_model": described.get("model"),
        "flags": flags(),
        "processors": os.cpu_count(),
        "memory_gb": round(int(dict(_pairs("/proc/meminfo"))["MemTotal"].split()[0]) * 1024 / 1e9, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "rustc": _said("rustc", "--version"),
        "packages": {name: listed[name] for name in PACKAGES if name in listed},
        "commit": _said("git", "rev-parse", "HEAD"),
        "engine_commit": _said("git", "log", "-1", "--format=%H", "--", "sentiment"),
        "uncommitted_changes": None if changes is None else bool(changes),
    }


def load_average() -> float:
    """Processes that ran or wanted to, averaged over the last minute."""
    return os.getloadavg()[0]


def _pairs(path: str) -> Iterator[tuple[str, str]]:
    for line in Path(path).read_text().splitlines():
        key, colon, value = line.partition(":")
        if colon:
            yield key.strip(), value.strip()


def _said(*command: str) -> str | None:
    """A command's output; None if there is no such command or it fails, for example outside a repository."""
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
