"""A report as it is signed: number, day, signer and remarks on its papers, no dots and no mark."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from docx import Document
from pypdf import PdfReader

from app.core.errors import AppError
from app.database import schema
from app.database.connection import Database
from app.ledger.factory import ledger_for
from app.reports import archive, verify_archive
from app.reports.archive import Frozen, ReportSubject, SubjectKind
from app.reports.document import letterhead
from app.reports.document.final_paper import Issue
from app.reports.freeze import Freezer
from app.reports.issue import issue
from tests.long.app.reports import five_carriers
from tests.long.app.reports.five_carriers import FIRST, SECOND

SIGNED = Issue("125", date(2025, 11, 5), "Đại tá Nguyễn Văn A", {"strengths": "Phối hợp tốt.\nĐúng hạn."})


@pytest.fixture
def frozen(tmp_path: Path) -> Iterator[tuple[Freezer, list[Frozen]]]:
    """Two versions of form B; their letterhead is complete."""
    with closing(Database(f"sqlite:///{tmp_path / 'loa.sqlite3'}")) as db:
        schema.upgrade(db)
        five_carriers.directive(db, tmp_path)
        freezer = Freezer(db, ledger_for(db), letterhead.load(None), "officer")
        directive = ReportSubject(SubjectKind.DIRECTIVE, 1)
        first = freezer.freeze(directive, FIRST)[0]
        five_carriers.later(db, 2)
        yield freezer, [first, freezer.freeze(directive, SECOND)[0]]


def text_of(freezer: Freezer, report: Frozen, form: str) -> str:
    content = freezer.db.read(archive.content, report, form)[1]
    if form.endswith("docx"):
        document = Document(io.BytesIO(content))
        cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
        return " ".join(" ".join([p.text for p in document.paragraphs] + cells).split())
    pages = PdfReader(io.BytesIO(content)).pages
    return re.sub(r"\s+", " ", " ".join(page.extract_text() for page in pages))


def test_final_papers_have_no_blank_and_no_mark_and_the_draft_stays(
    frozen: tuple[Freezer, list[Frozen]],
) -> None:
    freezer, (first, _) = frozen
    drafts = {file.format: file.sha256 for file in first.files}
    issued = issue(freezer, first.id, None, SIGNED)
    assert issued.issued is not None
    assert (issued.issued.number, issued.issued.dated_on) == ("125", date(2025, 11, 5))
    assert {file.format: file.sha256 for file in issued.files if file.format in drafts} == drafts
    for form in ("issued-docx", "issued-pdf", "issued-summary"):
        said = text_of(freezer, issued, form)
        assert "Số: 125/BC-CAT-PA05" in said
        assert "Sơn La, ngày 05 tháng 11 năm 2025" in said
        assert "……" not in said
        assert "DỰ THẢO" not in said
    for form in ("issued-docx", "issued-pdf"):
        said = text_of(freezer, issued, form)
        assert (
            "(Kèm theo Báo cáo số 125/BC-CAT-PA05 ngày 05 tháng 11 năm 2025 của Công an tỉnh Sơn La)" in said
        )
        assert re.search(r"1\. Ưu điểm Phối hợp tốt\. Đúng hạn\. 2\. Hạn chế, nguyên nhân Không có\.", said)
        assert "Đại tá Nguyễn Văn A" in said
    fields = json.loads(freezer.db.read(archive.content, issued, "issued-meta")[1])
    assert (fields["CodeNumber"], fields["IssuedDate"]) == ("125", "05/11/2025")
    assert fields["InforSign"]["FullName"] == "Đại tá Nguyễn Văn A"
    assert fields["Loa"]["draft"] is False
    assert verify_archive.prove(freezer.db, issued).sound


def test_a_version_names_the_signed_one_that_it_replaces(frozen: tuple[Freezer, list[Frozen]]) -> None:
    freezer, (first, second) = frozen
    later = replace(SIGNED, number="140", dated_on=date(2025, 11, 22), remarks={})
    third = freezer.freeze(ReportSubject(SubjectKind.DIRECTIVE, 1), five_carriers.THIRD)[0]
    alone = text_of(freezer, issue(freezer, third.id, None, later), "issued-pdf")
    assert "thay thế" not in alone  # nobody outside has seen a draft
    assert "THAY ĐỔI SO VỚI" not in alone
    issue(freezer, first.id, None, SIGNED)
    skipped = text_of(freezer, issue(freezer, third.id, None, later), "issued-pdf")
    assert "thay thế Báo cáo số 125/BC-CAT-PA05 ngày 05 tháng 11 năm 2025" in skipped
    assert "THAY ĐỔI SO VỚI BẢN SỐ 1" in skipped
    said = text_of(freezer, issue(freezer, second.id, None, later), "issued-pdf")
    assert "thay thế Báo cáo số 125/BC-CAT-PA05 ngày 05 tháng 11 năm 2025 của Công an tỉnh Sơn La" in said


def test_a_mistyped_number_is_written_anew_and_both_are_in_the_audit(
    frozen: tuple[Freezer, list[Frozen]],
) -> None:
    from app.database.models import audit

    freezer, (first, _) = frozen
    issue(freezer, first.id, None, SIGNED)
    again = issue(freezer, first.id, None, replace(SIGNED, number="126"))
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
        ({"dated_on": date(2999, 1, 1)}, "dated in the future"),
        (
            {"remarks": {"difficulties": "x"}},
            "no place for difficulties; it has proposals, short",
        ),
    ],
)
def test_what_can_not_stand_on_a_paper_is_refused_and_nothing_is_kept(
    frozen: tuple[Freezer, list[Frozen]], wrong: dict[str, object], said: str
) -> None:
    freezer, (first, _) = frozen
    with pytest.raises(AppError, match=said):
        issue(freezer, first.id, None, replace(SIGNED, **wrong))  # type: ignore[arg-type]
    assert freezer.db.read(archive.get, first.id).issued is None
