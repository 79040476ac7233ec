"""The migration that drops languages of persons: lists stay whole, and nobody at work gets another text."""

from __future__ import annotations

import hashlib

import pytest
from alembic import command
from sqlalchemy import Connection, func, select, text, update

from app.core.errors import Conflict
from app.database import schema
from app.database.connection import Database
from app.database.models import batches, deliveries, runs
from app.ledger import batch_rows
from tests.app.world import World, build
from tests.engines import each_engine, other_by_hand

database_url = each_engine


def marked(db: Database, *, altered: bool = False, started: bool = False) -> World:
    """A ledger of before, in which the first of three has a language."""
    world = build(db, 3)
    world.fan_out()

    def mark(c: Connection) -> None:
        state = {"state": "running", "started_at": 1} if started else {"state": "planned", "started_at": None}
        c.execute(update(runs).values(state))
        c.execute(update(batches).values(rows_sha256="0" * 64 if altered else _older(c)))

    def _older(c: Connection) -> str:
        rows = c.execute(text("SELECT seq, phone, area, lang FROM subscribers ORDER BY seq")).all()
        lines = "".join(f"{each.seq} {each.phone} {each.area or ''} {each.lang or ''}\n" for each in rows)
        return hashlib.sha256(lines.encode()).hexdigest()

    db.write(lambda c: command.downgrade(schema._config(c), "0045"))
    for table in ("subscribers", "deliveries"):
        db.write(lambda c, of=table: c.execute(text(f"UPDATE {of} SET lang = 'hmn' WHERE seq = 2")))
    db.write(mark)
    return world


def up(db: Database) -> None:
    db.write(lambda c: command.upgrade(schema._config(c), "head"))


@other_by_hand
def test_a_list_has_the_digest_of_what_is_left(db: Database) -> None:
    world = marked(db)
    up(db)
    assert schema.differences(db) == []
    assert not db.read(batch_rows.rows_altered, world.batch)
    assert db.read(lambda c: c.scalar(select(func.count()).select_from(deliveries))) == 3


def test_a_list_that_was_altered_is_still_found_to_be(db: Database) -> None:
    world = marked(db, altered=True)
    up(db)
    assert db.read(batch_rows.rows_altered, world.batch)


def test_a_run_at_work_that_chooses_by_person_is_named_and_nothing_is_changed(db: Database) -> None:
    marked(db, started=True)
    with pytest.raises(Conflict, match=r"Run 1 chooses .* finish or cancel it"):
        up(db)
    kept = text("SELECT count(*) FROM subscribers WHERE lang = 'hmn'")
    assert db.read(lambda c: c.execute(kept).scalar_one()) == 1
