"""A draft is refused in words, or pinned to exactly what will go out."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.campaigns import texts
from app.campaigns.drafts import Draft, TextForm, pin
from app.core.clock import VIETNAM
from app.core.errors import Invalid, NotFound
from tests.app.campaigns.rows import DRAFT, HOURS

NOON = datetime(2024, 2, 5, 12, tzinfo=VIETNAM)


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"name": "  "}, "name", "The campaign's name is required"),
        (
            {"purpose": "quang_cao"},
            "purpose",
            r"Loa does not send advertising \(quang_cao\), which requires each",
        ),
        ({"purpose": "greeting"}, "purpose", "tuyen_truyen or canh_bao_khan"),
        ({"sender": "0912"}, "sender", "The sender must be the registered name: 1 to 11 Latin letters,"),
        ({"sender": "CONGANSONLA1"}, "sender", "1 to 11"),
        ({"sender": "Công an"}, "sender", "Latin letters"),
        ({"sender": " CA"}, "sender", "1 to 11"),
        ({"sender": ""}, "sender", "1 to 11"),
        ({"window_start": datetime(2024, 2, 5)}, "window_start", "needs a time zone"),  # noqa: DTZ001
        ({"window_end": datetime(2024, 2, 5)}, "window_end", "needs a time zone"),  # noqa: DTZ001
        (
            {"window_start": NOON, "window_end": NOON},
            "window_end",
            "The sending window must end after it starts",
        ),
        ({"day_starts": "7:00"}, "day_starts", "HH:MM"),
        ({"day_ends": "25:00"}, "day_ends", "HH:MM"),
        ({"day_starts": "12:00", "day_ends": "12:00"}, "day_ends", "whole day"),
        ({"day_starts": "06:59"}, "day_starts", "between 07:00 and 22:00"),
        (
            {"day_ends": "22:01"},
            "day_ends",
            "Campaigns with the purpose tuyen_truyen can only be sent between",
        ),
        ({"text": None}, "text", "either text_key"),
        ({"text_key": "gia-danh-cong-an"}, "text", "either text_key"),
        ({"text": " \n"}, "text", "is empty"),
        ({"text": "a\x00b"}, "text", "control character"),
        ({"text": "a\ud83d"}, "text", "The text contains a control character or a broken character"),
        ({"text": "a\uffff"}, "text", "The text contains a control character or a broken character"),
        ({"text": "a\tb"}, "text", "control character"),
        ({"text": "a" * 1531}, "text", "The text takes 11 SMS parts; the maximum is 10"),
    ],
)
def test_a_wrong_draft_is_refused_with_field_and_remedy(
    change: dict[str, Any], field: str | None, words: str
) -> None:
    with pytest.raises(Invalid, match=words) as caught:
        pin(replace(DRAFT, **change), HOURS)
    assert caught.value.field == field


def test_a_text_that_nobody_wrote_is_not_found() -> None:
    with pytest.raises(NotFound, match="nothing-such"):
        pin(replace(DRAFT, text=None, text_key="nothing-such"), HOURS)


def test_a_draft_becomes_columns_with_the_default_hours() -> None:
    start = datetime(2024, 2, 5, 5, tzinfo=UTC)
    assert pin(replace(DRAFT, window_start=start), HOURS) == {
        "name": "Before Tet",
        "purpose": "tuyen_truyen",
        "sender": "CA SON LA",
        "directive_id": None,
        "text_key": None,
        "wording": "Canh giac lua dao.",
        "texts": {"": "Canh giac lua dao."},
        "window_start": 1_707_109_200_000,
        "window_end": None,
        "day_starts": "07:00",
        "day_ends": "21:00",
        "text_areas": {},
        "budget_segments": None,
        "budget_dong": None,
        "budget_signed": None,
    }


def test_an_urgent_warning_may_go_out_at_any_hour() -> None:
    urgent = replace(DRAFT, purpose="canh_bao_khan", day_starts="00:00", day_ends="24:00")
    assert pin(urgent, HOURS)["day_ends"] == "24:00"


@pytest.mark.parametrize("text", texts.all_texts(), ids=lambda text: text.key)
def test_every_text_of_messages_can_be_pinned_in_both_forms(text: texts.Text) -> None:
    draft = replace(DRAFT, text=None, text_key=text.key)
    for form, wording in ((TextForm.ACCENTED, text.accented), (TextForm.UNACCENTED, text.unaccented)):
        sent = pin(replace(draft, form=form), HOURS)["texts"][""]
        assert sent == wording.replace("{sender}", "CA SON LA")
        assert sent.startswith("CA SON LA ")


@pytest.mark.parametrize(
    ("form", "sent"), [(TextForm.ACCENTED, "Đừng chuyển tiền"), (TextForm.UNACCENTED, "Dung chuyen tien")]
)
def test_own_wording_goes_out_in_the_form_asked_for(form: TextForm, sent: str) -> None:
    assert pin(replace(DRAFT, text="Đừng chuyển tiền", form=form), HOURS)["texts"] == {"": sent}


@pytest.mark.longer
@given(st.text(alphabet="ăâđêôơưạảấầớợ abc.", min_size=1, max_size=60).filter(str.strip))
def test_wordings_are_pinned_in_normal_form_whatever_form_they_come_in(wording: str) -> None:
    decomposed: Draft = replace(DRAFT, form=TextForm.ACCENTED, text=unicodedata.normalize("NFD", wording))
    composed = replace(decomposed, text=unicodedata.normalize("NFC", wording))
    assert pin(decomposed, HOURS) == pin(composed, HOURS)
    assert pin(composed, HOURS)["texts"][""] == unicodedata.normalize("NFC", wording)
