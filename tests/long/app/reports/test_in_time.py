"""Whether a run is in time: the directive's status and its consolidated report judge alike."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from app.core import clock
from app.core.states import DeliveryState as S
from app.core.states import NotSent
from app.database import models as m
from app.database.connection import Database
from app.directives.status import status
from app.reports.counting import consolidated
from app.reports.counting.consolidated import ConsolidationTerms
from app.reports.figures.carrier_statement import FigureSource
from tests.long.app.reports.intake.scene import held
from tests.long.app.reports.scene import DAY, HOUR, T0, Scene
from tests.long.app.reports.test_what_tables_claim import due

DUE = T0 + 2 * HOUR
ENDED = {"state": "sent", "ended_at": T0 + HOUR}
Outcome = tuple[S, NotSent | None]
CUT_OFF, CANCELLED = (S.NOT_SENT, NotSent.WINDOW_CLOSED), (S.NOT_SENT, NotSent.CANCELLED)


@pytest.mark.parametrize(
    ("outcomes", "run", "in_time"),
    [
        ([(S.DELIVERED, None)], ENDED, True),
        ([(S.RELAYED, None), (S.EXPIRED, None)], ENDED, True),
        ([(S.SUBMITTED, None)], ENDED, True),
        ([(S.UNKNOWN, None)], ENDED, None),
        ([(S.REJECTED, None)], ENDED, None),
        ([(S.EXPIRED, None), (S.UNDELIVERED, None)], ENDED, None),
        ([(S.EXCLUDED, None)], ENDED, False),
        ([CUT_OFF, (S.DELIVERED, None)], ENDED | {"closing": 21}, False),
        ([CUT_OFF, (S.UNKNOWN, None)], ENDED | {"closing": 21}, False),
        ([CANCELLED, (S.DELIVERED, None)], ENDED | {"state": "cancelled", "closing": 20}, None),
        ([], {"state": "planned", "started_at": None}, None),
        ([(S.QUEUED, None)], {"state": "paused"}, None),
    ],
)
def test_the_status_and_the_consolidated_report_agree_on_what_is_in_time(
    db: Database, outcomes: list[Outcome], run: dict[str, Any], in_time: bool | None
) -> None:
    """Neither says "in time", or "late", of what nobody knows."""
    scene = Scene(run["state"])
    for state, reason in outcomes:
        if state is S.EXCLUDED:
            scene.repeated(84_912_345_678)
        else:
            scene.message(state, **({} if reason is None else {"reason": int(reason)}))
    if not outcomes:
        scene.subscriber()
    scene.save(db)
    db.write(lambda c: c.execute(update(m.runs).values(run)))
    due(db, DUE)
    assert both(db, DUE - HOUR // 2) == (in_time, in_time)
    if "ended_at" not in run:
        assert both(db, DUE + HOUR) == (False, False)  # its deadline is over, and it is not sent


@pytest.mark.parametrize(("last", "in_time"), [(DUE, True), (DUE + 1, False)])
def test_what_was_sent_at_the_deadline_is_in_time(db: Database, last: int, in_time: bool) -> None:
    scene = Scene("sent")
    scene.message(S.DELIVERED, submitted_at=last, done_at=last)
    scene.save(db)
    db.write(lambda c: c.execute(update(m.runs).values(ended_at=last)))
    due(db, DUE)
    assert both(db, DUE + HOUR) == (in_time, in_time)


def both(db: Database, at: int) -> tuple[bool | None, bool | None]:
    """What status and report say of the last run at that time: whether it is in time."""
    line = db.read(consolidated.build, 1, at).lines[-1]
    kept = [line.sent_in_time(DUE, at)]
    if line.kind is not FigureSource.MEASURED:  # its figures must come in time too
        kept.append(line.reported_in_time(DUE, at))
    said = False if False in kept else None if None in kept else True
    return db.read(status, 1, clock.from_ms(at)).runs[-1].in_time, said


def test_they_agree_on_a_run_that_its_carrier_sends(db: Database) -> None:
    held(db)
    db.write(lambda c: c.execute(update(m.runs).values(ended_at=T0 + HOUR)))
    due(db, DUE)
    assert both(db, DUE - 1) == (None, None)
    assert both(db, DUE + 1) == (False, False)


def test_a_report_of_before_says_of_refused_messages_what_it_said(db: Database) -> None:
    """Its proof stays as it was."""
    scene = Scene("finished")
    scene.message(S.REJECTED)
    scene.save(db)
    db.write(lambda c: c.execute(update(m.runs).values(ended_at=T0 + HOUR)))
    due(db, DUE)
    of_before = db.read(consolidated.build, 1, DUE + DAY, ConsolidationTerms(rules=4)).lines[0]
    assert of_before.sent_in_time(DUE, DUE + DAY) is True
    assert db.read(consolidated.build, 1, DUE + DAY).lines[0].sent_in_time(DUE, DUE + DAY) is None
