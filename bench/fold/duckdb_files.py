"""DuckDB: the bars of all trades at once, from Parquet: `python -m bench.fold.duckdb_files THREADS FOLDER`.

`run` answers {"trades", "bars", "wall_s", "cpu_s"}; `bars PATH` also writes the bars to PATH as CSV.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import duckdb

from bench.fold.protocol import answers, serve, write_bars

# Whole minutes by integer arithmetic: `date_trunc` of a time with a zone asks the library of time zones for each row.
QUERY = """
    SELECT symbol, epoch_us("at") // 60000000 * 60000000 AS start,
        arg_min(price, "at"), max(price), min(price), arg_max(price, "at"), sum(size)
    FROM read_parquet('{folder}/*.parquet')
    GROUP BY ALL"""


class DuckDb:
    def __init__(self, threads: int, folder: Path):
        self._database = duckdb.connect(config={"threads": threads})
        self._query = QUERY.format(folder=folder)
        self._trades = json.loads((folder / "complete.json").read_text())["trades"]

    def bars(self, path: str | None = None) -> dict[str, Any]:
        wall, cpu = time.perf_counter(), time.process_time()
        rows = self._database.execute(self._query).fetchall()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        if path:
            write_bars(path, rows)
        return {"trades": self._trades, "bars": len(rows), "wall_s": wall, "cpu_s": cpu}


if __name__ == "__main__":
    out = answers()
    peer = DuckDb(int(sys.argv[1]), Path(sys.argv[2]))
    serve(out, {"run": peer.bars, "bars": peer.bars})
