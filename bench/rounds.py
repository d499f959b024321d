"""Rounds: the texts are divided into one part for each round; the order of the engines rotates.

A noisy neighbour or a falling clock then slows all engines alike, so ratios within a round stay right even
when the machine's speed changes. All engines run in the first round; the others are only for those that a
ratio needs, which keeps a run short.
"""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from bench.engines import Engine
from bench.errors import BenchError
from bench.resident import Resident

Contender = TypeVar("Contender")


@dataclass(frozen=True)
class Run:
    """One engine's turn in one round. Only our engine reports `needed_ops` and `peak_ops_per_s`."""

    engine: Engine
    round: int
    texts: int
    tokens: int
    wall_s: float
    cpu_s: float
    idle_cpu_s: float
    needed_ops: float | None = None
    peak_ops_per_s: float | None = None

    @property
    def per_cpu_second(self) -> float:
        return self.texts / self.cpu_s

    @property
    def per_second(self) -> float:
        return self.texts / self.wall_s


def order(engines: list[Contender], number: int) -> list[Contender]:
    """Who runs in round `number` (from 0), first to last: each round begins with the next engine."""
    shift = number % max(len(engines), 1)
    return engines[shift:] + engines[:shift]


def play(
    residents: dict[Engine, Resident], rounds: int, lost: dict[str, str], going_on: Callable[[list[Run]], set[Engine]]
) -> Iterator[Run]:
    """All rounds; an engine that ends early is noted in `lost` and left out from then on.

    `going_on` chooses, by the runs of the first round, the engines that take part in the others.
    """
    first: list[Run] = []
    taking_part = set(residents)
    for number in range(rounds):
        for engine in order([engine for engine in residents if engine in taking_part], number):
            try:
                run = _turn(residents, engine, number, rounds)
            except BenchError as error:
                lost[engine.name] = str(error)
                residents.pop(engine).stop()
                print(f"  {engine.title} is left out from here: {error}", file=sys.stderr, flush=True)
                continue
            if number == 0:
                first.append(run)
            yield run
        if number == 0:
            taking_part = going_on(first)


def _turn(residents: dict[Engine, Resident], engine: Engine, number: int, rounds: int) -> Run:
    waiting = [resident for other, resident in residents.items() if other != engine]
    before = sum(resident.cpu_seconds() for resident in waiting)
    answer = residents[engine].ask(f"run {number} {rounds}")
    idle = sum(resident.cpu_seconds() for resident in waiting) - before
    return Run(engine, number, idle_cpu_s=idle, **answer)


class Progress:
    """Prints a line for each run, with an estimate of the time left."""

    def __init__(self, engines: int, going_on: int, rounds: int):
        self._total = engines + going_on * (rounds - 1)
        self._done = 0
        self._started = time.monotonic()

    def show(self, run: Run) -> None:
        self._done += 1
        left = (time.monotonic() - self._started) / self._done * (self._total - self._done)
        print(
            f"  [{self._done:3}/{self._total}] round {run.round + 1}  {run.engine.title:28} {run.engine.threads} thr"
            f"  {run.wall_s:6.1f} s  {run.per_cpu_second:6.1f} texts/CPU-s  {run.per_second:6.1f} texts/s"
            f"   about {left / 60:.0f} min left",
            flush=True,
        )
