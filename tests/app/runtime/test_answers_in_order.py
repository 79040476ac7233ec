"""No message is passed over, in whatever order those who store messages are done."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select

from app.core.answer_kinds import AnswerKind
from app.database.connection import Database
from app.database.models import inbound_messages
from tests.app.inbound.test_inbound_writer import PHONE, message, write
from tests.app.runtime.citizens import TEXTS, answer, approved, decisions, job, send
from tests.app.runtime.test_answers import OTHERS, world
from tests.app.world import World
from tests.engines import each_engine

__all__ = ["world"]
database_url = each_engine
OTHER = AnswerKind.OTHER
THIRD = "84912345603"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # SQLite has one writer
async def test_a_message_whose_commit_comes_after_a_later_one_is_answered(world: World, db: Database) -> None:
    approved(db, OTHER)
    write(world, message("Alo"))
    (row,) = db.read(lambda c: c.execute(select(inbound_messages)).mappings().all())
    late = {**row, "phone": int(OTHERS), "text": "Alo the", "arrival": "late-0"}
    del late["id"]
    at_work = job(world)
    with db.engine.connect() as slow, slow.begin():
        (first,) = slow.execute(insert(inbound_messages).values(late).returning(inbound_messages.c.id)).one()
        write(world, message("Alo", THIRD), name="b")
        await answer(at_work)
        assert [phone for phone, _ in send(world)] == [int(PHONE), int(THIRD)]
    await answer(at_work)
    assert send(world) == [(int(OTHERS), TEXTS[OTHER])]
    assert first == row["id"] + 1
    assert decisions(db) == [("other", None)] * 3
