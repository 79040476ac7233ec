"""Whom a campaign did not reach, and the follow-up to them, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import select

from app.cli import app as loa
from app.core.errors import Conflict, Invalid
from app.database.connection import Database
from app.database.models import audit, run_batches, subscribers
from tests.app.cli.test_campaign_commands import Shell
from tests.app.missed import missed
from tests.app.world import FIRST_PHONE
from tests.exact import exactly

pytestmark = pytest.mark.longer


@pytest.fixture
def shell(db: Database, database_url: str, tmp_path: Path) -> Shell:
    missed(db)
    return Shell(database_url, tmp_path)


def audience(db: Database) -> list[int]:
    """Return whom the follow-up, campaign 2, names, counted from the first telephone of the world."""
    query = select(subscribers.c.phone).join(run_batches, run_batches.c.batch_id == subscribers.c.batch_id)
    rows = db.read(lambda c: c.execute(query.where(run_batches.c.campaign_id == 2)).scalars().all())
    return sorted(phone - FIRST_PHONE for phone in rows)


def test_who_was_not_reached_is_listed_by_cause(shell: Shell) -> None:
    rows = json.loads(shell(loa, "campaign", "unreached", "1", "--json"))
    listed = {row["cause"]: (row["messages"], row["subscribers"], row["usual"]) for row in rows}
    assert listed == {
        "rejected:filtered:TEMPLATE": (3, 3, False),
        "unknown": (3, 3, False),
        "rejected:filtered:ALIAS": (2, 2, False),
        "expired": (2, 2, True),
        "undelivered:handset:21": (1, 1, True),
        "undelivered:barred:13": (1, 1, False),
        "rejected:no_such_number:10": (1, 1, False),
        "rejected:other:DUPLICATE MESSAGE": (1, 0, False),
    }
    head, *lines = shell(loa, "campaign", "unreached", "1").splitlines()
    assert head.split() == ["CARRIER", "CAUSE", "MESSAGES", "SUBSCRIBERS", "USUAL"]
    assert len(lines) == len(rows)


def test_a_follow_up_takes_what_is_usual(shell: Shell, db: Database) -> None:
    answer = shell(loa, "campaign", "follow-up", "1")
    assert answer == "Campaign 2 is a draft for 3 at viettel."
    assert audience(db) == [10, 12, 13]


def test_a_follow_up_takes_the_causes_at_the_carriers_that_are_named(shell: Shell, db: Database) -> None:
    causes = ["--cause", "rejected:filtered:TEMPLATE", "--cause", "expired"]
    with pytest.raises(Invalid, match="There is no one to follow up"):
        shell(loa, "campaign", "follow-up", "1", *causes, "--carrier", "vnpt")
    answer = shell(loa, "campaign", "follow-up", "1", *causes, "--carrier", "viettel")
    assert answer == "Campaign 2 is a draft for 5 at viettel."
    assert audience(db) == [0, 1, 2, 12, 13]


@pytest.mark.parametrize("wrong", [[], ["--second-copies", "2"]])
def test_second_copies_are_confirmed_by_their_number(shell: Shell, db: Database, wrong: list[str]) -> None:
    unknown = ["campaign", "follow-up", "1", "--outcome", "unknown"]
    sentence = (
        "Nobody knows whether the carrier has the messages to 3 of these people, so they may get the text "
        "twice. To confirm, enter the number 3."
    )
    with pytest.raises(Conflict, match=exactly(sentence)):
        shell(loa, *unknown, *wrong)
    assert shell(loa, *unknown, "--second-copies", "3") == "Campaign 2 is a draft for 3 at viettel."
    assert audience(db) == [7, 8, 9]
    act = select(audit.c.detail).where(audit.c.action == "campaign.follow_up")
    assert db.read(lambda c: c.execute(act).scalar_one())["second_copies"] == 3


def test_a_cause_that_is_none_is_refused_in_a_sentence(shell: Shell) -> None:
    for cause in ("filtered", "delivered", "rejected:sunshine", "unknown:filtered"):
        sentence = (
            f"{cause} is not a valid cause. Use outcome:reason or outcome:reason:code, for example "
            "rejected:filtered."
        )
        with pytest.raises(Invalid, match=exactly(sentence)):
            shell(loa, "campaign", "follow-up", "1", "--cause", cause)
