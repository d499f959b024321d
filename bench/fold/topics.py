"""From a topic of trades to a topic of bars: the stage that makes bars, and Spark reading the same topic."""

import argparse
import subprocess
import sys
from pathlib import Path

from bench.errors import BenchError
from bench.fold import bars, pin
from bench.fold.report import OURS, SPARK, Entrant
from bench.fold.tools import Tools
from bench.resident import ROOT, Resident, variables
from bench.rounds import order
from bench.servers import servers
from stack import downloads

THREADS = 2
ENTRANTS = [Entrant(OURS, THREADS), Entrant(SPARK, THREADS)]
# Of the records that were sent, at least this share has to be in the time that is measured.
MIN_SHARE = 0.5


def measure(options: argparse.Namespace, tools: Tools) -> dict:
    """Rounds of both, after one whose bars are compared; they are compared again at the end."""
    residents: dict[Entrant, Resident] = {}
    with servers(tools.scratch, ["kafka"]) as environment:
        try:
            print(f"bench: sending {options.records} trades", flush=True)
            command = [str(tools.program), "resident", str(options.records), str(THREADS)]
            ours = Resident("tapewire", command, environment, tools.logs / "tapewire-topics.log")
            residents[ENTRANTS[0]] = ours
            theirs = f"{ours.ready['topics']['trades']}.spark"
            create(theirs, ours.ready["topics"]["partitions"], environment)
            spark = start_spark(options.records_a_batch, environment, ours.ready["topics"]["trades"], theirs, tools)
            residents[ENTRANTS[1]] = spark
            for entrant in ENTRANTS:
                play(entrant, residents[entrant], ours.ready["sent"])
            compare(spark, ours.ready, theirs, tools.scratch)
            runs = []
            for number in range(options.rounds):
                for entrant in order(ENTRANTS, number):
                    answer = play(entrant, residents[entrant], ours.ready["sent"])
                    runs.append({"name": entrant.name, "threads": entrant.threads, "round": number} | answer)
                    rate = answer["records"] / answer["wall_s"] / 1e6
                    print(f"  round {number + 1}  {entrant.title:18} {rate:6.2f} M records/s", flush=True)
            compare(spark, ours.ready, theirs, tools.scratch)
        finally:
            for resident in residents.values():
                resident.stop()
    return {"trades": ours.ready["sent"], "records_a_batch": options.records_a_batch, "runs": runs}


def start_spark(a_batch: int, environment: dict[str, str], trades: str, of_bars: str, tools: Tools) -> Resident:
    print("bench: starting Spark", flush=True)
    own = tools.scratch / "spark"
    own.mkdir()
    jars = ",".join(map(str, downloads.obtain(downloads.load(pin.CONNECTOR, pin.MANIFEST), tools.cache)))
    words = ["topics", str(THREADS), str(own), jars, environment["TAPEWIRE_KAFKA_BROKERS"], trades, of_bars]
    command = [str(tools.python), "-m", "bench.fold.spark", *words, str(a_batch)]
    return Resident(SPARK, command, variables(THREADS), tools.logs / "Spark-topics.log")


def create(topic: str, partitions: int, environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "stack", "tool", "topics", "--create", "--topic", topic]
    command += ["--partitions", str(partitions), "--replication-factor", "1"]
    created = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    if created.returncode != 0:
        raise BenchError(f"the topic {topic} can't be made; see above")


def compare(spark: Resident, ready: dict, topic: str, scratch: Path) -> None:
    """Raises BenchError if the bars on the two topics differ."""
    path = scratch / "values.jsonl"

    def lines(name: str) -> list[str]:
        spark.ask(f"values {name} {path}")
        return path.read_text().splitlines()

    ours = bars.complete(bars.of_our_topic(lines(ready["topics"]["bars"])), ready["from"], ready["to"])
    theirs = bars.complete(bars.of_their_topic(lines(topic)), ready["from"], ready["to"])
    bars.check("Spark", theirs, ours)
    print(f"bench: both have the same {len(ours)} bars", flush=True)


def play(entrant: Entrant, resident: Resident, sent: int) -> dict:
    """The answer, with `records`: how many were read in `wall_s`."""
    answer = resident.ask("run")
    answer.setdefault("records", answer.get("trades"))
    if answer["records"] < MIN_SHARE * sent:
        raise BenchError(
            f"of {sent} records {entrant.title} read all but {answer['records']} before the first commit: send more"
        )
    return answer
