"""Runs libchdb.so, which holds all of ClickHouse, as a server in this process.

Usage: python3 clickhouse_server.py LIBCHDB CONFIG_XML [HOST INNER_HOST PORT PEM]

The servers are started by SQL, and the last query reads a pipe that stays empty, so
the call lasts until the pipe is closed. SIGTERM or SIGINT closes it: ClickHouse then
finishes and unlocks its data as any of its programs does.

The library can't serve HTTPS, which a ClickHouse of one's own does by itself. With HOST and PEM, a key and its
certificate, this process decrypts HTTPS at HOST:PORT and forwards it to ClickHouse's HTTP at INNER_HOST:PORT, from the
address INNER_HOST.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import ssl
import sys
import threading

HTTP = "SYSTEM START LISTEN HTTP; "
NATIVE = "SYSTEM START LISTEN TCP; "
SERVE = "SELECT count() FROM file('stdin', 'LineAsString', 'line String') FORMAT Null"
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


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    # A connection may end at any time.
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def terminate_tls(outer: socket.socket, inner_host: str, pem: str) -> None:
    """Runs until the process ends."""
    port = outer.getsockname()[1]

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server = await asyncio.open_connection(inner_host, port, local_addr=(inner_host, 0))
        except OSError:
            writer.close()
            return
        await asyncio.gather(pass_on(reader, server[1]), pass_on(server[0], writer))

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    server = await asyncio.start_server(connected, sock=outer, ssl=context)
    await server.serve_forever()


def main() -> int:
    library, config, *tls = sys.argv[1:]
    # ClickHouse's own protocol would not be encrypted.
    queries = HTTP + SERVE if tls else HTTP + NATIVE + SERVE
    # Blocked before any thread exists, so that only sigwait below ever takes them.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    stdin_read, stdin_write = os.pipe()
    os.dup2(stdin_read, 0)
    os.close(stdin_read)
    if tls:
        host, inner_host, port, pem = tls
        outer = socket.create_server((host, int(port)))
        threading.Thread(target=lambda: asyncio.run(terminate_tls(outer, inner_host, pem)), daemon=True).start()

    outcome: list[str | None] = []

    def serve() -> None:
        try:
            outcome.append(run_clickhouse(library, ["clickhouse", f"--config-file={config}", f"--query={queries}"]))
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
