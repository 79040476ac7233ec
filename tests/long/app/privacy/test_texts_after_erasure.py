"""What /verify says of a text is the same after retention has erased the totals of its campaign."""

from __future__ import annotations

from typing import Any

import pytest
from alembic import command as migrations
from sqlalchemy import update

from app.core.states import NotSent
from app.core.states import RunState as R
from app.database import models as m
from app.database import schema
from app.database.connection import Database
from app.ledger.ledger import ledger_for
from app.privacy.erasable import RetentionTerms
from app.reports.verification.verify import examine
from app.text_verification.compare import Texts
from app.text_verification.sent_texts import known_texts, read_sent
from tests.engines import on_sqlite, other_by_hand
from tests.long.app.privacy.past import DAYS, erase
from tests.long.app.reports.scene import DAY, T0, S, Scene

SOON = RetentionTerms(DAYS, 12)
FINISHED, CANCELLED = (R.FINISHED, None), (R.CANCELLED, NotSent.CANCELLED)
CUT_OFF = (R.FINISHED, NotSent.WINDOW_CLOSED)
Ran = tuple[tuple[R, NotSent | None], S]


def campaign(db: Database, *ran: Ran) -> None:
    """One run of campaign 1 for each, with one message in this state."""
    scene = Scene()
    scene.rows[m.runs].clear()
    scene.rows[m.links].clear()
    for id, ((state, closing), message) in enumerate(ran, 1):
        more: dict[str, Any] = {"ended_at": T0 + DAY, "closing": closing if closing is None else int(closing)}
        scene.run(id, ("vnpt", "viettel")[id - 1], state.value, **more)
        scene.batch(id, run=id)
        scene.message(message, batch=id)
    scene.save(db)


def verdict(db: Database) -> str:
    text = "Công an không làm việc qua điện thoại. KHÔNG chuyển tiền, KHÔNG đọc OTP cho ai."
    return Texts(known_texts(db.read(read_sent))).look(text).verdict.value


CASES = [
    ("genuine", [(FINISHED, S.DELIVERED)]),
    ("genuine", [(CUT_OFF, S.UNKNOWN)]),
    ("unknown", [(CUT_OFF, S.NOT_SENT)]),
    ("unknown", [(CANCELLED, S.NOT_SENT)]),
    ("withdrawn", [(CANCELLED, S.DELIVERED)]),
    ("genuine", [(CANCELLED, S.DELIVERED), (FINISHED, S.DELIVERED)]),
    ("unknown", [(CANCELLED, S.NOT_SENT), (CUT_OFF, S.NOT_SENT)]),
]
# Of which of its runs a campaign's totals were is known only where each run has noted it.
NOTED = [
    ("withdrawn", [(CANCELLED, S.DELIVERED), (CUT_OFF, S.NOT_SENT)]),
    ("genuine", [(CANCELLED, S.NOT_SENT), (FINISHED, S.REJECTED)]),
]


@pytest.mark.prove
@on_sqlite
@pytest.mark.parametrize(("said", "ran"), [*CASES, *NOTED[:1]])
def test_a_text_is_what_it_was_before_its_totals_were_erased(db: Database, said: str, ran: list[Ran]) -> None:
    erased_alike(db, said, ran)


@other_by_hand
def test_that_holds_of_each_run_on_each_engine(db: Database) -> None:
    erased_alike(db, *NOTED[1])


def erased_alike(db: Database, said: str, ran: list[Ran]) -> None:
    campaign(db, *ran)
    assert verdict(db) == said
    erase(db, terms=SOON)
    assert db.read(lambda c: c.execute(m.tallies.select()).all()) == []
    assert verdict(db) == said
    assert examine(db, ledger_for(db)).differences == ()


@pytest.mark.prove
@on_sqlite
@pytest.mark.parametrize(("said", "ran"), CASES)
def test_totals_that_were_erased_before_are_told_from_the_certificate(
    db: Database, said: str, ran: list[Ran]
) -> None:
    migrated(db, said, ran)


def migrated(db: Database, said: str, ran: list[Ran]) -> None:
    campaign(db, *ran)
    erase(db, terms=SOON)
    db.write(lambda c: migrations.downgrade(schema._config(c), "0049"))
    schema.upgrade(db)
    assert verdict(db) == said


def test_the_certificate_is_read_on_each_engine(db: Database) -> None:
    migrated(db, *CASES[4])


@on_sqlite
def test_a_run_that_says_other_than_the_certificate_of_its_campaign_is_found(db: Database) -> None:
    campaign(db, (CUT_OFF, S.NOT_SENT))
    erase(db, terms=SOON)
    db.write(lambda c: c.execute(update(m.runs).values(any_sent=True)))
    assert [each.sentence for each in examine(db, ledger_for(db)).differences] == [
        (
            "Campaign 1: what its runs record as sent differs from certificate 1, so the public check "
            "may give wrong answers about its text. Compare the database with a backup."
        )
    ]
