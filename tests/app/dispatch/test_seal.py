"""Tampering after the approval, with one row or one byte of it, is found before a message goes out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, select, text, update

from app.campaigns import approval
from app.campaigns.runs import Verb, act
from app.core import clock
from app.core.errors import Conflict
from app.core.states import RunState
from app.database.connection import Database
from app.database.models import approvals, audiences, audit, batches, campaigns, run_batches, runs
from app.dispatch.run_content import claim, run_contents
from app.ledger import approval_digest
from tests.app.dispatch.paper import PaperCarrier, loop_for, until
from tests.app.world import World, add_batch, approve, build
from tests.engines import on_sqlite, other_by_hand
from tests.sampled import each_third

Change = Callable[[Connection, World], Any]

# Every column of a campaign: what it is replaced by, or why no message depends on it.
COLUMNS: dict[str, Any] = {
    "texts": {"": "Canh giac lua dao."},
    "text_areas": {"hmn": ["125"]},
    "sender": "CA SONLB",
    "purpose": "tuyen_truyem",
    "window_start": 1,
    "window_end": 4_102_444_800_000,
    "day_starts": "00:01",
    "day_ends": "23:59",
    "state": "draft",
    "budget_segments": 1_000_000,
    "budget_dong": 1_000_000,
    "budget_signed": 1_000_000,
    "budget_of": 1,
    "answers_to": "other",
    "answers_of": 1,
    "recordings": [{"language": "vi", "sha256": "0"}],
}
HARMLESS = {
    "id": "the key that everything hangs on",
    "directive_id": "the letter behind it",
    "name": "what people call it",
    "text_key": "where the wording came from; the wording itself is pinned",
    "wording": "the author's own spelling, for the next edit; what is sent of it is pinned",
    "version": "counts the edits",
    "created_at": "a mark in the keys of messages",
    "created_by": "people",
    "submitted_by": "people",
    "editors": "people",
    "behind": "people",
}


def test_no_column_of_a_campaign_is_forgotten() -> None:
    assert COLUMNS.keys() | HARMLESS.keys() == set(campaigns.c.keys())
    assert not COLUMNS.keys() & HARMLESS.keys()


def column(name: str) -> Change:
    return lambda c, _: c.execute(update(campaigns).values({name: COLUMNS[name]}))


def texts_byte(c: Connection, _world: World) -> None:
    """One byte of the stored JSON, past the application."""
    kind = "json" if c.dialect.name == "postgresql" else "text"
    changed = f"CAST(replace(CAST(texts AS text), 'Canh', 'Cang') AS {kind})"
    c.execute(text(f"UPDATE campaigns SET texts = {changed}"))


def another_batch(c: Connection, world: World) -> int:
    """A batch of other numbers, in no run; its id."""
    row = {"carrier": "viettel", "name": "b.csv", "sha256": "b" * 64, "state": "ready", "created_at": 0}
    made = c.execute(insert(batches).values(row | {"created_by": "x"}).returning(batches.c.id))
    return int(made.scalar_one())


def link_changed(c: Connection, world: World) -> None:
    c.execute(update(run_batches).values(batch_id=another_batch(c, world)))


def link_added(c: Connection, world: World) -> None:
    link = {"campaign_id": world.campaign, "run_id": world.run, "batch_id": another_batch(c, world)}
    c.execute(insert(run_batches).values(link))


def link_removed(c: Connection, world: World) -> None:
    add_batch(c, world.campaign, world.run, [84_912_999_999])
    c.execute(delete(run_batches).where(run_batches.c.batch_id == world.batch))


def second_run(c: Connection, world: World) -> None:
    row = {"campaign_id": world.campaign, "carrier": "vnpt", "state": "running", "created_at": 0}
    run = c.execute(insert(runs).values(row).returning(runs.c.id)).scalar_one()
    link = {"campaign_id": world.campaign, "run_id": run, "batch_id": another_batch(c, world)}
    c.execute(insert(run_batches).values(link))


def held_audience(c: Connection, world: World) -> None:
    row = {"run_id": world.run, "areas": [], "area_basis": "dia_chi_dang_ky", "estimated": 1}
    c.execute(insert(audiences).values(row))


TAMPERED: dict[str, Change] = {
    **{name: column(name) for name in COLUMNS},
    "one byte of the texts": texts_byte,
    "a batch's sha256": lambda c, _: c.execute(update(batches).values(sha256="84912000000-31")),
    "the batch of a link": link_changed,
    "one more link": link_added,
    "a link fewer": link_removed,
    "a run more": second_run,
    "an audience that the carrier holds": held_audience,
    "the approval's digest": lambda c, _: c.execute(update(approvals).values(digest="0" * 64)),
    "the approval's decision": lambda c, _: c.execute(update(approvals).values(decision="rejected")),
    "no approval": lambda c, _: c.execute(delete(approvals)),
}


def tampered(db: Database, change: str) -> World:
    world = build(db, 30)
    world.fan_out()
    db.write(TAMPERED[change], world)
    return world


@other_by_hand
@pytest.mark.parametrize("change", each_third(TAMPERED))
def test_a_running_run_that_was_tampered_with_gets_no_chunk(db: Database, change: str) -> None:
    world = tampered(db, change)
    found = db.write(claim, world.ledger, world.link, "link", 8.0)
    assert not hasattr(found, "lease")
    if change != "state":  # an edit over the API, by which the approval falls, stops it as before
        assert db.read(
            lambda c: c.execute(select(runs.c.state).where(runs.c.id == world.run)).scalar_one()
        ) == (RunState.PAUSED)
        acts = db.read(lambda c: c.execute(select(audit.c.action)).scalars().all())
        assert [each for each in acts if each != "campaign.approved"] == ["run.stopped"]


# What tampering is found on each engine is shown above.
@on_sqlite
@pytest.mark.parametrize("change", each_third(TAMPERED))
@pytest.mark.parametrize(("verb", "state"), [(Verb.START, "planned"), (Verb.RESUME, "paused")])
def test_a_tampered_run_neither_starts_nor_goes_on(db: Database, change: str, verb: Verb, state: str) -> None:
    world = tampered(db, change)
    db.write(lambda c: c.execute(update(runs).where(runs.c.id == world.run).values(state=state)))
    with pytest.raises(Conflict, match=r"differs from what was approved|is draft"):
        db.write(act, verb, world.run, "operator")


@pytest.mark.longer
@on_sqlite
def test_each_single_character_of_text_and_sender_counts(db: Database) -> None:
    world = build(db, 3)

    def row() -> Any:
        return db.read(lambda c: c.execute(select(campaigns)).one())

    first = row()
    for name, value in (("texts", first.texts[""]), ("sender", first.sender)):
        for place in range(len(value)):
            other = value[:place] + ("x" if value[place] != "x" else "y") + value[place + 1 :]
            values = {name: {"": other} if name == "texts" else other}
            db.write(lambda c, values=values: c.execute(update(campaigns).values(values)))
            assert db.read(approval_digest.approved, row()) is None, (name, place)
        db.write(lambda c, name=name: c.execute(update(campaigns).values({name: getattr(first, name)})))
    assert db.read(approval_digest.approved, row()) is not None
    assert world.campaign == first.id


@pytest.mark.longer
async def test_a_link_at_work_stops_at_the_next_chunk_with_nothing_of_the_new_text(db: Database) -> None:
    world, carrier = build(db, 400, chunk=50), PaperCarrier(delay_s=0.02)
    world.fan_out()
    await carrier.open()
    loop = loop_for(world, carrier)

    running = asyncio.create_task(loop.run())
    await until(lambda: len(carrier.copies) >= 20)
    db.write(lambda c: c.execute(update(campaigns).values(texts={"": "Gui tien ngay"})))
    state = select(runs.c.state)
    await until(lambda: db.read(lambda c: c.execute(state).scalar_one()) == RunState.PAUSED)
    loop.stop()
    await running
    assert set(carrier.texts) == {"Canh giac lua dao"}
    assert len(carrier.copies) <= 100
    world.check()


def test_what_is_not_tampered_with_is_sent(db: Database) -> None:
    world = build(db, 30)
    world.fan_out()
    assert [each.run_id for each in db.write(run_contents, "viettel", clock.now())] == [world.run]


@pytest.mark.longer
def test_a_run_that_its_carrier_sends_is_not_given_numbers_after_the_approval(db: Database) -> None:
    world = build(db, 30)
    db.write(lambda c: c.execute(delete(run_batches)))
    db.write(held_audience, world)
    db.write(approve, world.campaign)
    assert [each.run_id for each in db.write(run_contents, "viettel", clock.now())] == [world.run]
    db.write(link_added, world)
    assert db.write(run_contents, "viettel", clock.now()) == []
    assert db.read(lambda c: c.execute(select(runs.c.state)).scalar_one()) == RunState.PAUSED
    with pytest.raises(Conflict, match="differs from what was approved"):
        db.write(act, Verb.RESUME, world.run, "operator")


@pytest.mark.longer
@on_sqlite
def test_an_approval_of_before_runs_stood_in_it_still_holds(db: Database) -> None:
    world = build(db, 30)

    def of_then(c: Connection) -> None:
        row = c.execute(select(campaigns)).one()
        old = approval_digest._digest(row, approval_digest._by_carrier(c, row.id), "sha256")
        approval.write(c, row.id, "chief", digest=old, decision="approved")

    db.write(of_then)
    assert [each.run_id for each in db.write(run_contents, "viettel", clock.now())] == [world.run]
    db.write(held_audience, world)
    assert db.write(run_contents, "viettel", clock.now()) == []


@on_sqlite
def test_runs_that_change_places_are_not_what_was_approved(db: Database) -> None:
    world = build(db, 30)
    db.write(second_run, world)
    db.write(approve, world.campaign)
    first = db.read(lambda c: approval_digest.digest(c, c.execute(select(campaigns)).one()))
    db.write(lambda c: c.execute(update(run_batches).values(run_id=run_batches.c.run_id % 2 + 1)))
    assert db.read(lambda c: approval_digest.digest(c, c.execute(select(campaigns)).one())) != first
