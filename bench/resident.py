"""An engine in a process of its own, which stays loaded and answers one line at a time.

After loading and warming up it prints a line of JSON, an object with `"ready": true`. Then each line
it reads is answered by one of JSON:

`run 0 3` scores every third text from the first on, tokenization included: {"texts", "tokens", "wall_s", "cpu_s"}
`logits`  a list for each of the first CHECKED texts, in the model's order of labels

Everything else it prints goes to stderr. It ends when its input ends.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from bench.errors import BenchError

ROOT = Path(__file__).resolve().parent.parent
CHECKED = 128
TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE_SECONDS = 10


def variables(threads: int) -> dict[str, str]:
    """The environment of an engine: this many threads in every library, none of which spins while it waits."""
    limits = dict.fromkeys(
        ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"), str(threads)
    )
    quiet = {
        "KMP_BLOCKTIME": "1",
        "TOKENIZERS_PARALLELISM": str(threads > 1).lower(),
        "HF_HUB_OFFLINE": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    return os.environ | limits | quiet


def cpu_seconds(process: int) -> float:
    """Processor time of all threads of a process so far, to 0.01 s."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Resident:
    """An engine in a process of its own. `ready` is the object that it printed once it was loaded."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], log: Path):
        self.name = name
        self._log = log
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        assert self._process.stdin is not None and self._process.stdout is not None, "both are pipes"
        self._questions, self._answers = self._process.stdin, self._process.stdout
        try:
            self.ready = self._answer()
        except BaseException:
            self.stop()
            raise

    def ask(self, question: str) -> Any:
        """The JSON that the engine answers; see the protocol above."""
        try:
            print(question, file=self._questions, flush=True)
        except BrokenPipeError:
            raise self._ended() from None
        return self._answer()

    def cpu_seconds(self) -> float:
        """Processor time of all its threads so far, to 0.01 s."""
        return cpu_seconds(self._process.pid)

    def memory_bytes(self) -> int:
        """Resident memory now; 0 once it has ended."""
        status = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return next((int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS:")), 0)

    def stop(self) -> None:
        try:
            self._questions.close()
            self._process.wait(PATIENCE_SECONDS)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        self._answers.close()

    def _answer(self) -> Any:
        line = self._answers.readline()
        if not line:
            raise self._ended()
        try:
            return json.loads(line)
        except ValueError:
            raise BenchError(f"{self.name} answered {line[:80]!r} instead of JSON; its log: {self._log}") from None

    def _ended(self) -> BenchError:
        said = self._log.read_text(errors="replace").strip().splitlines()
        return BenchError(f"{self.name} ended: {said[-1] if said else 'it printed nothing'} (log: {self._log})")
