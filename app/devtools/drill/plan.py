"""Which faults come at which points of progress: a pure function of the seed and of what was asked for."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeVar

from app.devtools.drill import fault_injection

Engine = Literal["sqlite", "postgresql"]
Length = Literal["short", "long"]
T = TypeVar("T")


class FaultKind(StrEnum):
    """What may happen; the words of the table."""

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
    TWO_WORKERS = "second worker on the lane"
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
# Faults at named points are drawn more often: there are many points.
_OFTEN = {FaultKind.KILL_SENDER: 6, FaultKind.KILL_API_IMPORT: 2, FaultKind.KILL_DATABASE: 3}
_POINTS = {
    FaultKind.KILL_SENDER: fault_injection.SENDER,
    FaultKind.KILL_FAN_OUT: fault_injection.FAN_OUT,
    FaultKind.KILL_API_IMPORT: fault_injection.IMPORT,
    FaultKind.KILL_API_ORDER: fault_injection.ORDER,
    FaultKind.KILL_DATABASE: fault_injection.SERVER,
}
# Points that come up once in a while only: the first time has to do.
_RARE = ("claim", "release", "settling", "tallies", "fan-out", "import", "order", "advance")
_WAVE = 50_000
_LONG_AWAY_S = 300.0


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """One fault: after so many messages, at the `turn`th time at a point (where it has one), for so long."""

    at: int
    fault: FaultKind
    point: str = ""
    turn: int = 1
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class DrillPlan:
    """Waves of so many messages, one campaign each, and what happens meanwhile, in order."""

    waves: tuple[int, ...]
    events: tuple[PlannedFault, ...]


@dataclass(frozen=True, slots=True)
class DrillOrder:
    """What a plan is made from."""

    seed: int
    messages: int
    faults: int
    engine: Engine
    length: Length


def make_plan(order: DrillOrder) -> DrillPlan:
    """The same order, the same plan."""
    chance = random.Random(f"loa drill {order}")  # noqa: S311 - repeatable on purpose
    many = max(1, order.messages // _WAVE)
    waves = [order.messages // many] * many
    waves[0] += order.messages - sum(waves)
    events = list(_beginnings(chance, waves))[: order.faults]
    kinds = _deck(chance, order.engine)
    decks = {fault: _shuffled(chance, at) for fault, at in _POINTS.items()}
    for at in sorted(_moments(chance, waves, order.faults - len(events))):
        events.append(_event(chance, at, next(kinds), decks, order.length))
    if order.length == "long":
        events = _with_long_outage(events)
    return DrillPlan(tuple(waves), tuple(sorted(events, key=lambda event: event.at)))


def _beginnings(chance: random.Random, waves: list[int]) -> Iterator[PlannedFault]:
    """What happens before anything of a wave is sent."""
    fan_out, at = _shuffled(chance, fault_injection.FAN_OUT), 0
    for size in waves:
        yield PlannedFault(at, FaultKind.UPLOAD_50)
        yield PlannedFault(at, FaultKind.START_50)
        yield PlannedFault(at, FaultKind.KILL_FAN_OUT, next(fan_out))
        at += size


def _moments(chance: random.Random, waves: list[int], count: int) -> Iterator[int]:
    """Points of progress, none of them where a wave ends: what is hit must still be at work."""
    for n in range(count):
        wave = n % len(waves)
        yield sum(waves[:wave]) + int(waves[wave] * chance.uniform(0.02, 0.85))


def _deck(chance: random.Random, engine: Engine) -> Iterator[FaultKind]:
    """Each fault once, those with many points more often, before any comes again."""
    able = [fault for fault in _ON_BOTH if engine == "postgresql" or fault not in _POSTGRESQL_ONLY]
    return _shuffled(chance, tuple(fault for fault in able for _ in range(_OFTEN.get(fault, 1))))


def _shuffled(chance: random.Random, cards: tuple[T, ...]) -> Iterator[T]:
    while True:
        yield from chance.sample(cards, len(cards))


def _event(
    chance: random.Random, at: int, fault: FaultKind, decks: dict[FaultKind, Iterator[str]], length: Length
) -> PlannedFault:
    seconds = round(chance.uniform(0.5, 1.5) * (1 if length == "short" else 2), 2)
    if fault not in decks:
        return PlannedFault(at, fault, seconds=seconds)
    point = next(decks[fault])
    rare = point.partition(" ")[2].startswith(_RARE)
    return PlannedFault(at, fault, point, 1 if rare else chance.randint(1, 5), seconds)


def _with_long_outage(events: list[PlannedFault]) -> list[PlannedFault]:
    """One of the outages lasts five minutes."""
    for index, event in enumerate(events):
        if event.fault is FaultKind.DATABASE_AWAY:
            longer = PlannedFault(event.at, event.fault, seconds=_LONG_AWAY_S)
            return [*events[:index], longer, *events[index + 1 :]]
    return events
