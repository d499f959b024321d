"""Spark Structured Streaming, in a JVM that stays warm.

    python -m bench.fold.spark files THREADS WORK FOLDER FILES_A_BATCH
    python -m bench.fold.spark topics THREADS WORK JARS BROKERS TRADES BARS TRADES_A_BATCH

A batch is a micro-batch of the stream; WORK is a folder for checkpoints and what Spark writes beside them.

Both answer `run`, one stream from the first trade to the last: {"trades", "wall_s", "cpu_s", "whole_s", "batches"}.
`wall_s` is the time of the batches without the start of the stream, which is in `whole_s` and in the JVM's processor
time `cpu_s`. Of files, `bars PATH` does the same and writes the bars to PATH as CSV. Of topics, `values TOPIC PATH`
writes all values of a topic to PATH, a line each, in the order of their offsets.

A careful user's set-up: as many partitions after the shuffle as there are threads, instead of 200; the state in memory,
which is the default; first and last by the time alone, because an order by time and sequence would be sorted and not
hashed.
"""

import shutil
import sys
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f
from pyspark.sql.streaming.query import StreamingQuery

from bench.fold.protocol import COLUMNS, answers, serve, write_bars
from bench.resident import cpu_seconds

LATENESS = "10 seconds"
WIDTH = "1 minute"
FILE = "symbol string, at timestamp, id string, sequence long, price double, size double, received_at timestamp"
# Only what the bars need of the records on the topic `trades`, with times in microseconds.
RECORD = "body struct<fold struct<trade struct<symbol string, at long, price double, size double>>>"


def session(threads: int, work: Path, more: dict[str, str]) -> SparkSession:
    settings = {
        "spark.driver.memory": "4g",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.local.dir": str(work / "local"),
        "spark.sql.warehouse.dir": str(work / "warehouse"),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(threads),
        "spark.sql.streaming.numRecentProgressUpdates": "1000",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    builder = SparkSession.builder.master(f"local[{threads}]").appName("bench.fold")
    for name, value in (settings | more).items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def bars(trades: DataFrame) -> DataFrame:
    """The columns of `COLUMNS`, each bar once it is complete."""
    values = [
        f.min_by("price", "at").alias("open"),
        f.max("price").alias("high"),
        f.min("price").alias("low"),
        f.max_by("price", "at").alias("close"),
        f.sum("size").alias("volume"),
    ]
    found = trades.withWatermark("at", LATENESS).groupBy("symbol", f.window("at", WIDTH)).agg(*values)
    return found.withColumn("start", f.unix_micros("window.start")).select(*COLUMNS)


class Stream(ABC):
    """A stream of trades to bars that can be run again and again."""

    def __init__(self, threads: int, work: Path, more: dict[str, str]):
        self._work = work
        self.spark = session(threads, work, more)

    @abstractmethod
    def start(self, checkpoint: Path) -> StreamingQuery:
        """Starts a stream that ends after the last trade."""

    def run(self) -> dict[str, Any]:
        return self.measure(self.start)

    def measure(self, start: Any) -> dict[str, Any]:
        checkpoint = self._work / "checkpoint"
        shutil.rmtree(checkpoint, ignore_errors=True)
        jvm = self.spark.sparkContext._gateway.proc.pid
        cpu, began = cpu_seconds(jvm), time.perf_counter()
        query = start(checkpoint)
        query.awaitTermination()
        whole, cpu = time.perf_counter() - began, cpu_seconds(jvm) - cpu
        batches = query.recentProgress
        return {
            "trades": sum(batch["numInputRows"] for batch in batches),
            "wall_s": sum(batch["durationMs"]["triggerExecution"] for batch in batches) / 1000,
            "cpu_s": cpu,
            "whole_s": whole,
            "batches": len(batches),
        }


class Files(Stream):
    """From Parquet files to nowhere."""

    def __init__(self, threads: int, work: Path, folder: str, files_a_batch: int):
        super().__init__(threads, work, {})
        self._read = (folder, files_a_batch)

    def _bars(self) -> DataFrame:
        folder, files_a_batch = self._read
        files = self.spark.readStream.schema(FILE).option("pathGlobFilter", "*.parquet")
        return bars(files.option("maxFilesPerTrigger", files_a_batch).parquet(folder))

    def start(self, checkpoint: Path) -> StreamingQuery:
        stream = self._bars().writeStream.outputMode("append").format("noop")
        return stream.option("checkpointLocation", str(checkpoint)).trigger(availableNow=True).start()

    def to_table(self, checkpoint: Path) -> StreamingQuery:
        stream = self._bars().writeStream.outputMode("append").format("memory").queryName("bars")
        return stream.option("checkpointLocation", str(checkpoint)).trigger(availableNow=True).start()

    def write(self, path: str) -> dict[str, Any]:
        measured = self.measure(self.to_table)
        write_bars(path, self.spark.table("bars").collect())
        return measured


class Topics(Stream):
    """From a topic of trades to one of bars, both as JSON."""

    def __init__(self, threads: int, work: Path, jars: str, brokers: str, topics: tuple[str, str], a_batch: int):
        super().__init__(threads, work, {"spark.jars": jars})
        self._brokers, (self._trades, self._bars), self._a_batch = brokers, topics, a_batch

    def start(self, checkpoint: Path) -> StreamingQuery:
        records = (
            self.spark.readStream.format("kafka")
            .option("kafka.bootstrap.servers", self._brokers)
            .option("subscribe", self._trades)
            .option("startingOffsets", "earliest")
            .option("maxOffsetsPerTrigger", self._a_batch)
            .load()
        )
        trades = records.select(f.from_json(f.col("value").cast("string"), RECORD).alias("record"))
        # Watermarks and gaps are records of the topic, too, and have no trade.
        trades = trades.select("record.body.fold.trade.*").where("at IS NOT NULL")
        trades = trades.withColumn("at", f.timestamp_micros("at"))
        values = bars(trades).select(f.col("symbol").alias("key"), f.to_json(f.struct(*COLUMNS)).alias("value"))
        stream = (
            values.writeStream.outputMode("append")
            .format("kafka")
            .option("kafka.bootstrap.servers", self._brokers)
            .option("kafka.compression.type", "zstd")
            .option("topic", self._bars)
        )
        return stream.option("checkpointLocation", str(checkpoint)).trigger(availableNow=True).start()

    def values(self, topic: str, path: str) -> dict[str, Any]:
        records = self.spark.read.format("kafka").option("kafka.bootstrap.servers", self._brokers)
        rows = records.option("subscribe", topic).load().orderBy("partition", "offset").select("value").collect()
        Path(path).write_bytes(b"".join(bytes(row.value) + b"\n" for row in rows))
        return {"values": len(rows)}


def main(kind: str, threads: str, work: str, *rest: str) -> None:
    out = answers()
    if kind == "files":
        folder, files_a_batch = rest
        files = Files(int(threads), Path(work), folder, int(files_a_batch))
        serve(out, {"run": files.run, "bars": files.write})
        files.spark.stop()
    else:
        jars, brokers, trades, of_bars, a_batch = rest
        topics = Topics(int(threads), Path(work), jars, brokers, (trades, of_bars), int(a_batch))
        serve(out, {"run": topics.run, "values": topics.values})
        topics.spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
