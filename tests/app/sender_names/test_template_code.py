"""The code of the template that a text fits goes with the message as it was approved, whatever follows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, update

from app.api.bodies import filled
from app.campaigns import approval, lifecycle, optimistic_lock, runs
from app.core import clock
from app.database.connection import Database
from app.database.models import approvals
from app.dispatch.run_content import RunContent, run_contents
from app.security import Caller
from app.sender_names.register import NameBody
from tests.app.campaigns.rows import DRAFT, new_link, whole_run
from tests.operations import carry_out

CHIEF = Caller("chief", "approver")
WHOLE = {"day_starts": "00:00", "day_ends": "24:00", "purpose": "canh_bao_khan"}


def enter(db: Database, **fields: Any) -> int:
    body = filled(NameBody, {"carrier": "vnpt", "name": "CA SON LA", "state": "registered"} | fields)
    return int(carry_out(db, "add_sender_name", body=body).id)


def started(db: Database) -> None:
    """A campaign of the whole day, submitted, approved and started."""
    campaign_id, run_id = db.write(whole_run)
    draft: Any = replace(DRAFT, **WHOLE)
    version = db.read(optimistic_lock.campaign, campaign_id).version
    hours = lifecycle.DayHours("00:00", "24:00")
    db.write(lifecycle.edit, campaign_id, version, draft, hours, "author")
    db.write(lifecycle.submit, campaign_id, "author")
    db.write(approval.approve, campaign_id, CHIEF, None, "Urgent.")
    db.write(runs.act, runs.Verb.START, run_id, "operator")


def content(db: Database) -> list[RunContent]:
    return db.write(run_contents, "vnpt", clock.now())


def test_the_code_is_that_of_the_approval(db: Database) -> None:
    db.write(new_link)
    entry = enter(db, template="Canh giac {D,100}", template_code="800123")
    started(db)
    (found,) = content(db)
    assert (found.text, found.template_code) == ("Canh giac lua dao.", "800123")
    other = {"carrier": "vnpt", "name": "CA SON LA", "state": "registered"}
    other |= {"template": "Canh giac {D,100}", "template_code": "666"}
    carry_out(db, "change_sender_name", sender_name_id=entry, body=filled(NameBody, other))
    assert content(db)[0].template_code == "800123"
    row = db.read(lambda c: c.execute(select(approvals.c.links)).scalar_one())
    assert row["vnpt/template"] == ["800123"]


@pytest.fixture
def keyed(db: Database, database_url: str) -> Iterator[Database]:
    """The same database as a process with a key has it."""
    db.close()
    other = Database(database_url, keys=(b"k" * 32,))
    yield other
    other.close()


def test_a_code_that_somebody_writes_into_the_approval_stops_the_run(keyed: Database) -> None:
    keyed.write(new_link)
    enter(keyed, template="Canh giac {D,100}", template_code="800123")
    started(keyed)
    assert len(content(keyed)) == 1
    forged = update(approvals).values(links={"vnpt/template": ["666"]})
    keyed.write(lambda c: c.execute(forged))
    assert content(keyed) == []


def test_an_approval_without_a_template_binds_what_it_always_did(db: Database) -> None:
    db.write(new_link)
    enter(db)
    started(db)
    assert content(db)[0].template_code == ""
    assert db.read(lambda c: c.execute(select(approvals.c.links)).scalar_one()) is None
