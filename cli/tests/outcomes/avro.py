"""Reads records in Avro with fastavro, knowing nothing of tapewire, and compares them with JSON.

    python avro.py REGISTRY FILE

Each line of the file has a payload as it is on a topic, in hexadecimal digits (`avro`), and the record that tapewire
reads from it (`json`). Schemas are fetched from the registry, whose API has the root REGISTRY, by their ids.
"""

import io
import json
import sys
import urllib.request
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any

import fastavro

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# What a record leaves out of its JSON.
LEFT_OUT: list[Any] = [None, "", False, [], {"open_close": True, "high_low": True, "volume": True}]


def schema(registry: str, number: int, known: dict[int, Any]) -> Any:
    if number not in known:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{registry}/schemas/ids/{number}", timeout=30) as answer:
            known[number] = fastavro.parse_schema(json.loads(json.load(answer)["schema"]))
    return known[number]


def plain(value: Any) -> Any:
    """A value as records have it in JSON."""
    match value:
        case dict():
            return {key: plain(inner) for key, inner in value.items()}
        case list():
            return [plain(inner) for inner in value]
        case datetime():
            return (value - EPOCH) // timedelta(microseconds=1)
        case date():
            return value.isoformat()
        case Decimal():
            return int(value)
        case _:
            return value


def is_left_out(value: Any) -> bool:
    # For Python, 0 is equal to False.
    return any(type(value) is type(other) and value == other for other in LEFT_OUT)


def differences(found: Any, expected: Any, place: str) -> list[str]:
    """Where the two differ; a field that JSON does not have may have one of the values that are left out."""
    if isinstance(found, dict) and isinstance(expected, dict):
        absent = [key for key in found.keys() - expected.keys() if not is_left_out(found[key])]
        missing = [f"{place}.{key}: {found[key]!r}, and JSON has none" for key in absent]
        more = [f"{place}.{key}: only JSON has it" for key in expected.keys() - found.keys()]
        both = [differences(found[key], expected[key], f"{place}.{key}") for key in found.keys() & expected.keys()]
        return [*missing, *more, *chain(*both)]
    if type(found) is type(expected) and found == expected:
        return []
    return [f"{place}: {found!r}, and JSON has {expected!r}"]


def main(registry: str, file: Path) -> int:
    known: dict[int, Any] = {}
    count = 0
    for line in file.read_text().splitlines():
        record = json.loads(line)
        payload = bytes.fromhex(record["avro"])
        if payload[0] != 0:
            print(f"it does not begin as Avro: {payload[:10]!r}")
            return 1
        rest = io.BytesIO(payload[5:])
        written = schema(registry, int.from_bytes(payload[1:5]), known)
        found = fastavro.schemaless_reader(rest, written, None)
        differ = differences(plain(found), record["json"], "record")
        if rest.read() or differ:
            print("\n".join(differ) or "bytes follow after the record")
            return 1
        count += 1
    print(f"{count} records of {len(known)} schemas are the same")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
