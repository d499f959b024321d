"""Checks and tests the alerts of deploy/prometheus/ by Prometheus's own tool, promtool.

    python3 scripts/promtool.py

If promtool is not installed, Debian's package `prometheus` is downloaded, which apt checks by its signature, and
unpacked into the cache. It is not installed: that would start a server.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from stack.settings import from_environment  # noqa: E402

PROMETHEUS = ROOT / "deploy" / "prometheus"
MISSING = "it is not here, and apt could not get Debian's package `prometheus`"
# The secrets that the configuration names are only in the container, so their files are not asked for.
CHECKS = [
    ["check", "config", "--syntax-only", "prometheus.yml"],
    ["check", "rules", "--lint-fatal", "alerts.yml"],
    ["test", "rules", "alerts_test.yml"],
]


def promtool() -> Path | None:
    """Where promtool is, downloaded if need be; `None` where apt is missing or has no such package."""
    if installed := shutil.which("promtool"):
        return Path(installed)
    kept = from_environment().cache / "prometheus"
    program = kept / "usr" / "bin" / "promtool"
    if not program.exists() and shutil.which("apt-get") and shutil.which("dpkg-deb"):
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
            subprocess.run(["apt-get", "download", "-q", "prometheus"], cwd=folder, check=False)
            for package in Path(folder).glob("*.deb"):
                subprocess.run(["dpkg-deb", "-x", package, "whole"], cwd=folder, check=True)
                (Path(folder) / "whole").rename(kept)
    return program if program.exists() else None


def main() -> int:
    program = promtool()
    if program is None:
        print(f"promtool: {MISSING}", file=sys.stderr)
        return 3
    codes = [subprocess.run([program, *check], cwd=PROMETHEUS, check=False).returncode for check in CHECKS]
    return 1 if any(codes) else 0


if __name__ == "__main__":
    sys.exit(main())
