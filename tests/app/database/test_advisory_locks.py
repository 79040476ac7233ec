"""Each thing that is done by one transaction at a time has a lock of its own."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

from sqlalchemy import func, select

import app
from app.database.advisory_locks import AdvisoryLock
from app.database.connection import Database, one_at_a_time
from app.database.models import tallies
from tests.app.world import build

APP = Path(app.__file__).parent
_NUMBERED = r"advisory_\w*lock\(\s*[0-9]|one_at_a_time\(\w+, *[0-9]|^_[A-Z]+ = 49[0-9]{2}\b"
_BARE = re.compile(_NUMBERED, re.MULTILINE)


def test_no_two_locks_have_one_number() -> None:
    numbers = [each.value for each in AdvisoryLock.__members__.values()]
    assert len(set(numbers)) == len(numbers) == len(AdvisoryLock)


def test_no_other_file_makes_up_a_number() -> None:
    bare = [path.name for path in APP.rglob("*.py") if _BARE.search(path.read_text(encoding="utf-8"))]
    assert bare == []


def test_tallies_are_folded_while_a_persons_request_is_answered(new_postgresql_url: str) -> None:
    with closing(Database(new_postgresql_url)) as db:
        world = build(db, 10)
        world.fan_out()
        with db.engine.begin() as answering:
            one_at_a_time(answering, AdvisoryLock.PERSON_REQUEST)
            db.write(world.ledger.fold_tallies)
            left = select(func.count()).select_from(tallies).where(~tallies.c.folded)
            assert db.read(lambda c: c.execute(left).scalar_one()) == 0
