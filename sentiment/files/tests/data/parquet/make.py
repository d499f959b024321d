"""Makes news.parquet: what other writers put into Parquet and the tests want kept.

pip install pyarrow==26.0.1 && python make.py
"""

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq

HEADLINES = [
    "Example Corp raises its full-year outlook",
    "Regulator fines Northwind over safety failures",
    None,
    "Zeta Works to hold its annual meeting on Tuesday",
    "",
    'Shares of Müller & Söhne jump 12 % after "record" quarter, says CEO',
    "Contoso recalls 40,000 trucks",
]

utc = dt.UTC
rows = len(HEADLINES)
table = pa.table(
    {
        "id": pa.array(range(2**60, 2**60 + rows), pa.int64()),
        "headline": pa.array(HEADLINES, pa.string()),
        "ticker": pa.array(["EXMP", None, "X", "ZZZZ", "X", "X", "X"], pa.string()).dictionary_encode(),
        "at_ns": pa.array([1_700_000_000_123_456_789 + i for i in range(rows)], pa.timestamp("ns", tz="UTC")),
        "at_local": pa.array([dt.datetime(2025, 5, 12, 9, 30, i) for i in range(rows)], pa.timestamp("us")),
        "day": pa.array([dt.date(2025, 5, 1 + i) for i in range(rows)], pa.date32()),
        "price": pa.array([Decimal("193.10") + i for i in range(rows)], pa.decimal128(12, 2)),
        "weight": pa.array([0.1, None, 0.3, 0.4, 0.5, float("nan"), 0.7], pa.float32()),
        "tags": pa.array([["a", "b"], [], None, ["c"], [], [], ["d", None]], pa.list_(pa.string())),
        "raw": pa.array([b"\xff\x00", b"", None, b"x", b"y", b"z", b"\xfe"], pa.binary()),
    }
)
pq.write_table(table, "news.parquet", row_group_size=3, compression="zstd", write_page_index=True)
