"""A report as it is signed: number, day, signer and remarks on its papers, no dots and no mark."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from docx import Document
from pypdf import PdfReader
from sqlalchemy import Connection, delete, select, update

from app.core import clock
from app.core.errors import AppError, Conflict
from app.database.connection import Database
from app.database.models import directives, frozen_reports, issued_reports, report_files, statements
from app.reports.forms import letterhead
from app.reports.frozen import archive, freeze_record
from app.reports.frozen.archive import Frozen, ReportSubject, Spoilt, SubjectKind
from app.reports.release import verify_archive
from app.reports.release.freeze import Freezer
from app.reports.release.issue import issue
from tests.long.app.reports import five_carriers
from tests.long.app.reports.conftest import Two, two_versions
from tests.long.app.reports.kept import freeze_at, issue_today, today


def dated() -> str:
    """Return today as papers write it: a zero before days below 10 and months below 3 (NĐ 30/2020)."""
    day = today()
    month = f"{day.month:02}" if day.month < 3 else day.month
    return f"ngày {day.day:02} tháng {month} năm {day.year}"


def text_of(freezer: Freezer, report: Frozen, form: str) -> str:
    content = freezer.db.read(archive.content, report, form)[1]
    if form.endswith("docx"):
        document = Document(io.BytesIO(content))
        cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
        return " ".join(" ".join([p.text for p in document.paragraphs] + cells).split())
    pages = PdfReader(io.BytesIO(content)).pages
    return re.sub(r"\s+", " ", " ".join(page.extract_text() for page in pages))


def test_final_papers_have_no_blank_and_no_mark_and_the_draft_stays(
    frozen: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    freezer, (first, _) = frozen
    first_hour = clock.midnight(today()) + timedelta(minutes=30)  # in UTC it is yesterday
    monkeypatch.setattr(clock, "now", lambda: first_hour)
    drafts = {file.format: file.sha256 for file in first.files}
    issued = issue(freezer, first.id, None, issue_today())
    assert issued.issued is not None
    assert (issued.issued.number, issued.issued.dated_on) == ("125", today())
    assert {file.format: file.sha256 for file in issued.files if file.format in drafts} == drafts
    for form in ("issued-docx", "issued-pdf", "issued-summary"):
        said = text_of(freezer, issued, form)
        assert "Số: 125/BC-CAT-PA05" in said
        assert f"Sơn La, {dated()}" in said
        assert "……" not in said
        assert "DỰ THẢO" not in said
    for form in ("issued-docx", "issued-pdf"):
        said = text_of(freezer, issued, form)
        assert f"(Kèm theo Báo cáo số 125/BC-CAT-PA05 {dated()} của Công an tỉnh Sơn La)" in said
        judged = r"1\. Ưu điểm (\d )?Phối hợp tốt\. (\d )?Đúng hạn\. (\d )?2\. Hạn chế, nguyên nhân"
        assert re.search(rf"{judged} (\d )?Không có\.", said)
        assert "Đại tá Nguyễn Văn A" in said
        assert said.count("./.") == 1
    fields = json.loads(freezer.db.read(archive.content, issued, "issued-meta")[1])
    assert (fields["CodeNumber"], fields["IssuedDate"]) == ("125", f"{today():%d/%m/%Y}")
    assert fields["InforSign"]["FullName"] == "Đại tá Nguyễn Văn A"
    assert fields["Loa"]["draft"] is False
    assert verify_archive.prove(freezer.db, issued).sound


@pytest.mark.prove
def test_a_version_names_the_signed_one_that_it_replaces(frozen: Two) -> None:
    freezer, (first, second) = frozen
    later = issue_today(number="140", remarks={})
    third = freeze_at(freezer, ReportSubject(SubjectKind.DIRECTIVE, 1), five_carriers.THIRD)[0]
    issue(freezer, first.id, None, issue_today())
    skipped = text_of(freezer, issue(freezer, third.id, None, later), "issued-pdf")
    assert f"thay thế Báo cáo số 125/BC-CAT-PA05 {dated()} của Công an tỉnh Sơn La" in skipped
    assert "THAY ĐỔI SO VỚI BÁO CÁO TRƯỚC" in skipped
    for earlier in (first, second):  # what the third says would be true no more
        with pytest.raises(Conflict, match="Version 3 was already issued as number 140, so version"):
            issue(freezer, earlier.id, None, issue_today(number="126"))


@pytest.mark.prove
def test_a_version_of_which_no_earlier_one_was_issued_replaces_none(frozen: Two) -> None:
    freezer, (_, second) = frozen
    alone = text_of(freezer, issue(freezer, second.id, None, issue_today(remarks={})), "issued-pdf")
    assert "thay thế" not in alone  # nobody outside has seen a draft
    assert "THAY ĐỔI SO VỚI" not in alone


@pytest.mark.prove
def test_a_mistyped_number_is_written_anew_and_both_are_in_the_audit(
    frozen: Two,
) -> None:
    from app.database.models import audit

    freezer, (first, _) = frozen
    issue(freezer, first.id, None, issue_today())
    again = issue(freezer, first.id, None, issue_today(number="126"))
    assert again.issued is not None
    assert again.issued.number == "126"
    assert len(again.files) == len({file.format for file in again.files})
    rows = freezer.db.read(lambda c: c.execute(audit.select()).all())
    assert [row.detail["number"] for row in rows if row.action == "report.issue"] == ["125", "126"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"number": "125/BC"}, "digits and letters before the slash"),
        ({"number": ""}, "digits and letters before the slash"),
        ({"signer": "  "}, "rank and name"),
        (
            {"signer": "\u200b\u2800\u3164"},
            "The signer must be a single line of text without control characters",
        ),
        ({"signer": "……"}, "rank and name"),
        ({"signer": "......"}, "rank and name"),
        ({"signer": "Đại tá\x00A"}, "The signer must be a single line of text without control characters"),
        ({"signer": "Đại tá\nA"}, "The signer must be a single line of text without control characters"),
        ({"signer": "Đại tá\u202eA"}, "The signer must be a single line of text without control characters"),
        ({"signer": "\udcff"}, "The signer must be a single line of text without control characters"),
        ({"signer": "A" * 101}, "Rank and name must have at most 100 characters"),
        ({"remarks": {"proposals": "x\x00"}}, "Remarks must be plain text without control characters"),
        ({"remarks": {"proposals": "x" * 5001}}, "A remark must have at most 5000 characters"),
        ({"dated_on": today() + timedelta(days=2)}, "The date of a document cannot be in the future"),
        ({"dated_on": today() - timedelta(days=1)}, "so the document cannot have an earlier date"),
        (
            {"remarks": {"difficulties": "x"}},
            "This report has no section difficulties",
        ),
    ],
)
def test_what_can_not_stand_on_a_paper_is_refused_and_nothing_is_kept(
    frozen: Two, wrong: dict[str, object], said: str
) -> None:
    freezer, (first, _) = frozen
    with pytest.raises(AppError, match=said):
        issue(freezer, first.id, None, issue_today(**wrong))
    assert freezer.db.read(archive.get, first.id).issued is None


@pytest.mark.prove
def test_words_of_others_may_have_dots_and_those_of_the_letterhead_may_not(
    frozen: Two, tmp_path: Path
) -> None:
    freezer, (first, _) = frozen
    db = freezer.db
    said = issue_today(remarks={"proposals": "Còn …… việc; xem mục ...... kèm theo"})
    dotted = "[[letterhead]]\ncarrier = ''\nsince = 2025-03-01\n"
    lines = (files("app") / "data" / "letterheads.toml").read_text("utf-8").split("[[letterhead]]")
    (tmp_path / "heads.toml").write_text(f"[[letterhead]]{lines[1]}{dotted}bases = ['Luật số ……']\n", "utf-8")
    spoilt = replace(freezer, letterheads=letterhead.load(tmp_path / "heads.toml"))
    with pytest.raises(Conflict, match="The document still has blanks to fill in: “Luật số ……”"):
        issue(spoilt, first.id, None, said)
    assert "Còn …… việc; xem mục ...... kèm theo" in text_of(
        freezer, issue(freezer, first.id, None, said), "issued-pdf"
    )
    db.write(lambda c: c.execute(update(directives).values(subject="Về việc tuyên truyền …… và ...... khác")))
    again = freeze_at(freezer, ReportSubject(SubjectKind.DIRECTIVE, 1), five_carriers.THIRD)[0]
    assert "tuyên truyền …… và ...... khác" in text_of(
        freezer, issue(freezer, again.id, None, issue_today()), "issued-pdf"
    )


def altered(c: Connection, what: str) -> None:
    r, f = frozen_reports.c, report_files.c
    rows: dict[str, Any] = {
        "files": delete(report_files).where(f.report_id == 1, f.format.in_(["pdf", "meta"])),
        "version": update(frozen_reports).where(r.id == 1).values(version=9),
        "carrier": update(frozen_reports).where(r.id == 1).values(carrier="viettel"),
        "interim": update(frozen_reports).where(r.id == 1).values(interim=1 - r.interim),
        "changes": update(frozen_reports)
        .where(r.id == 1)
        .values(changes=[{"where": "a", "before": 1, "after": 2}]),
        "changes that are none": update(frozen_reports).where(r.id == 1).values(changes=[{"x": 1}]),
        "statement": update(statements).values(figures={"general": {}}),
        "kind of statement": update(statements).values(kind="x"),
    }
    c.execute(rows[what])


@pytest.mark.parametrize(
    "what",
    [
        "files",
        "version",
        "carrier",
        "interim",
        "changes",
        "changes that are none",
        "statement",
        "kind of statement",
    ],
)
def test_what_was_altered_in_the_database_is_not_issued(frozen: Two, what: str) -> None:
    freezer, (first, _) = frozen
    freezer.db.write(altered, what)
    with pytest.raises(AppError, match=r"The database was altered|was .* and is now"):
        issue(freezer, first.id, None, issue_today())
    assert not freezer.db.read(lambda c: c.execute(select(issued_reports)).all())


@pytest.mark.prove
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # SQLite has one writer
def test_of_four_who_issue_at_once_one_does_and_the_others_are_told(db: Database, tmp_path: Path) -> None:
    freezer, (first, _) = two_versions(db, tmp_path)
    said: list[str] = []

    def one(nth: int) -> None:
        try:
            issue(freezer, first.id, None, issue_today(number=str(nth)))
            said.append("issued")
        except AppError as error:
            said.append(error.detail)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(100, 104)))
    assert Counter(said) == {
        "issued": 1,
        "Someone else has just issued this report. Reload and review it.": 3,
    }
    assert len(db.read(archive.get, first.id).files) == 7 + 4


def test_a_final_paper_that_was_altered_together_with_its_hash_is_not_given_out(frozen: Two) -> None:
    freezer, (first, _) = frozen
    report, db = issue(freezer, first.id, None, issue_today()), freezer.db
    assert db.read(freeze_record.all_spoilt) == []
    f, forged = report_files.c, b"%PDF forged"
    values = {"content": forged, "sha256": hashlib.sha256(forged).hexdigest(), "size": len(forged)}
    for form in ("issued-pdf", "issued-docx"):
        own = (f.report_id == report.id, f.format == form)
        before = db.read(lambda c, own=own: dict(c.execute(select(report_files).where(*own)).one()._mapping))
        db.write(lambda c, own=own: c.execute(update(report_files).where(*own).values(values)))
        altered = db.read(archive.get, report.id)
        with pytest.raises(
            Spoilt, match="The final documents of report 1 differ from those that were issued"
        ):
            db.read(freeze_record.content, altered, form)
        assert any(
            "The final documents of report 1 differ from those that were issued" in each
            for each in db.read(freeze_record.all_spoilt)
        )
        db.write(lambda c, own=own, was=before: c.execute(update(report_files).where(*own).values(was)))
    assert db.read(freeze_record.all_spoilt) == []


def coded(freezer: Freezer, folder: Path) -> Freezer:
    """The letterhead of the police with the codes of both agencies."""
    own = ['carrier = ""\nsuperior = "BỘ CÔNG AN"\nagency = "CÔNG AN & TỈNH"\nname = "Công an tỉnh Sơn La"']
    own += ['symbol = "BC-CAT-PA05"\nplace = "Sơn La"\nto = "Chủ tịch UBND tỉnh <Sơn La>"']
    own += ['recipients = ["Như trên", "Bộ Công an", "Lưu: VT"]\npost = "GIÁM ĐỐC"']
    own += ['organ_id = "000.00.12.G01"\nto_organ_id = "000.00.00.H52"']
    (folder / "heads.toml").write_text("[[letterhead]]\n" + "\n".join(own) + "\n", "utf-8")
    return Freezer(freezer.db, freezer.ledger, letterhead.load(folder / "heads.toml"), "officer")


@pytest.mark.prove
def test_what_is_replaced_is_named_as_it_was_issued_though_the_letterhead_was_corrected(
    frozen: Two, tmp_path: Path
) -> None:
    freezer, (first, second) = frozen
    issued = issue(coded(freezer, tmp_path), first.id, None, issue_today())
    beside = json.loads(freezer.db.read(archive.content, issued, "issued-meta")[1])
    assert beside["OrganId"] == "000.00.12.G01"
    assert beside["To"] == [{"OrganId": "000.00.00.H52", "OrganName": "Chủ tịch UBND tỉnh <Sơn La>"}]
    (heads,) = tmp_path.glob("heads.toml")
    for was, now in (("BC-CAT-PA05", "BC-CAT-PX03"), ("tỉnh Sơn", "Sơn")):
        heads.write_text(heads.read_text("utf-8").replace(was, now), "utf-8")
    now = Freezer(freezer.db, freezer.ledger, letterhead.load(heads), "officer")
    later = issue(now, second.id, None, issue_today(number="130", remarks={}))
    for form in ("issued-docx", "issued-pdf"):
        paper = text_of(now, later, form)
        assert f"thay thế Báo cáo số 125/BC-CAT-PA05 {dated()} của Công an tỉnh Sơn La (số liệu" in paper
        assert "Số: 130/BC-CAT-PX03" in paper
