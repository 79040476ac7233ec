"""An annex on demand that sets the carriers beside those of an earlier directive's frozen report."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from app.core.errors import Invalid, NotFound
from app.database.models import frozen_reports
from app.reports.frozen import archive
from app.reports.frozen.archive import Frozen, ReportSubject, Spoilt, SubjectKind
from app.reports.papers.annexes import signed
from app.reports.release import earlier_round
from app.reports.release.freeze import Freezer
from app.reports.release.issue import issue
from tests.long.app.reports import five_carriers
from tests.long.app.reports.conftest import Two
from tests.long.app.reports.kept import freeze_at, issue_today
from tests.long.app.reports.scene import DAY
from tests.long.app.reports.test_issue import text_of


def earlier(freezer: Freezer, of: Frozen, *, days: int = 300, subject_id: int = 2, **sent: int) -> int:
    """Freeze the figures of an earlier directive: those of `of`, with these carriers' numbers."""
    figures = json.loads(freezer.db.read(archive.figures, of)) | {"directive": "18/KH-UBND"}
    for line in figures["runs"]:
        if line["carrier"] in sent:
            line["measured"]["general"] |= {"sent_messages": sent[line["carrier"]]}
    text = json.dumps(figures, ensure_ascii=False)

    def write(connection: Any) -> int:
        query = select(frozen_reports).where(frozen_reports.c.id == of.id)
        row = dict(connection.execute(query).one()._mapping)
        row |= {"subject_id": subject_id, "cutoff_at": row["cutoff_at"] - days * DAY, "code": None}
        row |= {"figures": text, "sha256": hashlib.sha256(text.encode()).hexdigest()}
        del row["id"]
        made = insert(frozen_reports).values(row).returning(frozen_reports.c.id)
        return int(connection.execute(made).scalar_one())

    return freezer.db.write(write)


@pytest.fixture
def rounds(frozen: Two) -> tuple[Freezer, Frozen, int]:
    freezer, (first, second) = frozen
    return freezer, second, earlier(freezer, first, viettel=246)


@pytest.mark.prove
def test_final_papers_have_the_annex_that_was_asked_for(rounds: tuple[Freezer, Frozen, int]) -> None:
    freezer, report, other = rounds
    issued = issue(freezer, report.id, None, issue_today(compare_with=other))
    for form in ("issued-pdf", "issued-docx"):
        said = text_of(freezer, issued, form)
        assert "SO SÁNH VỚI ĐỢT TRƯỚC" in said
        assert "Đợt trước: báo cáo theo văn bản 18/KH-UBND (bản số 1, số liệu chốt đến" in said
        assert "so sánh với đợt trước: Phụ lục" in said
    again = issue(freezer, report.id, None, issue_today())
    assert "SO SÁNH VỚI ĐỢT TRƯỚC" not in text_of(freezer, again, "issued-pdf")


def test_ratios_are_compared_where_telephones_prove_both(rounds: tuple[Freezer, Frozen, int]) -> None:
    freezer, report, other = rounds
    found = freezer.db.read(earlier_round.find, report, other, None)
    assert found is not None
    rows = {row.carrier: row for row in found.rows}
    viettel = rows["Viettel"]
    assert viettel.sent == (246, 174)
    assert viettel.delivered == (123, 123)
    assert viettel.ratios == (0.5, 123 / 174)
    assert rows["MobiFone"].delivered == (None, None)  # its centre's receipts prove no telephone
    assert rows["MobiFone"].ratios == (None, None)
    assert rows["Gmobile"].sources == ("nhập tay (có bản quét kèm theo), không có biên nhận",) * 2
    assert [signed(n) for n in (207, -5, 0)] == ["+20,7", "−0,5", "0,0"]


@pytest.mark.prove
def test_what_is_no_earlier_round_is_refused(rounds: tuple[Freezer, Frozen, int], frozen: Two) -> None:
    freezer, report, other = rounds
    later = earlier(freezer, report, days=-30, subject_id=3)
    run = freeze_at(freezer, ReportSubject(SubjectKind.RUN, 4), five_carriers.FIRST)[0]
    for wrong, why in (
        (frozen[1][0].id, "Compare a directive's report with one of another directive"),
        (run.id, "Compare a directive's report with one of another directive"),
        (later, "Report 4 does not have an earlier cut-off, so it is not an earlier"),
    ):
        with pytest.raises(Invalid, match=why):
            issue(freezer, report.id, None, issue_today(compare_with=wrong))
    with pytest.raises(NotFound):
        issue(freezer, report.id, None, issue_today(compare_with=99))
    with pytest.raises(Invalid, match="Compare a directive's report with one of another directive"):
        issue(freezer, run.id, None, issue_today(remarks={}, compare_with=other))


def test_an_earlier_round_that_was_altered_is_not_compared_with(rounds: tuple[Freezer, Frozen, int]) -> None:
    freezer, report, other = rounds
    own = frozen_reports.c.id == other
    freezer.db.write(lambda c: c.execute(update(frozen_reports).where(own).values(figures="{}")))
    with pytest.raises(Spoilt):
        issue(freezer, report.id, None, issue_today(compare_with=other))
