"""Plans which faults come when: a pure function of the seed and the options."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeVar

from tests.drill import fault_injection

Engine = Literal["sqlite", "postgresql"]
Length = Literal["short", "long"]
T = TypeVar("T")


class FaultKind(StrEnum):
    """Faults; the values are shown in the report."""

    UPLOAD_50 = "the same upload from 50 clients"
    START_50 = "the same start from 50 clients"
    KILL_FAN_OUT = "kill -9 while the queue is made"
    KILL_SENDER = "kill -9 of the sender"
    KILL_ON_WIRE = "kill -9 with messages on the wire"
    KILL_API_IMPORT = "kill -9 of the API in an import"
    KILL_API_ORDER = "kill -9 of the API in an order"
    KILL_DATABASE = "database stopped at a point of the code"
    DATABASE_AWAY = "database away in a receipt storm"
    SLOW_DISK = "slow disk"
    FULL_DISK = "full disk"
    CLOCK = "clock jump"
    CARRIER_CLOCK = "carrier's clock off by a day"
    TWO_WORKERS = "second worker on the link"
    FROZEN = "sender frozen beyond its lease"
    BROKEN_BINDS = "binds broken"
    UNBIND = "binds ended by the carrier"
    SILENT = "carrier silent"
    LOST_ANSWERS = "1 % of answers lost"
    GARBAGE = "garbage on the link"
    CUT = "answers in pieces"
    THROTTLE = "throttling storm"
    EARLY = "receipts before answers"
    LATE = "receipts late"
    TWICE = "receipts twice"
    SHUFFLED = "receipts shuffled"
    FOREIGN = "receipts of others"
    OTHER_BASE = "receipts with ids in the other base"


_ON_BOTH = tuple(
    fault
    for fault in FaultKind
    if fault not in (FaultKind.UPLOAD_50, FaultKind.START_50, FaultKind.KILL_FAN_OUT)
)
_POSTGRESQL_ONLY = (FaultKind.KILL_DATABASE,)
# Faults with many named points are drawn more often.
_OFTEN = {FaultKind.KILL_SENDER: 6, FaultKind.KILL_API_IMPORT: 2, FaultKind.KILL_DATABASE: 3}
_POINTS = {
    FaultKind.KILL_SENDER: fault_injection.SENDER,
    FaultKind.KILL_FAN_OUT: fault_injection.FAN_OUT,
    FaultKind.KILL_API_IMPORT: fault_injection.IMPORT,
    FaultKind.KILL_API_ORDER: fault_injection.ORDER,
    FaultKind.KILL_DATABASE: fault_injection.SERVER,
}
# Points that occur rarely: always hit their first occurrence.
_RARE = ("claim", "release", "settling", "tallies", "fan-out", "import", "order", "advance")
_WAVE = 50_000
_LONG_AWAY_S = 300.0


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """One fault: after so many messages, at the `turn`th occurrence of a point (if any), for so long."""

    at: int
    fault: FaultKind
    point: str = ""
    turn: int = 1
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class DrillPlan:
    """Waves of messages, one campaign each, and the faults in order."""

    waves: tuple[int, ...]
    events: tuple[PlannedFault, ...]


@dataclass(frozen=True, slots=True)
class DrillOrder:
    """Inputs of a plan."""

    seed: int
    messages: int
    faults: int
    engine: Engine
    length: Length


def make_plan(order: DrillOrder) -> DrillPlan:
    chance = random.Random(f"loa drill {order}")
    many = max(1, order.messages // _WAVE)
    waves = [order.messages // many] * many
    waves[0] += order.messages - sum(waves)
    events = list(_initial_faults(chance, waves))[: order.faults]
    kinds = _kinds(chance, order.engine)
    points = {fault: _shuffled(chance, at) for fault, at in _POINTS.items()}
    for at in sorted(_progress_points(chance, waves, order.faults - len(events))):
        events.append(_event(chance, at, next(kinds), points, order.length))
    if order.length == "long":
        events = _with_long_outage(events)
    return DrillPlan(tuple(waves), tuple(sorted(events, key=lambda event: event.at)))


def _initial_faults(chance: random.Random, waves: list[int]) -> Iterator[PlannedFault]:
    fan_out, at = _shuffled(chance, fault_injection.FAN_OUT), 0
    for size in waves:
        yield PlannedFault(at, FaultKind.UPLOAD_50)
        yield PlannedFault(at, FaultKind.START_50)
        yield PlannedFault(at, FaultKind.KILL_FAN_OUT, next(fan_out))
        at += size


def _progress_points(chance: random.Random, waves: list[int], count: int) -> Iterator[int]:
    """Yield points of progress, away from the end of a wave, where nothing is left to hit."""
    for n in range(count):
        wave = n % len(waves)
        yield sum(waves[:wave]) + int(waves[wave] * chance.uniform(0.02, 0.85))


def _kinds(chance: random.Random, engine: Engine) -> Iterator[FaultKind]:
    """Draw all faults before any repeats; those with many points come more often."""
    able = [fault for fault in _ON_BOTH if engine == "postgresql" or fault not in _POSTGRESQL_ONLY]
    return _shuffled(chance, tuple(fault for fault in able for _ in range(_OFTEN.get(fault, 1))))


def _shuffled(chance: random.Random, items: tuple[T, ...]) -> Iterator[T]:
    while True:
        yield from chance.sample(items, len(items))


def _event(
    chance: random.Random, at: int, fault: FaultKind, points: dict[FaultKind, Iterator[str]], length: Length
) -> PlannedFault:
    seconds = round(chance.uniform(0.5, 1.5) * (1 if length == "short" else 2), 2)
    if fault not in points:
        return PlannedFault(at, fault, seconds=seconds)
    point = next(points[fault])
    rare = point.partition(" ")[2].startswith(_RARE)
    return PlannedFault(at, fault, point, 1 if rare else chance.randint(1, 5), seconds)


def _with_long_outage(events: list[PlannedFault]) -> list[PlannedFault]:
    for index, event in enumerate(events):
        if event.fault is FaultKind.DATABASE_AWAY:
            longer = PlannedFault(event.at, event.fault, seconds=_LONG_AWAY_S)
            return [*events[:index], longer, *events[index + 1 :]]
    return events
