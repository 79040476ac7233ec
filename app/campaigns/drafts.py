"""Check a requested campaign and pin it to the exact texts to be sent; pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any

from app.campaigns import quiet_hours, texts
from app.campaigns.quiet_hours import DayHours
from app.core import clock
from app.core.errors import Invalid
from app.core.masking import NO_MOBILE, holds_mobile
from app.core.phone import normalise
from app.core.words import has_letters
from app.database.records import from_row
from app.sender_names import NOT_A_NAME, SENDER
from carriers import text as sms
from carriers.phrases import join

MAX_SEGMENTS = 10
_NO_DIGITS = re.compile("[^0-9]+")
# Controls, marks that turn a line round, surrogates.
_NO_LETTERS = re.compile(
    "[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


class Purpose(StrEnum):
    """Why the campaign is sent. Advertising is listed only so that it can be refused with a reason."""

    AWARENESS = "tuyen_truyen"
    URGENT_WARNING = "canh_bao_khan"
    ADVERTISING = "quang_cao"


class TextForm(StrEnum):
    """Which form of the Vietnamese text is sent."""

    ACCENTED = "accented"
    UNACCENTED = "unaccented"


@dataclass(frozen=True, slots=True)
class Draft:
    """What a person asks for: `text_key` names a text of messages/, or `text` is the text itself."""

    name: str
    purpose: str
    sender: str
    form: TextForm = TextForm.UNACCENTED
    text_key: str | None = None
    text: str | None = None
    directive_id: int | None = None
    window_start: datetime | None = None
    window_end: datetime | None = None
    day_starts: str | None = None
    day_ends: str | None = None
    budget_segments: int | None = None  # the most that may be sent


def amended(draft: Draft, changes: Mapping[str, Any]) -> Draft:
    """Return the draft with these fields changed; a new text takes the place of the one before."""
    own = {"text_key": None} if "text" in changes else {"text": None} if "text_key" in changes else {}
    wanted: dict[str, Any] = {**own, **changes}
    return replace(draft, **wanted)


def of_row(row: Any) -> Draft:
    """Return the draft that a campaign's row was made of, with the form that its text has."""
    wording = row.texts[""]
    return from_row(
        Draft,
        row,
        form=TextForm.UNACCENTED if sms.unaccent(wording) == wording else TextForm.ACCENTED,
        text=None if row.text_key else row.wording or wording,
    )


def pin(draft: Draft, default: DayHours) -> dict[str, Any]:
    """Return the draft as columns of the campaigns table. Raises Invalid."""
    day = DayHours(draft.day_starts or default.starts, draft.day_ends or default.ends)
    urgent = draft.purpose == Purpose.URGENT_WARNING
    wording = _all_right(
        partial(_check_name, draft.name),
        partial(_check_purpose, draft.purpose),
        partial(_check_sender, draft.sender),
        partial(_check_window, draft.window_start, draft.window_end),
        partial(quiet_hours.check, day, default, draft.purpose, urgent=urgent),
        partial(_wording, draft),
    )
    return {
        "name": draft.name.strip(),
        "purpose": draft.purpose,
        "sender": draft.sender,
        "directive_id": draft.directive_id,
        "text_key": draft.text_key,
        "wording": _original(draft),
        "texts": {"": wording},
        "text_areas": {},
        "window_start": draft.window_start and clock.to_ms(draft.window_start),
        "window_end": draft.window_end and clock.to_ms(draft.window_end),
        "day_starts": day.starts,
        "day_ends": day.ends,
        "budget_segments": draft.budget_segments,
        "budget_dong": None,
        "budget_signed": None,
    }


def _all_right(*checks: Callable[[], Any]) -> Any:
    """Make all checks and return what the last one does; raises Invalid with everything that is wrong."""
    wrong: list[Invalid] = []
    found = None
    for check in checks:
        try:
            found = check()
        except Invalid as error:
            wrong.append(error)
    if len(wrong) == 1:
        raise wrong[0]
    if wrong:
        faults = [fault for error in wrong for fault in error.faults]
        raise Invalid(join(error.detail for error in wrong), faults=faults)
    return found


def _check_name(name: str) -> None:
    if not has_letters(name):
        raise Invalid("The campaign's name is required.", field="name")


def _check_purpose(purpose: str) -> None:
    if purpose == Purpose.ADVERTISING:
        raise Invalid(
            "Loa does not send advertising (quang_cao), which requires each subscriber's consent "
            "and a check against the Do-Not-Call list. If it applies, choose tuyen_truyen or "
            "canh_bao_khan.",
            field="purpose",
        )
    if purpose not in (Purpose.AWARENESS, Purpose.URGENT_WARNING):
        raise Invalid("The purpose must be tuyen_truyen or canh_bao_khan.", field="purpose")


def _check_sender(sender: str) -> None:
    if not re.fullmatch(SENDER, sender) or sender != sender.strip():
        raise Invalid(NOT_A_NAME, field="sender")
    if holds_mobile(sender) or isinstance(normalise(_NO_DIGITS.sub("", sender)), int):
        raise Invalid(NO_MOBILE, field="sender")


def _check_window(start: datetime | None, end: datetime | None) -> None:
    for name, at in (("window_start", start), ("window_end", end)):
        if at is not None and at.tzinfo is None:
            raise Invalid("{field} needs a time zone, for example 2024-02-09T07:00:00+07:00.", field=name)
    if start is not None and end is not None and end <= start:
        raise Invalid("The sending window must end after it starts. Choose a later end.", field="window_end")


def _original(draft: Draft) -> str:
    """Return the Vietnamese text with its diacritics, whichever form is sent."""
    text = texts.find(draft.text_key or "").accented if draft.text is None else draft.text
    return texts.with_sender(sms.nfc(text), draft.sender)


def _wording(draft: Draft) -> str:
    """Return the exact text; what is approved is what is sent."""
    wording = texts.with_sender(sms.nfc(_chosen_wording(draft)), draft.sender)
    if not wording.strip():
        raise Invalid("The text is empty.", field="text")
    if _NO_LETTERS.search(wording):
        raise Invalid(
            "The text contains a control character or a broken character. Type it again.", field="text"
        )
    segments = sms.segments(wording)
    if segments > MAX_SEGMENTS:
        raise Invalid(
            "The text takes {segments} SMS parts; the maximum is {most}.",
            segments=segments,
            most=MAX_SEGMENTS,
            field="text",
        )
    return wording


def _chosen_wording(draft: Draft) -> str:
    if (draft.text_key is None) == (draft.text is None):
        raise Invalid(
            "Provide either text_key (a text from messages/) or text (your own wording), but not both.",
            field="text",
        )
    if draft.text is not None:
        return sms.unaccent(draft.text) if draft.form is TextForm.UNACCENTED else draft.text
    found = texts.find(draft.text_key or "")
    return found.unaccented if draft.form is TextForm.UNACCENTED else found.accented
