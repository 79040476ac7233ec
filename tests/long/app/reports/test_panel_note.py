"""The note of the test telephones in a consolidated report: on paper beside the claim, never in a figure."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import delete, insert, update

from app.core import clock
from app.database.connection import Database
from app.database.models import campaigns, directives, frozen_reports, panel_answers, panel_telephones
from app.reports.counting.snapshot_taking import take
from app.reports.counting.snapshots import SnapshotCause
from app.reports.forms import letterhead
from app.reports.frozen import archive
from app.reports.frozen.archive import Frozen, ReportSubject, SubjectKind
from app.reports.release import verify_archive
from app.reports.release.freeze import Freezer
from app.telephone_panel.answers import Answer
from tests.app.telephone_panel.scene import answer, panel, sent
from tests.app.world import World, approve
from tests.engines import by_default
from tests.long.app.reports.reading import words

database_url = by_default
HEADS = letterhead.load(None)
LETTER = ReportSubject(SubjectKind.DIRECTIVE, 1)
NOTE = "Kiểm chứng bằng máy thử, Viettel (mã đợt 1 trong Loa): "


def ordered(db: Database) -> World:
    """A run of 40 messages, all claimed to be delivered, under a directive."""
    world = sent(db, 40, delivered=40)
    letter = {"id": 1, "number": "303/CAT-PA05", "issued_on": "2024-01-29", "issuer": "CAT", "subject": "Tet"}
    letter |= {"addressees": ["Viettel"], "created_at": clock.now_ms(), "created_by": "an"}

    def work(c: Any) -> None:
        c.execute(insert(directives).values(letter))
        c.execute(update(campaigns).values(directive_id=1))
        approve(c, world.campaign)

    db.write(work)
    return world


def frozen(world: World, cutoff_ms: int | None = None) -> tuple[Frozen, bool]:
    return Freezer(world.db, world.ledger, HEADS, "tester").freeze(LETTER, cutoff_ms)


def document(db: Database, report: Frozen) -> dict[str, Any]:
    return dict(json.loads(db.read(archive.figures, report)))


def read(db: Database, report: Frozen, form: str) -> str:
    return words(form, db.read(archive.content, report, form)[1])


def sound(db: Database, report: Frozen) -> bool:
    return verify_archive.prove(db, db.read(archive.get, report.id)).sound


def test_without_an_answer_a_report_says_nothing_of_telephones(db: Database) -> None:
    world = ordered(db)
    panel(db, 30)
    report, _ = frozen(world)
    assert all("panel" not in run for run in document(db, report)["runs"])
    assert NOTE not in read(db, report, "docx")
    assert sound(db, report)


def test_the_note_stands_on_paper_changes_no_figure_and_outlives_the_panel(db: Database) -> None:
    world = ordered(db)
    telephones = panel(db, 30)
    before, _ = frozen(world)
    for place, telephone in enumerate(telephones):
        answer(db, world.run, telephone, Answer.NOT_RECEIVED if place < 8 else Answer.RECEIVED)
    report, new = frozen(world)
    assert (report.version, new, report.changes) == (2, True, ())
    old, said = document(db, before), document(db, report)
    kept = said["runs"][0].pop("panel")
    assert (kept["verdict"], kept["received"], kept["not_received"], kept["limit"]) == (
        "refuted",
        22,
        8,
        0.86,
    )
    assert [run["measured"]["general"] for run in said["runs"]] == [
        run["measured"]["general"] for run in old["runs"]
    ]
    note = f"{NOTE}bác bỏ số liệu đã nhận; 8 trên 30 máy không nhận được tin, tỷ lệ tin đến được cao nhất là"
    for form in ("docx", "pdf"):
        assert note in read(db, report, form), form
    assert "86,0 % (mức tin cậy 95%)." in read(db, report, "docx")
    again, newer = frozen(world)
    assert (again.version, newer) == (2, False)
    db.write(lambda c: c.execute(delete(panel_answers)))
    db.write(lambda c: c.execute(delete(panel_telephones)))
    assert sound(db, report)
    assert sound(db, before)


def test_a_later_answer_makes_a_version_and_the_frozen_one_stays(db: Database) -> None:
    world = ordered(db)
    one, two, three = panel(db, 3)
    answer(db, world.run, one, Answer.RECEIVED)
    first, _ = frozen(world)
    assert f"{NOTE}chưa bác bỏ (1 máy)." in read(db, first, "docx")
    answer(db, world.run, two, Answer.RECEIVED)
    cutoff = take(db, [LETTER], SnapshotCause.MIDNIGHT)
    answer(db, world.run, three, Answer.RECEIVED)
    second, new = frozen(world, cutoff)
    assert (second.version, new) == (2, True)
    assert f"{NOTE}chưa bác bỏ (2 máy)." in read(db, second, "docx")
    third, new = frozen(world)
    assert (third.version, new) == (3, True)
    said = [document(db, each)["runs"][0]["panel"]["received"] for each in (first, second, third)]
    assert said == [1, 2, 3]
    assert sound(db, first)


def test_a_changed_note_is_found(db: Database) -> None:
    world = ordered(db)
    (one,) = panel(db, 1)
    answer(db, world.run, one, Answer.RECEIVED)
    report, _ = frozen(world)
    content = db.read(archive.figures, report).replace('"not_refuted"', '"refuted"')
    own = update(frozen_reports).where(frozen_reports.c.id == report.id)
    db.write(lambda c: c.execute(own.values(figures=content)))
    assert not sound(db, report)
