"""The one Kafka request that tells whether a broker serves: Metadata, version 4. Where the broker needs a password, two
requests before it: SaslHandshake, version 1, and SaslAuthenticate, version 0.

See https://kafka.apache.org/protocol#The_Messages_Metadata.
"""

import socket
import ssl
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

# Number and version of a request.
METADATA = 3, 4
SASL_HANDSHAKE = 17, 1
SASL_AUTHENTICATE = 36, 0
CLIENT = b"tapewire-stack"


@dataclass(frozen=True)
class Login:
    """A broker's certificate authority, and the user and the password that it accepts by the mechanism PLAIN."""

    authority: Path
    user: str
    password: str = field(repr=False)


def brokers(host: str, port: int, timeout: float, login: Login | None = None) -> list[tuple[int, str, int]]:
    """Registered brokers as (node id, host, port).

    Raises OSError when nobody answers or the certificate is not trusted, and ValueError when the answer is not Kafka's
    or the password is refused.
    """
    no_topics_no_creation = struct.pack(">i?", 0, False)
    with socket.create_connection((host, port), timeout) as plain:
        if login is None:
            return _parse(_ask(plain, plain.makefile("rb"), METADATA, no_topics_no_creation))
        context = ssl.create_default_context(cafile=login.authority)
        with context.wrap_socket(plain, server_hostname=host) as connection:
            stream = connection.makefile("rb")
            mechanism = b"PLAIN"
            _accepted(_ask(connection, stream, SASL_HANDSHAKE, struct.pack(">h", len(mechanism)) + mechanism))
            token = f"\0{login.user}\0{login.password}".encode()
            _accepted(_ask(connection, stream, SASL_AUTHENTICATE, struct.pack(">i", len(token)) + token))
            return _parse(_ask(connection, stream, METADATA, no_topics_no_creation))


def _ask(connection: socket.socket, stream: BinaryIO, kind: tuple[int, int], body: bytes) -> bytes:
    request = struct.pack(">hhih", *kind, 1, len(CLIENT)) + CLIENT + body
    connection.sendall(struct.pack(">i", len(request)) + request)
    size = stream.read(4)
    if len(size) < 4:
        raise ConnectionError("the broker closed the connection")
    return stream.read(struct.unpack(">i", size)[0])


def _accepted(answer: bytes) -> None:
    # correlation id int32, error code int16, and more that is not needed
    if len(answer) < 6:
        raise ValueError("the answer is not a Kafka broker's")
    if code := struct.unpack_from(">h", answer, 4)[0]:
        raise ValueError(f"the broker refuses the password (code {code})")


def _parse(answer: bytes) -> list[tuple[int, str, int]]:
    # correlation id int32, throttle time int32, then an array of brokers:
    # node id int32, host string, port int32, rack nullable string
    try:
        _, _, count = struct.unpack_from(">iii", answer)
        at, found = 12, []
        for _ in range(count):
            node, length = struct.unpack_from(">ih", answer, at)
            host = answer[at + 6 : at + 6 + length].decode()
            at += 6 + length
            port, rack = struct.unpack_from(">ih", answer, at)
            at += 6 + max(rack, 0)
            found.append((node, host, port))
        return found
    except struct.error:
        raise ValueError("the answer is not a Kafka broker's") from None
