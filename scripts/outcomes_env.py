"""Makes the Python environment of the independent outcome computation, once for each lock.

It stands in the cache outside the tree; `TAPEWIRE_OUTCOMES` is a link to it for the tests.
"""

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "cli" / "tests" / "outcomes" / "requirements.txt"


def main() -> None:
    cache = Path(os.environ.get("TAPEWIRE_CACHE") or Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tapewire")
    folder = cache / f"outcomes-env-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]}"
    complete = folder / "complete"
    if not complete.exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([folder / "bin" / "pip", "install", "--quiet", "--require-virtualenv", "-r", LOCK], check=True)
        complete.touch()
    link = Path(os.environ["TAPEWIRE_OUTCOMES"])
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(folder)
    print(f"outcomes environment: {folder}")


if __name__ == "__main__":
    sys.exit(main())
