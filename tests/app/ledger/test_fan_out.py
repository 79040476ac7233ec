"""Fan-out in slices of lines: whoever is in the list once, in whole chunks, whatever the list looks like."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
from sqlalchemy import delete, func, select

from app.database.connection import Database
from app.database.models import chunks, deliveries, subscribers, tallies
from tests.app.at_once import while_open
from tests.app.world import FIRST_PHONE, World, add_batch, build


def phones(db: Database) -> list[int]:
    return list(
        db.read(lambda c: c.execute(select(deliveries.c.phone).order_by(deliveries.c.phone))).scalars()
    )


def counted(db: Database) -> int:
    """Persons of whom the tallies say something."""
    return int(db.read(lambda c: c.execute(select(func.sum(tallies.c.n))).scalar_one()))


@pytest.mark.longer
@pytest.mark.parametrize("gone", [(), (2,), (3, 4, 5, 6, 7), range(2, 20), (21,), range(4, 21, 2)])
@pytest.mark.parametrize("limit", [1, 3, 7, 20, 1000])
def test_lines_that_are_missing_cost_nobody_and_make_no_empty_chunk(
    db: Database, gone: Sequence[int], limit: int
) -> None:
    world = build(db, 20, chunk=4)
    db.write(lambda c: c.execute(delete(subscribers).where(subscribers.c.seq.in_(gone))))
    left = [line for line in range(2, 22) if line not in gone]
    assert world.fan_out(limit) == len(left)
    rows = db.read(lambda c: c.execute(select(chunks).order_by(chunks.c.first_seq)).all())
    inside = [[line for line in left if row.first_seq <= line <= row.last_seq] for row in rows]
    assert [line for lines in inside for line in lines] == left
    assert all(1 <= len(lines) <= 4 for lines in inside)
    assert all((row.first_seq, row.last_seq) == (of[0], of[-1]) for row, of in zip(rows, inside, strict=True))
    assert counted(db) == len(left)
    world.check()


@pytest.mark.longer
def test_two_lists_that_are_queued_at_the_same_time_have_each_person_once(db: Database) -> None:
    """The second finds no other list that was begun, and meets its numbers all the same."""
    world = build(db, 30)
    both = [FIRST_PHONE + n for n in range(20, 50)]
    other = db.write(add_batch, world.campaign, world.run, both)
    db.write(world.ledger.open_campaign, world.campaign)
    made = list[int]()

    def second() -> None:
        slice_ = db.write(world.ledger.fan_out, world.run, other, 1, 1000)
        made.extend((slice_.queued, slice_.repeated))

    then = threading.Thread(target=second)
    work = world.ledger.fan_out
    while_open(db, lambda c: work(c, world.run, world.batch, 1, 1000), lambda: _run(then))
    then.join(10)
    assert made == [20, 10]
    assert phones(db) == [FIRST_PHONE + n for n in range(50)]
    assert counted(db) == 60
    _settled(world)


def _run(then: threading.Thread) -> None:
    then.start()
    then.join(1.0)


def _settled(world: World) -> None:
    world.check()
    assert world.fan_out() == 0
