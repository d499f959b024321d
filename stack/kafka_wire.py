"""The one Kafka request that tells whether a broker serves: Metadata, version 4.

See https://kafka.apache.org/protocol#The_Messages_Metadata.
"""

import socket
import struct

METADATA, VERSION = 3, 4
CLIENT = b"tapewire-stack"


def brokers(host: str, port: int, timeout: float) -> list[tuple[int, str, int]]:
    """Registered brokers as (node id, host, port).

    Raises OSError when nobody answers and ValueError when the answer is not Kafka's.
    """
    header = struct.pack(">hhih", METADATA, VERSION, 1, len(CLIENT)) + CLIENT
    no_topics_no_creation = struct.pack(">i?", 0, False)
    request = header + no_topics_no_creation
    with socket.create_connection((host, port), timeout) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        stream = connection.makefile("rb")
        size = stream.read(4)
        if len(size) < 4:
            raise ConnectionError("the broker closed the connection")
        return _parse(stream.read(struct.unpack(">i", size)[0]))


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
