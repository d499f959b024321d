"""Virtual environments of locked packages, made once for each lock file and kept in the download cache."""

import fcntl
import hashlib
import os
import subprocess
import venv
from pathlib import Path


def virtual_environment(name: str, lock: Path) -> Path:
    """The folder of the environment `name` with the packages of `lock`, whose hashes pip checks."""
    user_cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cache = Path(os.environ.get("TAPEWIRE_CACHE") or user_cache / "tapewire")
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"{name}-env-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    complete = folder / "complete"
    with (cache / f"{name}-env.lock").open("w") as one_at_a_time:
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        if not complete.exists():
            venv.create(folder, with_pip=True, clear=True)
            install: list[str | Path] = [
                folder / "bin" / "pip",
                "install",
                "--quiet",
                "--require-virtualenv",
                "--require-hashes",
            ]
            subprocess.run([*install, "-r", lock], check=True)
            complete.touch()
    return folder
