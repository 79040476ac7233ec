"""Plausible but suspicious figures: questioned, and accepted once the note confirms them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from app.core import clock
from app.core.phone import Sentence
from app.reports.figures.carrier_statement import StatedFigures
from app.reports.figures.numbers import count
from app.reports.intake.statement_input import Circumstances, InputFault, Place, StatementInput

_FAR = 10  # ratio; "12.000" entered where a point means decimals is 12
_FEW = 100  # below this a tenfold difference proves nothing
_GROUPED = re.compile(r"(?<!\d)\d{1,3}(?:[.,\s\u00a0]\d{3})+(?!\d)")
_NO_DIGIT = re.compile(r"\D")


def faults(claim: StatementInput, around: Circumstances) -> list[InputFault]:
    """Compare the claim with the order, the version before, the text and the approval."""
    return [
        *_estimate(claim, around),
        *_before(claim, around),
        *_parts(claim, around),
        *_approval(claim, around),
    ]


def _estimate(claim: StatementInput, around: Circumstances) -> Iterator[InputFault]:
    n, other = claim.figures.general.eligible, around.estimated
    if other is None or not _far(n, other) or _answered(claim, around, str(n)):
        return
    yield InputFault(
        ("general", "eligible"),
        Sentence(
            f"{n} is far from {other}, the order's estimate: if it is right, write {n} into the note "
            "with the reason; otherwise correct it.",
            f"{count(n)} chênh lệch quá lớn so với số ước tính {count(other)}: nếu đúng, hãy ghi "
            f"“{count(n)}” kèm lý do vào ô phản ánh, sự cố, khó khăn; nếu không, hãy sửa lại.",
        ),
    )


def _before(claim: StatementInput, around: Circumstances) -> Iterator[InputFault]:
    n, other = claim.figures.general.sent, around.before
    if other is None or not _far(n, other) or _answered(claim, around, str(n)):
        return
    yield InputFault(
        ("general", "sent"),
        Sentence(
            f"{n} is far from {other}, the version before: if it is right, write {n} into the note or the "
            "reason of the correction; otherwise correct it.",
            f"{count(n)} chênh lệch quá lớn so với bản trước ({count(other)}): nếu đúng, hãy ghi "
            f"“{count(n)}” vào lý do đính chính; nếu không, hãy sửa lại.",
        ),
    )


def _far(n: int, other: int) -> bool:
    return max(n, other) >= _FEW and (n * _FAR <= other or other * _FAR <= n)


def _parts(claim: StatementInput, around: Circumstances) -> Iterator[InputFault]:
    """Compare (8) with the approved text: each message has as many SMS parts as its text."""
    n, sent = claim.figures.segments, claim.figures.general.sent
    if n is None or around.parts is None or _answered(claim, around, str(n)):
        return
    fewest, most = around.parts
    if sent * fewest <= n <= sent * most:
        return
    each = str(fewest) if fewest == most else f"{fewest}–{most}"
    yield InputFault(
        ("segments",),
        Sentence(
            f"{n} SMS parts of {sent} messages, and a message of the approved text has {each}: if it is "
            f"right, write {n} into the note with the reason; otherwise correct it.",
            f"{count(n)} bản tin của {count(sent)} tin, trong khi mỗi tin của nội dung đã duyệt có {each} "
            f"bản tin: nếu đúng, hãy ghi “{count(n)}” kèm lý do vào ô phản ánh, sự cố, khó khăn; nếu không, "
            "hãy sửa lại.",
        ),
    )


def _approval(claim: StatementInput, around: Circumstances) -> Iterator[InputFault]:
    if around.approved_ms is None:
        return
    if claim.began_ms is None:
        yield from _before_approval(claim, around, around.approved_ms)
        return
    if claim.began_ms >= _minute(around.approved_ms):
        return
    began, approved = (_hour(ms) for ms in (claim.began_ms, around.approved_ms))
    if _answered(claim, around, began):
        return
    yield InputFault(
        ("began",),
        Sentence(
            f"Sending began on {began}, before the campaign was approved on {approved}: if it is right, "
            f"write {began} into the note with the reason; otherwise correct it.",
            f"Bắt đầu gửi lúc {began}, trước khi chiến dịch được duyệt lúc {approved}: nếu đúng, hãy ghi "
            f"“{began}” kèm lý do vào ô phản ánh, sự cố, khó khăn; nếu không, hãy sửa lại.",
        ),
    )


def _before_approval(claim: StatementInput, around: Circumstances, approved_ms: int) -> Iterator[InputFault]:
    """Question each time before the approval where the beginning, which bounds them, is not stated."""
    approved, on = _hour(approved_ms), clock.local(clock.from_ms(approved_ms)).date().isoformat()
    times: list[tuple[Place, str]] = [
        ((name,), _hour(ms))
        for name, ms in (("ended", claim.ended_ms), ("cutoff", claim.cutoff_ms))
        if ms is not None and ms < _minute(approved_ms)
    ]
    days = enumerate(claim.figures.days)
    times += [(("days", n, "day"), "/".join(reversed(row.day.split("-")))) for n, row in days if row.day < on]
    for place, at in times:
        if _answered(claim, around, at):
            continue
        yield InputFault(
            place,
            Sentence(
                f"{at} lies before the campaign was approved on {approved}: if it is right, write {at} into "
                "the note with the reason; otherwise correct it.",
                f"{at} là trước khi chiến dịch được duyệt lúc {approved}: nếu đúng, hãy ghi “{at}” kèm lý do "
                "vào ô phản ánh, sự cố, khó khăn; nếu không, hãy sửa lại.",
            ),
        )


def _minute(ms: int) -> int:
    """Return the beginning of its minute: forms give times to the minute."""
    return ms - ms % 60_000


def _hour(ms: int) -> str:
    return f"{clock.local(clock.from_ms(ms)):%H:%M %d/%m/%Y}"


def _answered(claim: StatementInput, around: Circumstances, answer: str) -> bool:
    """Return whether the note or the reason contains exactly that number, thousands separators aside.

    Those of the versions before that had it as well: what was answered is not asked again.
    """
    exact = re.compile(rf"(?<!\d){re.escape(answer)}(?!\d)")
    before = [words for stated, words in around.answers if answer in stated]
    said = [each for each in (claim.paper.note, claim.paper.reason, *before) if each]
    return any(exact.search(_GROUPED.sub(_plain, each)) for each in said)


def stated(figures: StatedFigures, times: Iterable[int | None]) -> frozenset[str]:
    """Return what questions may have been asked about, as answers name it."""
    counts = figures.general.eligible, figures.general.sent, figures.segments
    days = {"/".join(reversed(row.day.split("-"))) for row in figures.days}
    hours = {_hour(ms) for ms in times if ms is not None}
    return frozenset(str(n) for n in counts if n is not None) | hours | days


def _plain(number: re.Match[str]) -> str:
    return _NO_DIGIT.sub("", number[0])
