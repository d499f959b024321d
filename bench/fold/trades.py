"""The trades that all engines read, as Parquet: `python -m bench.fold.trades FOLDER TRADES`.

They are like those of the examples `fold` and `fold_topics`: 500 symbols, 20,000 trades a second, in the order of time
except one in a hundred that is up to 5 s late. A late trade never has the time of one that is not, so that first and
last do not depend on how an engine orders equal times. The files have equal numbers of trades; rows are in the order
of receipt. `complete.json` is written last: {"trades", "files", "from", "to"}, times in microseconds since 1970 (UTC).
"""

import itertools
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SEED = 1
SYMBOLS = 500
A_SECOND = 20_000
SECOND = 1_000_000
START = 1_748_871_000 * SECOND  # 2025-06-02 13:30 UTC
FILES = 20
TIME = pa.timestamp("us", "UTC")
SCHEMA = pa.schema(
    [
        pa.field(name, kind, nullable=False)
        for name, kind in (
            ("symbol", pa.string()),
            ("at", TIME),
            ("id", pa.string()),
            ("sequence", pa.int64()),
            ("price", pa.float64()),
            ("size", pa.float64()),
            ("received_at", TIME),
        )
    ]
)


def table(draw: np.random.Generator, first: int, end: int) -> pa.Table:
    """The trades from number `first` until `end`."""
    number = np.arange(first, end)
    count, step = len(number), SECOND // A_SECOND
    received = START + number // A_SECOND * SECOND
    # Trades in time are at multiples of `step`, late ones are not.
    late = draw.integers(0, 5 * A_SECOND, count) * step - draw.integers(1, step, count)
    late = np.where(draw.integers(0, 100, count) == 0, np.maximum(late, 1), 0)
    symbols = pa.array([f"S{number}" for number in range(SYMBOLS)])
    columns = [
        symbols.take(pa.array(draw.integers(0, SYMBOLS, count))),
        pa.array(received + number % A_SECOND * step - late, TIME),
        pa.array(number).cast(pa.string()),
        pa.array(number),
        pa.array(100 + draw.integers(0, 1000, count) / 100),
        pa.array(draw.integers(1, 500, count).astype(float)),
        pa.array(received, TIME),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def main(folder: Path, trades: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.Generator(np.random.PCG64(SEED))
    bounds = [trades * number // FILES for number in range(FILES + 1)]
    for number, (first, end) in enumerate(itertools.pairwise(bounds)):
        pq.write_table(table(draw, first, end), folder / f"trades-{number:02}.parquet")
    until = START + (trades - 1) // A_SECOND * SECOND + SECOND
    complete = {"trades": trades, "files": FILES, "from": START, "to": until}
    (folder / "complete.json").write_text(json.dumps(complete) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
