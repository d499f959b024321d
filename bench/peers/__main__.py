"""One peer in a process: `python -m bench.peers convert PEER MODEL` or `serve PEER MODEL TEXTS ...`."""

import argparse
import importlib
import json
import os
import resource
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import TextIO

from tokenizers import Tokenizer

from bench.engines import PEERS
from bench.resident import CHECKED
from bench.texts import read

# Texts scored before the engine is ready: libraries load some parts on first use.
WARM_UP = 32


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.peers", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("convert", "serve"):
        command = commands.add_parser(name)
        command.add_argument("peer", choices=PEERS)
        command.add_argument("model", type=Path)
    command.add_argument("texts", type=Path)
    command.add_argument("--precision", required=True, choices=["f32", "bf16", "int8"])
    command.add_argument("--threads", type=int, default=1)
    command.add_argument("--step", type=int, default=1)
    arguments = parser.parse_args()
    peer = importlib.import_module(f"bench.peers.{arguments.peer}")
    if arguments.command == "convert":
        peer.convert(arguments.model)
    else:
        serve(peer, arguments, _answers())


def serve(peer: ModuleType, arguments: argparse.Namespace, answers: TextIO) -> None:
    """Speaks the protocol of `bench.resident`."""
    checked, texts = read(arguments.texts)[:CHECKED], read(arguments.texts)[:: arguments.step]
    tokenizer = Tokenizer.from_file(str(arguments.model / "tokenizer.json"))
    tokens = [len(encoding.ids) for encoding in tokenizer.encode_batch(texts)]
    score = peer.load(arguments.model, arguments.precision, arguments.threads)
    score(texts[:WARM_UP])
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        if line.strip() == "logits":
            answer = score(checked).tolist()
        else:
            _, part, parts = line.split()
            turn = slice(int(part), None, int(parts))
            started, cpu = time.perf_counter(), _cpu_seconds()
            scored = score(texts[turn])
            took = {"wall_s": time.perf_counter() - started, "cpu_s": _cpu_seconds() - cpu}
            answer = {"texts": len(scored), "tokens": sum(tokens[turn])} | took
        print(json.dumps(answer), file=answers, flush=True)


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _answers() -> TextIO:
    """Standard output for answers alone: what libraries print there goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


if __name__ == "__main__":
    main()
