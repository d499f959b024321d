"""Makes the Python environment of the independent outcome computation.

It is kept in the download cache; `TAPEWIRE_OUTCOMES` names the link to it that the tests use.
"""

import os
from pathlib import Path

from python_env import virtual_environment

LOCK = Path(__file__).resolve().parent.parent / "cli" / "tests" / "outcomes" / "requirements.lock"


def main() -> None:
    folder = virtual_environment("outcomes", LOCK)
    link = Path(os.environ["TAPEWIRE_OUTCOMES"])
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(folder)
    print(f"outcomes environment: {folder}")


if __name__ == "__main__":
    main()
