"""Makes replicated tables work in the libchdb.so of downloads.json, for tests with two servers.

The library holds all of ClickHouse, but starts it as clickhouse-local does, which leaves four things of a server out:
its address for the other servers and their credentials, the HTTP handler that sends them parts of tables, the
permission for replicated DDL, and the threads that a replicated database makes its tables with. Nothing in SQL or in
the configuration adds them. So they are added in memory, at addresses of this one build: what is there is compared
first, and another build is refused. A ClickHouse of one's own needs none of this.
"""

import ctypes
import struct
from typing import Any

# The build that the addresses are of; a test compares it with the pinned one.
VERSION = "26.7.3-stable.1"

# chdb_query_cmdline, by which the library's place in memory is known.
ENTRY = 0x0F211700
# Context::getInterserverIOAddress where it finds no address, before it throws, and where it reads the address.
NO_ADDRESS, READ_ADDRESS = 0x1417CA3C, 0x1417C9CA
NO_ADDRESS_SPACE = 120
# createHandlerFactory where it takes "HTTPHandler-factory", and its branches for clients and for other servers.
CHOICE, FOR_CLIENTS, FOR_SERVERS = 0x18395D32, 0x18395FFA, 0x18395DBC
# DatabaseCatalog::canPerformReplicatedDDLQueries.
MAY_REPLICATE_DDL = 0x142891C0
# getDatabaseReplicatedCreateTablesThreadPool and StaticThreadPool::initialize.
TABLES_POOL, INITIALIZE_POOL = 0x0F1CE5C0, 0x0F1CD280
THREADS = 4

# Offsets in ContextSharedPart, which the code at NO_ADDRESS has in r14.
HOST_AND_PORT, SCHEME, CREDENTIALS = 0x150, 0x170, 0x1B0

READ_WRITE_EXECUTE = 7
PAGE = 4096

# What a server would set, for as long as the process lives.
_values = ctypes.create_string_buffer(256)


def enable(library: ctypes.CDLL, host: str, port: int) -> None:
    """Before ClickHouse is started. The first address in its configuration is for clients, and `host`, the second, for
    other servers, on the HTTP port `port`. Raises ValueError for another build.
    """
    base = _address(library.chdb_query_cmdline) - ENTRY
    _prepare_values(host, port)
    code = _set_address() + _choose_handler(NO_ADDRESS + len(_set_address()))
    assert len(code) <= NO_ADDRESS_SPACE
    _replace(base + NO_ADDRESS, bytes.fromhex("bf 80 01 00 00 e8"), code)
    second = NO_ADDRESS + len(_set_address())
    _replace(base + CHOICE, _jump_if_equal(CHOICE, FOR_CLIENTS), _jump_if_equal(CHOICE, second))
    # mov eax, 1; ret
    _replace(base + MAY_REPLICATE_DDL, bytes.fromhex("0f b6 87 10 09 00 00 c3"), bytes.fromhex("b8 01 00 00 00 c3"))
    pool = ctypes.CFUNCTYPE(ctypes.c_void_p)(base + TABLES_POOL)()
    size = ctypes.c_size_t
    ctypes.CFUNCTYPE(None, ctypes.c_void_p, size, size, size)(base + INITIALIZE_POOL)(pool, THREADS, 0, THREADS)


def _prepare_values(host: str, port: int) -> None:
    """Host, port and scheme as ContextSharedPart has them; then credentials: no user, no password, and a list of who
    may ask, which has one entry without a name."""
    at = ctypes.addressof(_values)
    allowed, entry = 0x40 + 48, 0x80
    for offset, value in (
        (0, _text(host)),
        (24, struct.pack("<H", port)),
        (32, _text("http")),
        (allowed, struct.pack("<QQQ", at + entry, at + entry + 48, at + entry + 48)),
    ):
        ctypes.memmove(at + offset, value, len(value))


def _text(text: str) -> bytes:
    """A short std::string of this build: up to 22 bytes, and their number in the last of 24."""
    return text.encode().ljust(23, b"\0") + bytes([len(text)])


def _set_address() -> bytes:
    """Copies the values, and lets the function go on as if they had been there."""
    offset = struct.Struct("<i").pack
    code = b"".join(
        (
            b"\x48\xb8" + struct.pack("<Q", ctypes.addressof(_values)),  # mov rax, values
            b"\x0f\x10\x00" + b"\x41\x0f\x11\x86" + offset(HOST_AND_PORT),  # movups xmm0, [rax]; to host
            b"\x0f\x10\x40\x10" + b"\x41\x0f\x11\x86" + offset(HOST_AND_PORT + 16),  # its end and the port
            b"\x0f\x10\x40\x20" + b"\x41\x0f\x11\x86" + offset(SCHEME),
            b"\x48\x8b\x48\x30" + b"\x49\x89\x8e" + offset(SCHEME + 16),  # mov rcx, [rax + 48]; to its end
            b"\x48\x83\xc0\x40" + b"\x49\x89\x86" + offset(CREDENTIALS),  # add rax, 64; a pointer to credentials
        )
    )
    return code + b"\xe9" + offset(READ_ADDRESS - (NO_ADDRESS + len(code) + 5))


def _choose_handler(at: int) -> bytes:
    """The handler for clients where it is asked for the first time, then that for servers. The last byte remembers."""
    code = b"\x80\x3d" + struct.pack("<i", 7 + 6 + 5) + b"\0"  # cmp byte [memory], 0
    code += b"\xc6\x05" + struct.pack("<i", 6 + 5) + b"\1"  # mov byte [memory], 1
    code += _jump_if_equal(at + len(code), FOR_CLIENTS)
    return code + b"\xe9" + struct.pack("<i", FOR_SERVERS - (at + len(code) + 5)) + b"\0"


def _jump_if_equal(at: int, target: int) -> bytes:
    return b"\x0f\x84" + struct.pack("<i", target - (at + 6))


def _address(function: Any) -> int:
    address = ctypes.cast(function, ctypes.c_void_p).value
    assert address is not None
    return address


def _replace(address: int, expected: bytes, code: bytes) -> None:
    if ctypes.string_at(address, len(expected)) != expected:
        raise ValueError(f"replicated tables need the build {VERSION} of libchdb.so, and this is another")
    first = address - address % PAGE
    length = -(-(address + len(code) - first) // PAGE) * PAGE
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mprotect(ctypes.c_void_p(first), ctypes.c_size_t(length), READ_WRITE_EXECUTE):
        raise OSError(ctypes.get_errno(), "mprotect")
    ctypes.memmove(address, code, len(code))
