"""What a carrier refuses all the same stands beside the register's entry of that name."""

from __future__ import annotations

from sqlalchemy import update

from app.core import clock
from app.database.connection import Database
from app.database.models import runs
from app.dispatch import link_store
from app.ledger.contract import SubmitOutcome
from app.sender_names import refusals
from carriers.contract import Halted, Reason, Rejected
from tests.app.world import build
from tests.operations import carry_out


def test_refused_messages_and_halted_links_stand_by_name_and_carrier(db: Database) -> None:
    world = build(db, 3)
    started = {"started_at": clock.now_ms()}
    db.write(lambda c: c.execute(update(runs).values(started)))
    world.fan_out()
    lease = world.claim()
    assert lease
    reasons = (Reason.FILTERED, Reason.FILTERED, Reason.NO_SUCH_NUMBER)
    outcomes = [
        SubmitOutcome(item, Rejected("30", why)) for item, why in zip(lease.items, reasons, strict=True)
    ]
    db.write(world.ledger.record, world.link, lease, outcomes, None, 30.0)
    (found,) = carry_out(db, "list_register_refusals")
    assert (found.carrier, found.name, found.run_id, found.messages) == ("viettel", "CA SONLA", world.run, 2)
    db.write(link_store.halt, world.link.id, Halted("29", "The registration has run out."))
    assert [(each.link, each.code) for each in db.read(refusals.refusals) if each.link] == [
        ("viettel-1", "29")
    ]
    assert db.read(refusals.refusals, "vnpt") == []
    db.write(link_store.halt, world.link.id, Halted("1", "The password is wrong."))
    assert [each.link for each in db.read(refusals.refusals)] == [None]


def test_what_was_refused_a_year_ago_is_not_shown(db: Database) -> None:
    world = build(db, 1)
    world.fan_out()
    lease = world.claim()
    assert lease
    refused = [SubmitOutcome(lease.items[0], Rejected("30", Reason.FILTERED))]
    db.write(world.ledger.record, world.link, lease, refused, None, 30.0)
    db.write(lambda c: c.execute(update(runs).values(started_at=1)))
    assert db.read(refusals.refusals) == []
