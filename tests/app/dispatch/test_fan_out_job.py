"""An approval binds the rows that were imported: one that was altered since is never queued."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, func, insert, select, text, update

from app.batches.importer import import_batch
from app.campaigns import runs as orders
from app.campaigns.runs import Verb
from app.core.errors import Conflict
from app.core.states import RunState
from app.database.connection import Database
from app.database.models import audit, batches, campaigns, deliveries, run_batches, runs, subscribers
from app.dispatch.fan_out_job import FanOutJob
from app.ledger import approval_digest, batch_rows
from app.ledger.ledger import ledger_for
from app.reports.verification.verify import verify
from tests.app.batches.files import put, registered
from tests.app.world import World, approve, aside, build

CSV = "phone,area\n0912345678,Mường La\n0912345679,\nnothing,\n0912345680,\n"
LAST = subscribers.c.seq == 5


def started(db: Database, folder: Path, content: str = CSV) -> World:
    """A run whose batch came in by an import, approved and begun; nothing of it is queued."""
    world = build(db, 1)
    db.write(lambda c: c.execute(delete(run_batches)))
    path, file = put(folder / "a.csv", content)
    batch = registered(db, file, carrier="viettel").id
    import_batch(db, batch, path)
    link = {"campaign_id": world.campaign, "run_id": world.run, "batch_id": batch}
    db.write(lambda c: c.execute(insert(run_batches).values(link)))
    db.write(approve, world.campaign)
    return world


def queue(db: Database) -> None:
    async def work() -> None:
        while await FanOutJob(db, ledger_for(db), aside(db)).next():
            pass

    asyncio.run(work())


def queued(db: Database) -> int:
    return int(db.read(lambda c: c.execute(select(func.count()).select_from(deliveries)).scalar_one()))


def state(db: Database) -> str:
    return str(db.read(lambda c: c.execute(select(runs.c.state)).scalar_one()))


@pytest.mark.longer
def test_what_was_imported_is_queued(db: Database, tmp_path: Path) -> None:
    started(db, tmp_path)
    query = select(batches.c.rows_sha256).order_by(batches.c.id)
    assert db.read(lambda c: c.execute(query).scalars().all())[-1]
    queue(db)
    assert (queued(db), state(db)) == (3, RunState.RUNNING)


@pytest.mark.longer
@pytest.mark.parametrize("every", [1, 2, 3, 7])
def test_a_list_with_bad_lines_is_queued_to_its_end(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    """It is checked and queued in the same pieces, which are so many persons, not so many lines."""
    monkeypatch.setattr(batch_rows, "SLICE", 5)
    lines = [f"{912_345_000 + n:010d}," if n % every == 0 else "nothing," for n in range(40)]
    started(db, tmp_path, "\n".join(("phone,area", *lines)))
    queue(db)
    assert (queued(db), state(db)) == (len(range(0, 40, every)), RunState.RUNNING)


def one_digit(c: Connection) -> None:
    c.execute(update(subscribers).where(LAST).values(phone=84_912_345_681))


def another_area(c: Connection) -> None:
    c.execute(update(subscribers).where(LAST).values(area="03646"))


def one_more(c: Connection) -> None:
    batch = c.execute(select(func.max(batches.c.id))).scalar_one()
    c.execute(insert(subscribers).values(batch_id=batch, seq=6, phone=84_912_345_699))


def one_fewer(c: Connection) -> None:
    c.execute(delete(subscribers).where(LAST))


def exchanged(c: Connection) -> None:
    c.execute(text("UPDATE subscribers SET seq = 4 WHERE seq = 5"))


def a_fraction(c: Connection) -> None:
    """SQLite keeps in a column of numbers whatever it is given."""
    c.execute(text("UPDATE subscribers SET phone = phone + 0.5 WHERE seq = 5"))


def no_number(c: Connection) -> None:
    c.execute(text("UPDATE subscribers SET phone = phone || 'x' WHERE seq = 5"))


ALTERED = [one_digit, another_area, one_more, one_fewer, exchanged, a_fraction, no_number]


@pytest.mark.longer
@pytest.mark.parametrize("alter", ALTERED)
def test_a_run_of_altered_rows_is_stopped_before_any_of_them_is_queued(
    sqlite_url: str, tmp_path: Path, alter: Any
) -> None:
    db = Database(sqlite_url)
    world = started(db, tmp_path)
    db.write(alter)
    queue(db)
    assert (queued(db), state(db)) == (0, RunState.PAUSED)
    last = db.read(lambda c: c.execute(select(audit).order_by(audit.c.id.desc()).limit(1)).one())
    assert (last.action, last.detail["why"], last.detail["batch"]) == ("run.stopped", "tampering", 2)
    db.write(orders.act, Verb.RESUME, world.run, "operator")
    queue(db)  # asked again, it is found again
    assert (queued(db), state(db)) == (0, RunState.PAUSED)
    said = [each.sentence for each in verify(db, ledger_for(db))]
    assert "Batch 2: its subscribers differ from those imported." in said
    db.close()


@pytest.mark.longer
@pytest.mark.parametrize("value", [None, "0" * 64])
def test_the_hash_of_the_rows_is_part_of_what_was_approved(
    sqlite_url: str, tmp_path: Path, value: str | None
) -> None:
    db = Database(sqlite_url)
    world = started(db, tmp_path)
    db.write(lambda c: c.execute(update(runs).values(state="paused")))
    db.write(lambda c: c.execute(update(batches).where(batches.c.id == 2).values(rows_sha256=value)))
    with pytest.raises(Conflict, match="differs from what was approved"):
        db.write(orders.act, Verb.RESUME, world.run, "operator")
    db.close()


@pytest.mark.longer
def test_a_batch_from_before_is_bound_by_its_file_and_its_approval_holds(sqlite_url: str) -> None:
    db = Database(sqlite_url)
    world = build(db, 30)
    row = db.read(lambda c: c.execute(select(campaigns)).one())
    assert db.read(approval_digest.approved, row) is not None
    db.write(lambda c: c.execute(update(subscribers).where(subscribers.c.seq == 5).values(area=None)))
    queue(db)
    assert queued(db) == 30
    assert world.batch == 1
    db.close()


@pytest.mark.longer
def test_a_cancelled_run_is_counted_all_the_same(sqlite_url: str, tmp_path: Path) -> None:
    db = Database(sqlite_url)
    world = started(db, tmp_path)
    db.write(one_digit)
    db.write(orders.act, Verb.CANCEL, world.run, "operator")
    queue(db)
    assert queued(db) == 3  # to be closed unsent by the next sweep
    db.close()
