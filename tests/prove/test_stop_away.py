"""SIGTERM while the database is away: waited for it is, so that nothing is lost, but not for ever."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.core.states import DeliveryState
from app.database import schema
from app.database.connection import Database
from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.faults.ending import settled
from tests.faults.processes import Home, Program, smpp_link
from tests.faults.server import own_server
from tests.faults.view import View, queue

COUNT = 1000
ON_THE_WIRE = 200
# Answers that let the window grow to its full size; then such as come when the wire is full, and nothing is
# being written down.
BEHAVIOUR = SmscBehaviour(answer_delay_s=0.5, receipt_delay_s=0.5)
SLOW_S = 4.0


@dataclass(frozen=True, slots=True)
class Ground:
    """A home, and how its database goes away and comes back."""

    home: Home
    go: Callable[[], object]
    come_back: Callable[[], object]


@contextmanager
def _on_sqlite(folder: Path) -> Iterator[Ground]:
    """Another program holds the file."""
    file = folder / "loa.sqlite3"
    with closing(sqlite3.connect(file, isolation_level=None, timeout=10)) as other:
        home = Home(folder, f"sqlite:///{file}")
        yield Ground(home, lambda: other.execute("BEGIN IMMEDIATE"), lambda: other.execute("ROLLBACK"))


@contextmanager
def _on_postgresql(folder: Path) -> Iterator[Ground]:
    with own_server() as server:
        yield Ground(Home(folder, server.url), server.stop, server.start)


@pytest.fixture(params=["sqlite", "postgresql"])
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ground]:
    with ExitStack() as stack:
        found = stack.enter_context((_on_sqlite if request.param == "sqlite" else _on_postgresql)(tmp_path))
        stack.callback(found.home.end)
        db = Database(found.home.url)
        schema.upgrade(db)
        db.close()
        yield found


@asynccontextmanager
async def _away_in_mid_run(ground: Ground, patience_s: float) -> AsyncIterator[tuple[Smsc, Program]]:
    """A sender whose wire is full; its database goes away, then it is told to stop."""
    home = ground.home
    queue(home.url, COUNT)
    async with Smsc(BEHAVIOUR) as smsc:
        home.configure(
            {"viettel-1": smpp_link("viettel", smsc.port, window=ON_THE_WIRE)}, stop_patience_s=patience_s
        )
        sender = home.sender()
        await home.until(lambda: smsc.taken() > ON_THE_WIRE, "the window has grown")
        await _full_wire(home, smsc)
        ground.go()
        sender.process.terminate()
        yield smsc, sender


async def _full_wire(home: Home, smsc: Smsc) -> None:
    """All that the window takes waits for slow answers, and what was answered before is written down."""
    view, before = View(home.url), smsc.taken()
    smsc.change(answer_delay_s=SLOW_S)

    def full() -> bool:
        answered = int(smsc.report()["answered"])
        if smsc.taken() - answered != ON_THE_WIRE or smsc.taken() < before + ON_THE_WIRE:
            return False
        return len(view.phones(DeliveryState.SUBMITTED, DeliveryState.DELIVERED)) == answered

    await home.until(full, "the wire is full")


async def test_a_database_that_is_gone_for_good_holds_no_process_up(ground: Ground) -> None:
    """What could not be written down is said, and is just what the next process finds unknown."""
    home = ground.home
    async with _away_in_mid_run(ground, 2) as (smsc, sender):
        assert await sender.ended() == 1, sender.words()
        said = sender.words().splitlines()[-1]
        assert said.startswith("loa: The database did not come back within 2 s after the stop request. "), (
            said
        )
        assert _number(r"The answers to (\d+) messages are not recorded", said) == ON_THE_WIRE
        ground.come_back()
        smsc.change(answer_delay_s=0.02)
        second = home.sender()
        never = await settled(home, smsc, COUNT)
        assert never == set()  # receipts that were not taken have come again
        lost = [each["n"] for each in second.events() if "dead holder" in each["event"]]
        assert sum(lost) == ON_THE_WIRE


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    assert found is not None, text
    return int(found[1])


async def test_a_database_that_comes_back_in_time_is_told_everything(ground: Ground) -> None:
    home, view = ground.home, View(ground.home.url)
    async with _away_in_mid_run(ground, 60) as (smsc, sender):
        await home.until(lambda: "the database is away" in sender.words(), "it has noticed")
        ground.come_back()
        assert await sender.ended() == 0, sender.words()
        assert view.leases() == 0
        assert view.phones(DeliveryState.UNKNOWN) == set()
        sent = view.phones(DeliveryState.SUBMITTED, DeliveryState.DELIVERED)
        assert sent == set(smsc.numbers())
        assert len(sent) >= ON_THE_WIRE
