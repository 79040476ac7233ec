"""What a worker asks for ever, whether anything is due to be erased: right, and as cheap after years."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, insert, update

from app.core.clock import DAY_MS
from app.core.states import CampaignState, RunState
from app.database import models as m
from app.database.connection import Database
from app.privacy import retention_due
from app.privacy.erasable import ErasureKind, RetentionTerms

NOW = 1_800_000_000_000
TERMS = RetentionTerms(90, 12)
_TEXTS: dict[str, Any] = {"name": "x", "purpose": "tuyen_truyen", "sender": "CA", "texts": {"": "x"}}
_TEXTS |= {"created_by": "an", "day_starts": "00:00", "day_ends": "24:00"}


def campaign(connection: Connection, number: int, ended_at: int | None, **run: Any) -> None:
    """A campaign with one batch and one run."""
    made = {"id": number, "created_at": NOW - 800 * DAY_MS, "state": CampaignState.APPROVED.value}
    connection.execute(insert(m.campaigns).values(_TEXTS | made))
    own = {"id": number, "campaign_id": number, "carrier": "vnpt", "created_at": made["created_at"]}
    own |= {"state": RunState.FINISHED.value, "ended_at": ended_at} | run
    connection.execute(insert(m.runs).values(own))
    batch = {"id": number, "carrier": "vnpt", "name": "x.csv", "sha256": f"{number:064x}", "state": "ready"}
    batch |= {"created_at": made["created_at"], "created_by": "an"}
    connection.execute(insert(m.batches).values(batch))
    link = {"campaign_id": number, "batch_id": number, "run_id": number}
    connection.execute(insert(m.run_batches).values(link))


def erased(connection: Connection, kind: ErasureKind, number: int, due_at: int) -> None:
    """The certificate of an erasure that is done."""
    said = {"kind": kind.value, "subject_id": number, "name": "x", "rule": "", "days": 90, "due_at": due_at}
    said |= {"counts": {}, "totals": [], "by": "retention", "started_at": due_at, "ended_at": due_at}
    connection.execute(insert(m.erasures).values(said | {"sha256": "0" * 64}))


def some_past(connection: Connection, dice: random.Random) -> None:
    """Campaigns, reports, files and certificates of the last two years, as they happen to lie."""
    for number in range(1, 30):
        ended = NOW - dice.randrange(0, 700) * DAY_MS
        state = dice.choice([RunState.FINISHED, RunState.CANCELLED, RunState.PAUSED, RunState.PLANNED])
        over = state in (RunState.FINISHED, RunState.CANCELLED)
        campaign(connection, number, ended if over else None, state=state.value)
        window = update(m.campaigns).where(m.campaigns.c.id == number)
        connection.execute(window.values(window_end=dice.choice([None, ended + 3 * DAY_MS])))
        if over and ended < NOW - 90 * DAY_MS and dice.random() < 0.6:
            erased(connection, ErasureKind.CAMPAIGN, number, ended + 90 * DAY_MS)
        if dice.random() < 0.2:
            held = {"run_id": number, "areas": [], "area_basis": "x", "estimated": 1}
            connection.execute(insert(m.audiences).values(held))
        if dice.random() < 0.3:
            own = update(m.run_batches).where(m.run_batches.c.campaign_id == number)
            connection.execute(own.values(batch_id=dice.randrange(1, number + 1)))
        file = {"carrier": "vnpt", "name": "r.csv", "sha256": f"{number:064x}", "state": "ready"}
        file |= {"created_at": ended, "created_by": "an", "campaign_id": dice.choice([None, number])}
        connection.execute(insert(m.receipt_files).values(file))


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.prove) for n in range(1, 12))])
def test_a_look_finds_what_the_whole_list_has_as_the_first_that_is_due(db: Database, seed: int) -> None:
    db.write(some_past, random.Random(seed))
    done: set[tuple[ErasureKind, int | None]] = set()

    def all_due(connection: Connection) -> list[tuple[ErasureKind, int | None]]:
        every = retention_due.subjects(connection, TERMS)
        return [(s.kind, s.id) for s in every if s.due_at is not None and s.due_at <= NOW]

    wanted = db.read(all_due)
    assert wanted
    found = []
    while subject := db.read(retention_due.due, TERMS, NOW, frozenset(done)):
        found.append((subject.kind, subject.id))
        done.add(found[-1])
    assert found == wanted


def test_a_look_asks_no_more_the_more_campaigns_there_were(db: Database) -> None:
    """Erased ones and those whose days are not over cost nothing of their own."""
    asked = []
    for first, last in ((1, 10), (101, 200)):
        db.write(_some_more, range(first, last + 1))
        asked.append(_statements(db))
    assert asked[0] < 15
    assert asked[0] == asked[1]


def _some_more(connection: Connection, numbers: range) -> None:
    """Campaigns whose days are not over, every other one of them erased."""
    for number in numbers:
        campaign(connection, number, NOW - 20 * DAY_MS)
        if number % 2:
            erased(connection, ErasureKind.CAMPAIGN, number, NOW - 10 * DAY_MS)
            erased(connection, ErasureKind.BATCH, number, NOW - 10 * DAY_MS)
            own = update(m.batches).where(m.batches.c.id == number)
            connection.execute(own.values(state="erased"))


def _nothing_due(connection: Connection) -> None:
    assert retention_due.due(connection, TERMS, NOW) is None


def _statements(db: Database, work: Callable[[Connection], object] = _nothing_due) -> int:
    count = [0]

    def before(*call: object) -> None:
        count[0] += 1

    engine: Engine = db.engine
    event.listen(engine, "before_cursor_execute", before)
    try:
        db.read(work)
    finally:
        event.remove(engine, "before_cursor_execute", before)
    return count[0]


def test_the_whole_list_asks_no_more_for_a_hundred_campaigns_than_for_ten(db: Database) -> None:
    """The page of erasures shows them all, with what their runs, reports and directives say."""
    asked = []
    for first, last in ((1, 10), (11, 50)):
        db.write(_some_more, range(first, last + 1))
        asked.append(_statements(db, lambda c: list(retention_due.subjects(c, TERMS))))
    assert asked[0] == asked[1] < 30
