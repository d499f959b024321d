"""Trades to bars, beside Spark Structured Streaming and DuckDB: `python3 -m bench.fold`."""
