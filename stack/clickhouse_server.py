"""Runs libchdb.so, which holds all of ClickHouse, as a server in this process.

Usage: python3 clickhouse_server.py LIBCHDB CONFIG_XML

The servers are started by SQL, and the last query reads a pipe that stays empty, so
the call lasts until the pipe is closed. SIGTERM or SIGINT closes it: ClickHouse then
finishes and unlocks its data as any of its programs does.
"""

import ctypes
import os
import signal
import sys
import threading

SERVE = (
    "SYSTEM START LISTEN HTTP; SYSTEM START LISTEN TCP; "
    "SELECT count() FROM file('stdin', 'LineAsString', 'line String') FORMAT Null"
)
STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}


def run_clickhouse(library: str, arguments: list[str]) -> str | None:
    """Blocks until ClickHouse ends; returns its error message, or None for a clean end."""
    chdb = ctypes.CDLL(library, mode=os.RTLD_NOW | os.RTLD_GLOBAL)
    chdb.chdb_query_cmdline.restype = ctypes.c_void_p
    chdb.chdb_result_error.restype = ctypes.c_char_p
    chdb.chdb_result_error.argtypes = [ctypes.c_void_p]
    argv = (ctypes.c_char_p * (len(arguments) + 1))(*[a.encode() for a in arguments], None)
    result = chdb.chdb_query_cmdline(len(arguments), argv)
    error = chdb.chdb_result_error(result) if result else None
    return error.decode(errors="replace") if error else None


def main() -> int:
    library, config = sys.argv[1:]
    # Blocked before any thread exists, so that only sigwait below ever takes them.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    stdin_read, stdin_write = os.pipe()
    os.dup2(stdin_read, 0)
    os.close(stdin_read)

    outcome: list[str | None] = []

    def serve() -> None:
        try:
            outcome.append(run_clickhouse(library, ["clickhouse", f"--config-file={config}", f"--query={SERVE}"]))
        except OSError as error:
            outcome.append(str(error))
        os.kill(os.getpid(), signal.SIGTERM)

    server = threading.Thread(target=serve)
    server.start()
    signal.sigwait(STOP_SIGNALS)
    stopped_by_itself = bool(outcome)
    os.close(stdin_write)
    server.join()
    if outcome[0] is not None:
        print(f"clickhouse: {outcome[0]}", file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    # The library's own exit handlers are of no use once its data is closed.
    os._exit(1 if stopped_by_itself or outcome[0] is not None else 0)


if __name__ == "__main__":
    sys.exit(main())
