"""Runs the test programs of all crates, three at a time: most of their time they wait for servers and for each other.

    python3 scripts/real_parts.py                  all
    python3 scripts/real_parts.py kills feed       those with these names

What a program prints is shown in one piece when it has ended, as `cargo test` would show it. A program that fails does
not stop the others.
"""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from test_programs import Program, build

AT_A_TIME = 3
# These take longest. Begun first, they do not run alone at the end.
FIRST = ["chaos", "kills", "network", "disks", "endings", "provider", "tls", "avro"]
printing = threading.Lock()


def run(program: Program) -> bool:
    variables = os.environ | {"CARGO_MANIFEST_DIR": str(program.folder)}
    started = time.monotonic()
    ended = subprocess.run(
        [program.executable, "--nocapture"],
        cwd=program.folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    passed = ended.returncode == 0
    failure = f"FAILED: exit code {ended.returncode}; cargo test --release --locked --workspace --test {program.name}\n"
    with printing:
        seconds = time.monotonic() - started
        print(f"     Running {program.name} ({program.executable}), {seconds:.0f} s", flush=True)
        sys.stdout.buffer.write(ended.stdout + (b"" if passed else failure.encode()))
        sys.stdout.flush()
    return passed


def main(names: list[str]) -> int:
    programs = sorted(build(names or ["*"]), key=lambda program: (program.name not in FIRST, program.executable.name))
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        passed = list(pool.map(run, programs))
    print(f"{len(programs)} test programs, {passed.count(False)} failed")
    return 0 if programs and all(passed) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
