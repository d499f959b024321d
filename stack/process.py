"""Detached server processes and what /proc tells about them.

A server is remembered by its process id together with its start time and the boot it
belongs to, so that another process with the same id is never taken for the server.
"""

import json
import os
import signal
import socket
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from stack.errors import StackError
from stack.settings import HOST

POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Record:
    """One started server: `start_ticks` are clock ticks from boot to its start."""

    pid: int
    start_ticks: int
    boot_id: str
    ports: dict[str, int]

    @property
    def alive(self) -> bool:
        return self.boot_id == _boot_id() and self.start_ticks == _start_ticks(self.pid)

    def save(self, path: Path) -> None:
        partial = path.with_suffix(".part")
        partial.write_text(json.dumps(asdict(self)))
        partial.replace(path)


def load_record(path: Path) -> Record | None:
    """The recorded server, running or not; None when there is no readable record."""
    try:
        return Record(**json.loads(path.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def spawn(command: list[str], folder: Path, output: Path, ports: dict[str, int]) -> Record:
    """Starts `command` detached from this terminal; its stdout and stderr go to `output`."""
    with output.open("wb") as sink:
        child = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    # It outlives this command on purpose; without this, Popen warns about that.
    child.returncode = 0
    return Record(child.pid, _start_ticks(child.pid) or 0, _boot_id(), ports)


def send(record: Record, number: signal.Signals, timeout: float) -> bool:
    """Signals the server and waits; True once it has gone."""
    try:
        if record.alive:
            os.kill(record.pid, number)
    except ProcessLookupError:
        pass
    deadline = time.monotonic() + timeout
    while record.alive:
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def require_free_port(service: str, port: int, variable: str) -> None:
    """Raises unless a server can listen on the loopback `port`, naming who has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            owner = port_owner(port)
            taken_by = f"taken by {describe(owner)}" if owner else f"not usable ({error.strerror})"
            raise StackError(
                f"{service}: port {port} is {taken_by}; stop that, or set {variable} to another port"
            ) from None


def require_unlocked(service: str, lock: Path) -> None:
    """Raises when a live process holds `lock`.

    Each server locks a file in its data folder through the kernel. Such a lock ends
    with its process, so the file that a killed server leaves behind needs no cleaning.
    """
    holder = lock_holder(lock)
    if holder:
        raise StackError(
            f"{service}: {lock.parent} is in use by {describe(holder)}, of which this stack has no record; "
            f"stop it with `kill {holder}`"
        )


def port_owner(port: int) -> int | None:
    """Process id that has the local TCP `port`, listening or not, as far as this user may see it."""
    sockets = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, rows):
            if int(fields[1].rsplit(":", 1)[1], 16) == port:
                sockets.add(f"socket:[{fields[9]}]")
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(link.readlink()) in sockets:
                return int(link.parts[2])
        except OSError:
            continue
    return None


def lock_holder(path: Path) -> int | None:
    """Process id that holds a POSIX or BSD lock on `path`."""
    try:
        file = path.stat()
        rows = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return None
    inode = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
    for fields in map(str.split, rows):
        # 1: POSIX ADVISORY WRITE 4242 fe:00:131 0 EOF   (a waiter has "->" as second field)
        if fields[1] != "->" and fields[5] == inode and int(fields[4]) > 0:
            return int(fields[4])
    return None


def describe(pid: int) -> str:
    """The process and its command, folders left out: they say little and would push the rest out of the line."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        words = []
    command = " ".join(word.rpartition("/")[2] for word in words).strip()
    return f"process {pid} ({command[:80]})" if command else f"process {pid}"


def _start_ticks(pid: int) -> int | None:
    """Start time of a living process; None for one that is gone or only a zombie.

    A killed process is a zombie as soon as its first thread has ended; while others of its threads
    are still ending, it keeps its ports and locks.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # 4242 (java) S 1 ...: the name may hold spaces and parentheses, so count from its end.
    fields = stat[stat.rindex(")") + 2 :].split()
    state, threads, start_ticks = fields[0], int(fields[17]), fields[19]
    return None if state == "X" or (state == "Z" and threads <= 1) else int(start_ticks)


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
