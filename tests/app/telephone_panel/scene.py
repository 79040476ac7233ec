"""A run of a list and one that its carrier sends itself, with test telephones among their subscribers."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert, update

from app.campaigns.carrier_audience import Audience
from app.core import clock
from app.core.areas import Basis
from app.core.clock import DAY_MS
from app.core.states import RunState
from app.database.connection import Database
from app.database.models import panel_telephones, runs
from app.telephone_panel import answers
from app.telephone_panel.answers import Answer, PanelMember
from carriers.contract import ReceiptStatus
from tests.app.campaigns.test_held_runs import held_run
from tests.app.world import FIRST_PHONE, World, accepted, build, receipt
from tests.operations import carry_out

AREA = "03646"


def add(
    db: Database, phone: int, carrier: str = "viettel", ago_ms: int = 3 * DAY_MS, area: str = AREA
) -> int:
    """A telephone that has been in the panel for so long; its ID."""
    row = {"phone": phone, "carrier": carrier, "area": area, "consent_on": "2024-01-02", "added_by": "an"}
    row["added_at"] = clock.now_ms() - ago_ms
    query = insert(panel_telephones).values(row).returning(panel_telephones.c.id)
    return int(db.write(lambda c: c.execute(query).scalar_one()))


def panel(db: Database, n: int, carrier: str = "viettel", first: int = FIRST_PHONE) -> list[int]:
    return [add(db, first + place, carrier) for place in range(n)]


def started(world: World, ago_ms: int = 2 * DAY_MS) -> None:
    world.db.write(lambda c: c.execute(update(runs).values(started_at=clock.now_ms() - ago_ms)))


def ended(db: Database, run_id: int, ago_ms: int = DAY_MS + 60_000) -> None:
    """It has been over for so long, by default long enough."""
    values: dict[str, Any] = {"ended_at": clock.now_ms() - ago_ms, "state": RunState.FINISHED.value}
    db.write(lambda c: c.execute(update(runs).where(runs.c.id == run_id).values(values)))


def sent(db: Database, subscribers: int, delivered: int | None = None) -> World:
    """A run of which all was sent, and so many (all) have a receipt of their handset; over since a day."""
    world = build(db, subscribers)
    started(world)
    world.fan_out()
    while lease := world.claim():
        db.write(world.ledger.record, world.link, lease, accepted(lease.items), None, 30.0)
    for seq in range(2, 2 + (subscribers if delivered is None else delivered)):
        done = [receipt(world.link, f"m{seq}", ReceiptStatus.DELIVERED, phone=FIRST_PHONE + seq - 2)]
        db.write(world.ledger.apply, done)
    ended(db, world.run)
    return world


def held(db: Database, areas: tuple[str, ...] = ()) -> int:
    """A run that vnpt sends to its own subscribers, started two days ago, and over."""
    basis = Basis.REGISTERED if areas else Basis.UNDIVIDED
    _, run_id = held_run(db, Audience(areas, basis, 350_000))
    db.write(lambda c: c.execute(update(runs).where(runs.c.id == run_id).values(state="running")))
    started_at = clock.now_ms() - 2 * DAY_MS
    db.write(lambda c: c.execute(update(runs).where(runs.c.id == run_id).values(started_at=started_at)))
    ended(db, run_id)
    return run_id


def members(db: Database, run_id: int) -> list[PanelMember]:
    found: list[PanelMember] = carry_out(db, "list_run_panel", run_id=run_id)
    return found


def answer(db: Database, run_id: int, telephone_id: int, said: Answer) -> None:
    def work(connection: Any) -> None:
        run = answers.run_of(connection, run_id)
        answers.record(connection, run, telephone_id, said, answers.AnswerWay.LINK)

    db.write(work)
