"""Figures that look like a slip are asked about where they are handed in, and taken once the note answers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import insert, update

from app.core.clock import VIETNAM, to_ms
from app.core.errors import Invalid
from app.database import models as m
from app.database.connection import Database
from app.reports.counting.fraud_signals import Sign, doubts
from app.reports.figures import carrier_statement
from app.reports.figures.carrier_statement import FigureSource, StatedCounts, StatedFigures
from app.reports.figures.document_meta import EntrySource
from app.reports.intake import statement_rules, statement_service, statement_workbook
from app.reports.intake.schemas import StatementBody
from tests.long.app.reports.intake.forms import NOW, filled
from tests.long.app.reports.intake.scene import body, held
from tests.long.app.reports.scene import T0

ALONE: dict[str, Any] = {"areas": [], "days": [], "reasons": []}
SMALL = {"eligible": 12, "sent": 12, "received": 11, "failed": 1, "segments": 24}
GENERAL = {"eligible": 1000, "sent": 1000, "received": 900, "failed": 100}


def state(db: Database, **changes: Any) -> None:
    claim = StatementBody.model_validate(body(**{**ALONE, **changes})).claim(EntrySource.API)
    db.write(statement_service.state, 2, claim, "viettel desk")


def estimate(db: Database, n: int) -> None:
    db.write(lambda c: c.execute(update(m.audiences).values(estimated=n)))


def approve(db: Database, at_ms: int) -> None:
    row = {"campaign_id": 1, "decision": "approved", "digest": "x", "at": at_ms, "by": "binh"}
    db.write(lambda c: c.execute(insert(m.approvals).values(row)))


def test_a_thousand_times_too_few_is_asked_about(db: Database) -> None:
    held(db)
    estimate(db, 12_000)
    with pytest.raises(Invalid, match=r"general\.eligible: 12 is far from the order's estimate, 12000"):
        state(db, general=SMALL)
    state(db, general=SMALL, note="Đợt thử: thuộc diện gửi chỉ có 12 thuê bao.")


@pytest.mark.parametrize("note", ["Khách hàng hỏi lại.", "Có 120 phản ánh.", "Từ ngày 12.000"])
def test_a_note_that_does_not_name_the_number_is_no_answer(db: Database, note: str) -> None:
    held(db)
    estimate(db, 12_000)
    with pytest.raises(Invalid, match="far from"):
        state(db, general=SMALL, note=note)


def test_a_number_is_named_with_or_without_points(db: Database) -> None:
    held(db)
    estimate(db, 10)
    for note in (None, "Đúng là 1000 thuê bao.", "Đúng là 1.000 thuê bao."):
        if note is None:
            with pytest.raises(
                Invalid, match=r"general\.eligible: 1000 is far from the order's estimate, 10"
            ):
                state(db, general=GENERAL)
        else:
            state(db, general=GENERAL, note=note, reason="bổ sung")


def test_the_note_answers_one_question_and_the_reason_another(db: Database) -> None:
    """As the page asks: 5.000 into the note, 400 into the reason."""
    held(db)
    estimate(db, 100_000)
    state(db, general=GENERAL | {"eligible": 100_000, "sent": 90_000, "received": 89_900}, note="100.000")
    few = {"eligible": 5_000, "sent": 400, "received": 300, "failed": 100, "segments": 800}
    for note, reason in (("Danh sách còn đúng 5.000", "400 là đúng"), ("5000 400", "đếm lại")):
        state(db, general=few, note=note, reason=reason)
        state(db, general=GENERAL | {"eligible": 90_000, "sent": 90_000, "received": 89_900}, reason="90.000")


def test_what_was_answered_is_not_asked_again_of_the_next_version(db: Database) -> None:
    held(db)
    estimate(db, 12_000)
    state(db, general=SMALL, note="Chỉ có 12 thuê bao.")
    state(db, general=SMALL | {"received": 10, "failed": 2}, reason="đếm lại")


def test_a_number_that_a_note_denies_is_asked_about_when_it_is_stated(db: Database) -> None:
    held(db)
    estimate(db, 12_000)
    right = {"eligible": 12_000, "sent": 12_000, "received": 11_000, "failed": 1_000, "segments": 24_000}
    state(db, general=right, note="Ban đầu ghi nhầm 12 thuê bao, nay bỏ.")
    with pytest.raises(Invalid, match=r"general\.eligible: 12 is far from the order's estimate, 12000"):
        state(db, general=SMALL, reason="đếm lại")


def test_a_version_far_from_the_one_before_is_asked_about(db: Database) -> None:
    held(db)
    state(db)
    estimate(db, 100)
    with pytest.raises(Invalid, match=r"general\.sent: 12 is far from the previous version, 970"):
        state(db, general=SMALL, reason="đính chính")
    state(db, general=SMALL, reason="Bản trước nhầm, đã gửi 12 tin, thuộc diện 12.")


def test_parts_go_with_the_approved_text(db: Database) -> None:
    held(db)
    one = {**GENERAL, "segments": 1000}
    with pytest.raises(
        Invalid, match="segments: The statement has 1000 SMS parts for 1000 messages, but each message of the"
    ):
        state(db, general=one)
    state(db, general={**GENERAL, "segments": 2000})


def test_sending_before_the_approval_is_asked_about(db: Database) -> None:
    held(db)
    approve(db, T0 + 36 * 60_000)
    with pytest.raises(Invalid, match="began: Sending started at 09:00 29/01/2024, before the campaign was"):
        state(db)
    state(db, note="Bắt đầu lúc 09:00 29/01/2024 theo chỉ đạo qua điện thoại, duyệt sau.")


def test_a_form_s_minute_of_the_approval_is_not_before_it(db: Database) -> None:
    held(db)
    approve(db, to_ms(datetime(2024, 1, 29, 9, 0, 30, tzinfo=VIETNAM)))
    state(db)


ONE_DAY = {"day": "1999-01-01", "hours": "", "sent": 970, "received": 900}
EARLY: list[tuple[dict[str, Any], str, str]] = [
    (
        {"days": [ONE_DAY]},
        r"days\.0\.day: 01/01/1999 is before the campaign was approved",
        "01/01/1999",
    ),
    (
        {"ended_at": "2024-01-01T09:00:00+07:00", "days": []},
        "09:00 01/01/2024 is before",
        "09:00 01/01/2024",
    ),
    (
        {"ended_at": None, "cutoff_at": "2024-01-01T09:00:00+07:00", "days": []},
        "09:00 01/01/2024 is before",
        "09:00 01/01/2024",
    ),
]


@pytest.mark.parametrize(("times", "words", "answer"), EARLY)
def test_without_a_beginning_each_time_before_the_approval_is_asked_about(
    db: Database, times: dict[str, Any], words: str, answer: str
) -> None:
    held(db)
    approve(db, T0 + 36 * 60_000)
    with pytest.raises(Invalid, match=words):
        state(db, began_at=None, **times)
    state(db, began_at=None, **times, note=f"{answer} là đúng.")


def test_a_day_after_the_end_is_told_by_the_end_where_there_is_no_beginning(db: Database) -> None:
    held(db)
    late = {"day": "2024-02-01", "hours": "", "sent": 970, "received": 900}
    with pytest.raises(Invalid, match=r"2024-02-01 is after the end of sending, 2024-01-30\."):
        state(db, began_at=None, days=[late])


def test_the_workbook_names_the_cell_and_the_remedy(db: Database) -> None:
    held(db)
    estimate(db, 1_000_000)
    head = db.read(statement_workbook.head, 2)
    around = db.read(statement_service.circumstances, 2)
    with pytest.raises(Invalid) as caught:
        statement_workbook.read(
            filled(head=head),
            head,
            statement_workbook.Handed(FigureSource.STATED, received_ms=NOW.now_ms),
            around,
        )
    assert "Trang “Biểu 1”, ô D4" in caught.value.detail
    assert "chênh lệch quá lớn so với số ước tính 1.000.000" in caught.value.detail


def test_forms_of_before_are_still_read(db: Database) -> None:
    held(db)
    head = db.read(statement_workbook.head, 2)
    former = {("Biểu 1", "B12"): "Đã nhận (có biên nhận)", ("Biểu 1", "B15"): "Tỷ lệ nhận = (4)/(3)"}
    handed = statement_workbook.Handed(FigureSource.STATED, received_ms=NOW.now_ms)
    claim = statement_workbook.read(filled(former, head=head), head, handed, NOW)
    assert claim.figures.general.received is not None


def test_an_old_district_is_the_communes_that_it_has_become(db: Database) -> None:
    held(db)
    today = T0 + 600 * 86_400_000
    db.write(lambda c: c.execute(update(m.runs).values(started_at=today)))
    found = db.read(statement_workbook.head, 2)
    assert 0 < len(found.codes) < 75
    assert "116" not in found.codes


def test_a_figure_that_was_not_stated_answers_nothing() -> None:
    figures = StatementBody.model_validate(body(**ALONE, general=GENERAL)).claim(EntrySource.API).figures
    assert statement_rules.stated(figures, (None, None)) == {"1000"}


def test_another_level_waits_until_the_reason_names_it(db: Database) -> None:
    held(db)
    state(db, level="operator")
    with pytest.raises(Invalid, match="level: This version states a different receipt level from the"):
        state(db, reason="Đính chính.")
    state(db, reason="Đã đối soát: biên nhận của máy thuê bao.")
    assert [each.sign for each in db.read(doubts, 2)] == [Sign.LEVEL_CHANGED]


def test_that_nothing_failed_waits_for_a_word(db: Database) -> None:
    held(db)
    perfect = {"eligible": 1000, "sent": 1000, "received": 1000, "failed": 0}
    with pytest.raises(Invalid, match="None of 1000 messages is stated as failed"):
        state(db, general=perfect)
    state(db, general=perfect, note="Đã đối soát với nhà mạng: 0 tin không nhận được.")
    state(db, general=perfect, reason="Bổ sung số văn bản.")
    assert [each.sign for each in db.read(doubts, 2)] == [Sign.NONE_FAILED]


@pytest.mark.parametrize(("sent", "asked"), [(99, False), (100, True)])
def test_of_a_hundred_messages_it_is_asked_why_none_failed(sent: int, asked: bool) -> None:
    figures = StatedFigures(StatedCounts(sent, 0, sent, sent, 0, 0))
    assert carrier_statement.nothing_failed(figures) is asked


@pytest.mark.parametrize(("more", "refused"), [(0, False), (1, True)])
def test_a_note_may_have_as_many_characters_as_is_said(more: int, refused: bool) -> None:
    words = "a" * (statement_rules.NOTE_LENGTH + more)
    assert bool([*statement_rules.word_faults(("note",), words)]) is refused


def test_four_times_fewer_than_before_waits_for_a_word(db: Database) -> None:
    held(db)
    state(db, general=GENERAL)
    fewer = {"eligible": 250, "sent": 250, "received": 200, "failed": 50}
    with pytest.raises(Invalid, match=r"general\.eligible: 250 is far from the order's estimate, 1000"):
        state(db, general=fewer, reason="Đính chính.")
    state(db, general=fewer, reason="Chỉ gửi 250 thuê bao.")
    assert [(each.sign, each.messages, each.of) for each in db.read(doubts, 2)] == [
        (Sign.SIZE_CHANGED, 250, 1000)
    ]
    state(db, general=GENERAL, reason="Đúng là 1000 thuê bao.")  # as the first one, far from the one before
    assert [(each.sign, each.messages, each.of) for each in db.read(doubts, 2)] == [
        (Sign.SIZE_CHANGED, GENERAL["sent"], 250)
    ]
