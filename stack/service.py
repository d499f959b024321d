"""What all servers of the stack have in common: starting, recognising, waiting, stopping."""

import signal
import time
from abc import ABC, abstractmethod
from pathlib import Path

from stack import process
from stack.errors import USAGE, StackError
from stack.process import Record
from stack.settings import HOST, Settings

START_SECONDS = 120
STOP_SECONDS = 60
# A line of a log that contains one of these may say why a server ended.
ERROR_MARKS = ("Exception", "ERROR", "<Error>")


class Service(ABC):
    """One server of the stack. Ports are keyed by the variable that sets them."""

    name: str
    ports: dict[str, int]
    client_port: str
    """The key in `ports` of the port that clients connect to."""

    def __init__(self, settings: Settings):
        self.settings = settings
        self.folder = settings.folder / self.name
        self.data = self.folder / "data"
        self.log = self.folder / f"{self.name}.log"
        self.output = self.folder / f"{self.name}.out"
        self._record_file = self.folder / "process.json"
        self._log_start = 0

    @property
    def wanted(self) -> bool:
        """Whether the settings want this server."""
        return True

    @property
    @abstractmethod
    def lock(self) -> Path:
        """The file in `data` that the server keeps locked while it runs."""

    @abstractmethod
    def prepare(self) -> list[str]:
        """Fetches what is needed, writes the configuration, returns the command line."""

    @abstractmethod
    def probe(self, port: int) -> None:
        """Returns when the server at `port` does real work, otherwise raises OSError or ValueError."""

    @abstractmethod
    def environment(self) -> dict[str, str]:
        """Variables by which the other programs find this server."""

    @property
    def record(self) -> Record | None:
        return process.load_record(self._record_file)

    @property
    def running(self) -> Record | None:
        record = self.record
        return record if record and record.alive else None

    @property
    def port(self) -> int:
        """Where the running server listens, otherwise where it would."""
        record = self.running
        return (record.ports if record else self.ports)[self.client_port]

    def up(self) -> bool:
        """Starts the server unless it runs; returns once it answers. True if it was started."""
        record = self.running
        started = record is None
        if record is None:
            record = self._start()
        elif record.ports != self.ports:
            has, wants = (" ".join(f"{k}={v}" for k, v in p.items()) for p in (record.ports, self.ports))
            raise StackError(f"{self.name} already runs with {has}, not {wants}: `down` first", USAGE)
        self._wait_until_answering(record)
        return started

    def down(self) -> bool:
        """Lets the server finish its work and end. False if it did not run."""
        record = self.running
        if record is None:
            process.require_unlocked(self.name, self.lock)
        elif not process.send(record, signal.SIGTERM, STOP_SECONDS):
            raise StackError(
                f"{self.name}: process {record.pid} has not stopped within {STOP_SECONDS} s; "
                f"see {self.log}, or end it with `kill {self.name}`"
            )
        self._record_file.unlink(missing_ok=True)
        return record is not None

    def kill(self) -> bool:
        """Ends the server at once, as a crash would. False if it did not run."""
        record = self.running
        if record and not process.send(record, signal.SIGKILL, STOP_SECONDS):
            raise StackError(f"{self.name}: process {record.pid} outlives SIGKILL; it hangs in the kernel, see dmesg")
        return record is not None

    def trouble(self) -> str | None:
        """None when the server answers, otherwise what is wrong."""
        if not self.running:
            return "crashed or killed" if self.record else "down"
        try:
            self.probe(self.port)
        except (OSError, ValueError) as error:
            return f"running, but does not answer ({error})"
        return None

    def _start(self) -> Record:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data.mkdir(exist_ok=True)
        process.require_unlocked(self.name, self.lock)
        for variable, port in self.ports.items():
            process.require_free_port(self.name, port, variable)
        command = self.prepare()
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        record = process.spawn(command, self.folder, self.output, self.ports)
        record.save(self._record_file)
        return record

    def _wait_until_answering(self, record: Record) -> None:
        deadline = time.monotonic() + START_SECONDS
        port = record.ports[self.client_port]
        while True:
            try:
                return self.probe(port)
            except (OSError, ValueError) as error:
                reason = error
            if not record.alive:
                self._record_file.unlink(missing_ok=True)
                raise StackError(f"{self.name} stopped while starting: {self._reason_of_end()}")
            if time.monotonic() > deadline:
                raise StackError(
                    f"{self.name} (process {record.pid}) does not answer on {HOST}:{port} after {START_SECONDS} s "
                    f"({reason}); see {self.log}, and run `up` again to keep waiting"
                )
            time.sleep(process.POLL_SECONDS)

    def _reason_of_end(self) -> str:
        """The line most likely to say why the server ended, and the file that contains it."""
        said = [(self.output, line) for line in self.output.read_text(errors="replace").splitlines()]
        if self.log.exists():
            with self.log.open(errors="replace") as log:
                log.seek(self._log_start)
                said += [(self.log, line) for line in log.read().splitlines()]
        marked = [(file, line) for file, line in said if any(mark in line for mark in ERROR_MARKS)]
        file, line = (marked or said or [(self.log, "it said nothing")])[-1]
        return f"{line.strip()[:300]}; see {file}"
