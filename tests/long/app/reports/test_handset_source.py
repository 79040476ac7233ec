"""Papers and the code page say who said that receipts prove the telephone, as when they were frozen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from sqlalchemy import insert, update

from app.core.config import Settings
from app.database.connection import Database
from app.database.models import links, receipt_files
from app.ledger.ledger import ledger_for
from app.reports.counting import consolidated
from app.reports.export.formats import prepare
from app.reports.figures.version import Version
from app.reports.forms import letterhead
from app.reports.frozen import archive
from app.reports.frozen.archive import Frozen, ReportSubject, SubjectKind
from app.reports.frozen.printed_code import grouped
from app.reports.release.freeze import Freezer
from app.reports.release.issue import issue
from app.reports.release.verify_archive import Proof, prove
from app.runtime.api_app import create_app
from carriers.contract import ReceiptLevel
from tests.app.client import Client
from tests.long.app.reports.kept import issue_today
from tests.long.app.reports.reading import words
from tests.long.app.reports.scene import T0, S, Scene

RUN, OTHER, THIRD = (ReportSubject(SubjectKind.RUN, id) for id in (1, 2, 3))
DIRECTIVE = ReportSubject(SubjectKind.DIRECTIVE, 1)
NAMED = "Mức máy theo Công văn 12/VT của VNPT (02/11/2026)."
NOBODY = "Mức máy: chưa ghi ai xác nhận."


@pytest.fixture
def freezer(database_url: str) -> Iterator[Freezer]:
    """Three carriers: vnpt and viettel prove the telephone, mobifone the centre only."""
    scene = Scene("finished")
    scene.run(2, "mobifone", "finished", level=1)
    scene.run(3, "viettel", "finished")
    for run, state in ((2, S.RELAYED), (3, S.DELIVERED)):
        scene.batch(run, run=run)
        scene.message(state, batch=run)
    scene.message(S.DELIVERED)
    with closing(Database(database_url)) as db:
        scene.save(db)
        yield Freezer(db, ledger_for(db), letterhead.load(None), "officer")


def said(freezer: Freezer, carrier: str, source: str | None, **more: object) -> None:
    values = {"level_source": source, "level_source_on": source and "2026-11-02"} | more
    own = update(links).where(links.c.carrier == carrier)
    freezer.db.write(lambda c: c.execute(own.values(values)))


def text(freezer: Freezer, of: Frozen, form: str) -> str:
    content = freezer.db.read(archive.content, of, form)[1]
    return words(form.removeprefix("issued-").replace("summary", "pdf"), content)


@pytest.mark.parametrize("form", ["docx", "pdf"])
def test_a_carriers_paper_names_the_source_where_telephones_are_claimed(freezer: Freezer, form: str) -> None:
    said(freezer, "vnpt", "Công văn 12/VT của VNPT")
    said(freezer, "mobifone", "Công văn 13/VT")
    assert NAMED in text(freezer, freezer.freeze(RUN)[0], form)
    assert NOBODY in text(freezer, freezer.freeze(THIRD)[0], form)
    assert "Mức máy" not in text(freezer, freezer.freeze(OTHER)[0], form)


@pytest.mark.parametrize("form", ["docx", "pdf", "summary"])
def test_a_directives_paper_names_the_source_by_carrier(freezer: Freezer, form: str) -> None:
    said(freezer, "vnpt", "Công văn 12/VT của VNPT")
    found = text(freezer, freezer.freeze(DIRECTIVE)[0], form)
    assert "Mức máy: VNPT VinaPhone theo Công văn 12/VT của VNPT (02/11/2026); Viettel chưa" in found


def test_what_was_said_later_changes_no_frozen_report(freezer: Freezer) -> None:
    said(freezer, "vnpt", "Công văn 12/VT của VNPT")
    report = freezer.freeze(RUN)[0]
    for more in ({}, {"receipt_level": int(ReceiptLevel.OPERATOR)}):
        said(freezer, "vnpt", "Công văn 99/VT", **more)
        assert prove(freezer.db, report) == Proof(report.id, ())
    assert NAMED in text(freezer, issue(freezer, report.id, None, issue_today(remarks={})), "issued-docx")


def test_a_report_of_before_has_no_word_of_it(freezer: Freezer) -> None:
    until = freezer.db.wait_for_commits(None)
    built = freezer.db.read(consolidated.build, 1, until)
    lines = (
        replace(each, report=replace(each.report, header=replace(each.report.header, handset_by=None)))
        for each in built.lines
    )
    old = freezer._keep(prepare(replace(built, lines=tuple(lines))), DIRECTIVE, Version(1))
    assert "handset_proved_by" not in freezer.db.read(archive.figures, old)
    assert prove(freezer.db, old) == Proof(old.id, ())
    assert "Mức máy" not in text(freezer, issue(freezer, old.id, None, issue_today()), "issued-pdf")


def test_a_file_of_the_carrier_that_proves_telephones_is_the_source(freezer: Freezer) -> None:
    file = {"carrier": "mobifone", "level": 2, "name": "ket-qua.csv", "sha256": "0" * 64, "state": "ready"}
    row = file | {"campaign_id": 1, "created_at": T0, "created_by": "mai"}
    freezer.db.write(lambda c: c.execute(insert(receipt_files).values(row)))
    found = text(freezer, freezer.freeze(OTHER)[0], "pdf")
    assert "Mức máy theo tệp kết quả của doanh nghiệp." in found


def test_the_code_page_names_it_for_measured_telephones_alone(freezer: Freezer, settings: Settings) -> None:
    said(freezer, "vnpt", "Công văn 12/VT của VNPT")
    report = freezer.freeze(DIRECTIVE)[0]
    said(freezer, "vnpt", "Công văn 99/VT")
    with Client(create_app(settings, freezer.db)) as citizen:
        page = citizen.get(
            f"/verify/reports?code={grouped(report.code or '')}", headers={"Accept-Language": "vi"}
        )
        found = citizen.get(f"/v1/verify/reports?code={report.code}").json()["carriers"]
    assert page.text.count("chưa ghi ai xác nhận") == 1
    assert "theo Công văn 12/VT của VNPT (02/11/2026)" in page.text
    assert {each["carrier"]: each["handset_by"] for each in found} == {
        "VNPT VinaPhone": "Công văn 12/VT của VNPT (02/11/2026)",
        "MobiFone": None,
        "Viettel": "",
    }
