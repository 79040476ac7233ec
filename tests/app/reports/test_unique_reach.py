"""Unique reach: each person once, for the first campaign that reached them; its parts close with the rows."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from sqlalchemy import insert, update

from app.core import clock
from app.core.errors import NotFound
from app.core.states import DeliveryState
from app.database.connection import Database
from app.database.models import deliveries, directives, erasures, kept_reach, runs
from app.ledger.ledger import ledger_for
from app.reports.counting import consolidated, snapshots, unique_reach
from app.reports.counting.snapshot_taking import take
from app.reports.counting.snapshots import SnapshotCause
from app.reports.counting.unique_reach import UniqueReach
from app.reports.export.formats import Format, render
from app.reports.figures.figures import Figures, Unbalanced
from app.reports.frozen.archive import ReportSubject, SubjectKind
from carriers.contract import Reason
from tests.app.campaigns import past
from tests.app.campaigns.past import D, sent
from tests.app.campaigns.rows import DRAFT


@pytest.fixture
def letter(db: Database) -> int:
    row = {"number": "303/CAT-PA05", "issued_on": "2024-01-29", "issuer": "Công an tỉnh", "subject": "Tết"}
    row |= {"addressees": [], "created_at": 1, "created_by": "lan"}
    made = insert(directives).values(row).returning(directives.c.id)
    return int(db.write(lambda c: c.execute(made).scalar_one()))


def three_rounds(db: Database, letter: int) -> list[int]:
    """Numbers 0 to 9 at vnpt, then those not reached, and 0, 1 and 20 at viettel as well."""
    of = replace(DRAFT, directive_id=letter)
    good = {n: D.DELIVERED if n < 6 else D.UNDELIVERED for n in range(10)}
    return [
        sent(db, good, draft=of),
        sent(db, {6: D.DELIVERED, 7: D.RELAYED, 8: D.UNKNOWN, 9: D.DELIVERED}, draft=of),
        sent(db, {0: D.DELIVERED, 1: D.UNDELIVERED, 20: D.DELIVERED, 21: D.SUBMITTED}, "viettel", draft=of),
    ]


def of(db: Database, letter: int) -> UniqueReach:
    return db.read(unique_reach.present, letter)


def until_then(db: Database, letter: int, until: int) -> UniqueReach:
    found = db.read(unique_reach.of_directive, letter, until)
    assert found is not None
    return found


@pytest.mark.longer
def test_each_person_counts_once_where_they_were_reached_first(db: Database, letter: int) -> None:
    ids = three_rounds(db, letter)
    found = of(db, letter)
    assert found.persons == 9  # 0 to 6, 9 and 20
    assert [(each.campaign_id, each.first, each.repeated) for each in found.by_campaign] == [
        (ids[0], 6, 0),
        (ids[1], 2, 0),
        (ids[2], 1, 1),
    ]
    assert [(each.carrier, each.persons) for each in found.by_carrier] == [("viettel", 1), ("vnpt", 8)]
    assert sum(each.persons for each in found.by_area) == 9
    assert found.by_area[-1].code is None
    assert db.read(unique_reach.differences) == []


def test_a_directive_without_anything_reaches_nobody_and_an_unknown_one_is_said(
    db: Database, letter: int
) -> None:
    assert (of(db, letter).persons, of(db, letter).by_campaign) == (0, ())
    with pytest.raises(NotFound):
        of(db, 77)


@pytest.mark.longer
def test_campaigns_of_another_directive_are_apart(db: Database, letter: int) -> None:
    three_rounds(db, letter)
    sent(db, {30: D.DELIVERED}, "mobifone")
    assert of(db, letter).persons == 9


@pytest.mark.parametrize(
    ("first", "wanted"), [(date(2025, 6, 30), [("116", 2)]), (date(2025, 7, 1), [("03646", 1), ("116", 1)])]
)
def test_areas_are_those_of_the_first_start_as_in_the_forms(
    db: Database, letter: int, first: date, wanted: list[tuple[str, int]]
) -> None:
    """The districts were dissolved on 1 July 2025; what began before is told by them to its end."""
    of_letter = replace(DRAFT, directive_id=letter)
    one = sent(db, {0: D.DELIVERED, 1: D.DELIVERED}, areas=("116", "03646"), draft=of_letter)
    sent(db, {2: D.UNDELIVERED}, areas=("116",), draft=of_letter)
    starts = [(runs.c.campaign_id == one, first), (runs.c.campaign_id != one, date(2025, 8, 1))]
    for where, day in starts:
        noon = clock.to_ms(clock.midnight(day)) + 43_200_000
        db.write(
            lambda c, where=where, noon=noon: c.execute(update(runs).where(where).values(started_at=noon))
        )
    assert [(each.code, each.persons) for each in of(db, letter).by_area] == wanted


@pytest.mark.longer
@pytest.mark.parametrize("lost", [False, True])
def test_a_figure_that_differs_from_its_rows_is_not_given_out(db: Database, letter: int, lost: bool) -> None:
    ids = three_rounds(db, letter)
    row = (deliveries.c.campaign_id == ids[0], deliveries.c.phone == past.number(0 if lost else 7))
    state = int(D.UNDELIVERED if lost else D.DELIVERED)
    db.write(lambda c: c.execute(update(deliveries).where(*row).values(state=state)))
    with pytest.raises(Unbalanced, match=r"adds up to \d one way"):
        db.read(consolidated.build, letter, db.read(ledger_for(db).now_ms))


@pytest.mark.longer
def test_what_was_delivered_later_is_not_in_the_reach_of_a_snapshot(db: Database, letter: int) -> None:
    ids = three_rounds(db, letter)
    until = take(db, [ReportSubject(SubjectKind.DIRECTIVE, letter)], SnapshotCause.MIDNIGHT)
    before = until_then(db, letter, until)
    assert replace(before, cutoff_ms=0) == replace(of(db, letter), cutoff_ms=0)
    other = update(deliveries).where(deliveries.c.campaign_id == ids[0], deliveries.c.phone == past.number(7))
    db.write(lambda c: c.execute(other.values(state=int(D.DELIVERED))))
    assert of(db, letter).persons > before.persons == 9
    assert until_then(db, letter, until) == before


@pytest.mark.longer
def test_what_was_kept_at_an_erasure_stays_when_the_rows_are_gone(db: Database, letter: int) -> None:
    ids = three_rounds(db, letter)
    until = db.read(ledger_for(db).now_ms)
    before = until_then(db, letter, until)
    begun = {"kind": "campaign", "name": "x", "rule": "x", "days": 1, "due_at": 1, "started_at": 1}
    begun |= {"counts": {}, "totals": [], "by": "x"}
    db.write(lambda c: c.execute(insert(erasures), [begun | {"subject_id": each} for each in ids]))
    last = db.read(unique_reach.before_erasure, ids[0], until - 1)
    assert last is not None
    db.write(lambda c: snapshots.keep(c, *last, until - 1, SnapshotCause.ERASURE))
    counts = db.read(unique_reach.to_keep, ids[0])
    for _ in range(2):  # safe to run twice
        db.write(unique_reach.keep, counts)
    assert db.read(unique_reach.to_keep, ids[1]) == []
    db.write(lambda c: c.execute(deliveries.delete().where(deliveries.c.campaign_id == ids[0])))
    after = until_then(db, letter, until)
    assert all(each.kept for each in after.by_campaign)
    assert replace(after, by_campaign=()) == replace(before, by_campaign=())
    db.write(lambda c: c.execute(update(erasures).where(erasures.c.subject_id == ids[0]).values(ended_at=2)))
    assert db.read(unique_reach.differences) == []
    db.write(lambda c: c.execute(update(kept_reach).where(kept_reach.c.area == "116").values(first=9)))
    (said,) = db.read(unique_reach.differences)
    assert said.startswith(f"Campaign {ids[0]}: ")


@pytest.mark.longer
def test_the_consolidated_report_has_it_in_every_format(db: Database, letter: int) -> None:
    three_rounds(db, letter)
    report = db.read(consolidated.build, letter, db.read(ledger_for(db).now_ms))
    assert report.reach is not None
    assert report.reach.persons == 9
    said = json.loads(render(report, Format.JSON).content)["unique_reach"]
    assert (said["persons"], said["by_carrier"][0]) == (9, {"carrier": "viettel", "persons": 1})
    for form in (Format.CSV, Format.TEXT):
        assert "Thuê bao phải gửi" in render(report, form).content.decode("utf-8-sig")
    old: Any = consolidated.ConsolidationTerms(rules=2)
    before = db.read(consolidated.build, letter, db.read(ledger_for(db).now_ms), old)
    assert (before.reach, "unique_reach" in json.loads(render(before, Format.JSON).content)) == (None, False)


def test_a_person_is_a_state_of_the_telephone_not_of_the_centre(db: Database, letter: int) -> None:
    sent(db, dict.fromkeys(range(5), DeliveryState.RELAYED), draft=replace(DRAFT, directive_id=letter))
    assert of(db, letter).persons == 0


@pytest.mark.longer
def test_a_telephone_that_was_off_each_time_is_counted_once_among_the_failed(
    db: Database, letter: int
) -> None:
    draft = replace(DRAFT, directive_id=letter)
    off, dead = (D.UNDELIVERED, Reason.EXPIRED), (D.UNDELIVERED, Reason.NO_SUCH_NUMBER)
    sent(db, {0: off, 1: off, 2: dead, 3: D.DELIVERED}, draft=draft)
    sent(db, {0: off, 1: D.DELIVERED, 2: dead}, draft=draft)
    rows = of(db, letter).subscribers
    assert rows is not None
    whole = sum((row.figures for row in rows), Figures())
    assert (whole.eligible, whole.delivered, whole.failed, whole.switched_off) == (4, 2, 2, 1)
    whole.check("the directive")
