"""Identities of forms 1 to 4 and other rules for stated figures; pure, one fault per place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from app.core import areas, clock
from app.core.masking import holds_mobile, holds_person
from app.core.phone import Sentence
from app.reports.figures.carrier_statement import (
    AreaCounts,
    DayCounts,
    FigureSource,
    StatedCounts,
    StatedFigures,
    add,
    far,
    nothing_failed,
)
from app.reports.figures.numbers import count
from app.reports.intake.statement_input import (
    EXCLUDED,
    REASONS,
    Circumstances,
    InputFault,
    PaperClaim,
    Place,
    StatementInput,
)
from carriers.contract import ReceiptLevel
from carriers.phrases import Phrase

MOST = 200_000_000  # exceeds the country's number of subscribers
MAX_SEGMENTS = 10
NOTE_LENGTH = 2000
_NUMBER_LENGTH = 60
_HOURS = re.compile(r"([01]\d|2[0-3]):[0-5]\d-(?:([01]\d|2[0-3]):[0-5]\d|24:00)")


def faults(claim: StatementInput, around: Circumstances) -> list[InputFault]:
    figures, level = claim.figures, claim.level
    return [
        *_general(figures, level),
        *_excluded(figures),
        *_areas(figures, level),
        *_days(claim),
        *_reasons(figures),
        *_times(claim, around),
        *paper_faults(claim.paper, replace(around, since=_first_day(claim, around))),
        *_attached(claim),
        *_questions(claim, around),
    ]


def _first_day(claim: StatementInput, around: Circumstances) -> str | None:
    """Return the day before which no letter can tell of this sending; None for what was kept long ago."""
    began = around.approved_ms if claim.began_ms is None else claim.began_ms
    return _day_of(began) if around.asks and began is not None else None


def fault(place: Place, en: str, vi: str) -> InputFault:
    return InputFault(place, Sentence(en, vi))


# Form 1


def _general(figures: StatedFigures, level: ReceiptLevel) -> Iterator[InputFault]:
    yield from _counts(("general",), figures.general, level)
    sent, segments = figures.general.sent, figures.segments
    if segments is not None and not sent <= segments <= sent * MAX_SEGMENTS:
        yield fault(
            ("segments",),
            Phrase(
                "{segments} SMS parts for {sent} messages is not possible: each message has 1 to "
                "{most} parts.",
                segments=segments,
                sent=sent,
                most=MAX_SEGMENTS,
            ),
            f"{segments} bản tin của {sent} tin: mỗi tin có từ 1 đến {MAX_SEGMENTS} bản tin.",
        )
    yield from range_faults(("segments",), segments, MOST * MAX_SEGMENTS)
    yield from range_faults(("resent",), figures.resent, MOST)


def range_faults(place: Place, n: int | None, most: int = MOST) -> Iterator[InputFault]:
    if n is not None and not 0 <= n <= most:
        yield fault(
            place,
            Phrase("{n} is not between 0 and {most}.", n=n, most=most),
            f"{n} không nằm trong khoảng 0 đến {most}.",
        )


def _counts(place: Place, row: StatedCounts, level: ReceiptLevel) -> Iterator[InputFault]:
    """Check ranges, (3) = (1) - (2), receipts as the level allows, (6) = (3) - (4) - (5)."""
    for name in ("eligible", "excluded", "received", "failed"):
        yield from range_faults((*place, name), getattr(row, name))
    if row.sent < 0 or row.sent > row.eligible:
        yield fault(
            (*place, "sent"),
            Phrase(
                "{sent} sent is more than {eligible} eligible. Check the figures.",
                sent=row.sent,
                eligible=row.eligible,
            ),
            f"Đã gửi {row.sent} trong {row.eligible} thuê bao thuộc diện là không thể; hãy kiểm tra lại.",
        )
    elif row.sent != row.eligible - row.excluded:
        yield fault(
            (*place, "sent"),
            Phrase(
                "(3) sent {sent} must be (1) eligible {eligible} minus (2) excluded {excluded}.",
                sent=row.sent,
                eligible=row.eligible,
                excluded=row.excluded,
            ),
            f"(3) đã gửi {row.sent} phải bằng (1) {row.eligible} trừ (2) {row.excluded}; hãy sửa lại.",
        )
    yield from _receipts(place, row, level)


def _receipts(place: Place, row: StatedCounts, level: ReceiptLevel) -> Iterator[InputFault]:
    said = {name: getattr(row, name) for name in ("received", "failed", "no_receipt")}
    for name, n in said.items():
        if level is ReceiptLevel.NONE and n is not None:
            yield _unprovable((*place, name))
        elif level is not ReceiptLevel.NONE and n is None:
            yield fault(
                (*place, name),
                "With receipts, received, failed and no_receipt are all required. Enter 0 if there are none.",
                "Có biên nhận thì phải có đủ số đã nhận và không nhận được; hãy nhập 0 nếu không có.",
            )
    if (row.received or 0) + (row.failed or 0) > row.sent:
        yield fault(
            (*place, "failed"),
            Phrase(
                "(4) {received} plus (5) {failed} is more than (3) {sent}.",
                received=row.received,
                failed=row.failed,
                sent=row.sent,
            ),
            f"(4) {row.received} cộng (5) {row.failed} lớn hơn (3) {row.sent}; hãy kiểm tra lại.",
        )
    elif None not in said.values() and row.sent - (row.received or 0) - (row.failed or 0) != row.no_receipt:
        yield fault(
            (*place, "no_receipt"),
            Phrase(
                "(6) {rest} must be (3) {sent} minus (4) {received} minus (5) {failed}.",
                rest=row.no_receipt,
                sent=row.sent,
                received=row.received,
                failed=row.failed,
            ),
            f"(6) {row.no_receipt} phải bằng (3) {row.sent} trừ (4) {row.received} trừ (5) {row.failed}; "
            "hãy sửa số sai.",
        )


def _unprovable(place: Place) -> InputFault:
    return fault(
        place,
        "Without receipts this figure cannot be known. Leave it empty, or choose the level of the receipts.",
        "Không có biên nhận thì không thể có số này; hãy để trống hoặc chọn mức biên nhận khác.",
    )


def _excluded(figures: StatedFigures) -> Iterator[InputFault]:
    keys = [cause.key for cause in figures.excluded]
    yield from _known("excluded", keys, EXCLUDED)
    for n, cause in enumerate(figures.excluded):
        yield from range_faults(("excluded", n, "n"), cause.n)
    if figures.excluded:
        causes = sum(cause.n for cause in figures.excluded)
        yield from _agree(
            ("general", "excluded"), causes, figures.general.excluded, ("its causes", "các lý do loại")
        )


def _known(form: str, keys: Sequence[str], allowed: Iterable[str]) -> Iterator[InputFault]:
    for n, key in enumerate(keys):
        if key not in allowed:
            names = ", ".join(allowed)
            yield fault(
                (form, n, "key"),
                Phrase("Unknown field {key}. Use {known}.", key=key, known=names),
                f"Không có mục “{key}”.",
            )
        elif key in keys[:n]:
            yield fault(
                (form, n, "key"),
                Phrase("{key} occurs twice.", key=key),
                f"Mục “{key}” lặp lại; chỉ ghi một dòng.",
            )


def _agree(
    place: Place, total: int | None, expected: int | None, names: tuple[str, str]
) -> Iterator[InputFault]:
    if total != expected:
        yield fault(
            place,
            Phrase(
                "The sum of {what} is {found}, but form 1 says {expected}. Correct one of them.",
                what=names[0],
                found=total,
                expected=expected,
            ),
            f"{_sum_vi(names[1], total)}, Biểu 1 {_said_vi(expected)}; hãy sửa cho khớp.",
        )


def _sum_vi(what: str, n: int | None) -> str:
    return f"{what} để trống" if n is None else f"Tổng {what} là {count(n)}"


def _said_vi(n: int | None) -> str:
    return "để trống" if n is None else " ".join(("ghi", count(n)))


# Form 2


def _areas(figures: StatedFigures, level: ReceiptLevel) -> Iterator[InputFault]:
    rows = figures.areas
    if not rows:
        return
    codes = [row.code for row in rows]
    for n, row in enumerate(rows):
        yield from _area(n, row, row.code in codes[:n], level)
    total = add(row.counts for row in rows)
    for name in ("eligible", "sent", "received", "failed"):
        yield from _agree(
            ("areas", "total", name),
            getattr(total, name),
            getattr(figures.general, name),
            ("form 2", "Biểu 2"),
        )


def _area(n: int, row: AreaCounts, repeated: bool, level: ReceiptLevel) -> Iterator[InputFault]:
    if row.code is not None and areas.normalise_area(row.code) != row.code:
        yield fault(
            ("areas", n, "code"),
            Phrase(
                "No area has the code {code}. Use a code from the official list, as text with leading zeros.",
                code=row.code,
            ),
            f"Không có địa bàn mang mã “{row.code}”; hãy ghi mã theo danh mục, dạng văn bản, đủ số 0 ở đầu.",
        )
    if repeated:
        yield fault(
            ("areas", n, "code"),
            Phrase("The area {code} has two rows. Merge them.", code=row.code or "unknown"),
            f"Địa bàn {row.code or 'không xác định'} có hai dòng; hãy gộp lại.",
        )
    yield from _counts(("areas", n), row.counts, level)
    yield from word_faults(("areas", n, "note"), row.note)


# Form 3


def _days(claim: StatementInput) -> Iterator[InputFault]:
    rows, general = claim.figures.days, claim.figures.general
    if not rows:
        return
    for n, row in enumerate(rows):
        again = (row.day, row.hours) in [(other.day, other.hours) for other in rows[:n]]
        yield from _day(n, row, again, claim)
    yield from _agree(
        ("days", "total", "sent"), sum(row.sent for row in rows), general.sent, ("form 3", "Biểu 3")
    )
    received = [row.received for row in rows if row.received is not None]
    if received:
        yield from _agree(
            ("days", "total", "received"), sum(received), general.received, ("form 3", "Biểu 3")
        )


def _day(n: int, row: DayCounts, repeated: bool, claim: StatementInput) -> Iterator[InputFault]:
    if repeated:
        yield fault(
            ("days", n, "day"),
            Phrase("{day} occurs twice. Merge the rows, or enter their hours.", day=row.day),
            f"Ngày {_vi(row.day)} lặp lại; hãy gộp lại hoặc ghi rõ khung giờ của từng dòng.",
        )
    first, last = _span(claim)
    if first is None and row.day > last:
        yield fault(
            ("days", n, "day"),
            Phrase("{day} is after the end of sending, {last}.", day=row.day, last=last),
            f"Ngày {_vi(row.day)} sau khi kết thúc gửi ({_vi(last)}); hãy sửa ngày.",
        )
    elif first is not None and not first <= row.day <= last:
        yield fault(
            ("days", n, "day"),
            Phrase(
                "{day} is outside the sending period, {first} to {last}.",
                day=row.day,
                first=first,
                last=last,
            ),
            f"Ngày {_vi(row.day)} nằm ngoài thời gian gửi, từ {_vi(first)} đến {_vi(last)}; hãy sửa ngày.",
        )
    if row.hours and not _good_hours(row.hours):
        yield fault(
            ("days", n, "hours"),
            "Enter hours as 08:00-11:30, with the earlier time first.",
            "Khung giờ ghi dạng 08:00-11:30, giờ đầu trước giờ cuối.",
        )
    if row.received is not None and claim.level is ReceiptLevel.NONE:
        yield _unprovable(("days", n, "received"))
    for name in ("batches", "sent", "received"):
        yield from range_faults(("days", n, name), getattr(row, name))


def _span(claim: StatementInput) -> tuple[str | None, str]:
    """Return the first and last possible day of sending, as ISO dates; None: no beginning is stated."""
    first = None if claim.began_ms is None else _day_of(claim.began_ms)
    return first, _day_of(claim.cutoff_ms if claim.ended_ms is None else claim.ended_ms)


def _day_of(ms: int) -> str:
    return clock.moment(ms).date().isoformat()


def _good_hours(hours: str) -> bool:
    return _HOURS.fullmatch(hours) is not None and hours[:5] < hours[6:]


def _vi(day: str) -> str:
    return "/".join(reversed(day.split("-")))


# Form 4


def _reasons(figures: StatedFigures) -> Iterator[InputFault]:
    if not figures.reasons:
        return
    yield from _known("reasons", [cause.key for cause in figures.reasons], REASONS)
    for n, cause in enumerate(figures.reasons):
        yield from range_faults(("reasons", n, "n"), cause.n)
        yield from word_faults(("reasons", n, "remedy"), cause.remedy)
    total = sum(cause.n for cause in figures.reasons)
    yield from _agree(("reasons", "total", "n"), total, figures.general.failed, ("form 4", "Biểu 4"))


# Times, texts, document


def _times(claim: StatementInput, around: Circumstances) -> Iterator[InputFault]:
    began, ended, cutoff = claim.began_ms, claim.ended_ms, claim.cutoff_ms
    if cutoff > around.now_ms:
        yield _future(("cutoff",))
    if began is not None and ended is not None and ended < began:
        yield fault(
            ("ended",),
            "The end must be after the start.",
            "Thời điểm kết thúc trước lúc bắt đầu; hãy sửa lại.",
        )
    if ended is not None and ended > around.now_ms:
        yield _future(("ended",))
    if began is not None and began > cutoff:
        yield fault(
            ("cutoff",),
            "The figures' cut-off must be after the start of sending.",
            "Thời điểm chốt số liệu trước lúc bắt đầu gửi; hãy sửa lại.",
        )


def _future(place: Place) -> InputFault:
    return fault(place, "This time is in the future.", "Thời điểm này ở tương lai; hãy sửa ngày giờ.")


def paper_faults(paper: PaperClaim, around: Circumstances) -> Iterator[InputFault]:
    today = _day_of(around.now_ms)
    if paper.dated_on is not None and paper.dated_on > today:
        yield _future(("dated_on",))
    if paper.dated_on is not None and around.since is not None and paper.dated_on < around.since:
        yield fault(
            ("dated_on",),
            Phrase(
                "The letter is dated {day}, before the reported period began on {began}.",
                day=paper.dated_on,
                began=around.since,
            ),
            f"Văn bản ghi ngày {_vi(paper.dated_on)}, trước khi có việc được báo cáo ({_vi(around.since)}); "
            "hãy sửa ngày.",
        )
    if paper.received_ms is not None and paper.received_ms > around.now_ms:
        yield _future(("received",))
    if paper.number is not None and (len(paper.number) > _NUMBER_LENGTH or not paper.number.isprintable()):
        yield fault(
            ("number",),
            Phrase(
                "The document number must be a single line of at most {most} characters.", most=_NUMBER_LENGTH
            ),
            f"Số văn bản dài tối đa {_NUMBER_LENGTH} ký tự, trên một dòng.",
        )
    if holds_mobile(paper.number or ""):
        yield numbered(("number",))
    yield from word_faults(("note",), paper.note or "")
    yield from word_faults(("reason",), paper.reason or "")
    if around.correcting and not (paper.reason or "").strip():
        yield fault(
            ("reason",),
            "Figures were already entered. Enter a reason for the correction.",
            "Đã có số liệu trước đó: hãy ghi lý do đính chính.",
        )


def word_faults(place: Place, words: str) -> Iterator[InputFault]:
    """Check free text: not too long, and without phone numbers."""
    if len(words) > NOTE_LENGTH:
        yield fault(
            place,
            Phrase("At most {most} characters.", most=NOTE_LENGTH),
            f"Dài quá {NOTE_LENGTH} ký tự; hãy rút gọn hoặc đính kèm tệp.",
        )
    if holds_person(words):
        yield numbered(place)


def numbered(place: Place) -> InputFault:
    return fault(
        place,
        "Remove the phone number: it is personal data, and reports are passed on.",
        "Không ghi số điện thoại ở đây: đó là dữ liệu cá nhân; hãy xóa số.",
    )


def _attached(claim: StatementInput) -> Iterator[InputFault]:
    if claim.kind is FigureSource.MANUAL and claim.paper.attachment is None:
        yield fault(
            ("attachment",),
            "Figures entered by hand need a scan of the document. Upload it first, then enter its sha256.",
            "Số liệu nhập tay phải kèm bản quét văn bản.",
        )


# ---- Plausible but suspicious figures: questioned, and accepted once the note confirms them

_NONE = "0"
_LEVELS = {
    ReceiptLevel.NONE: "không có biên nhận",
    ReceiptLevel.OPERATOR: "tổng đài",
    ReceiptLevel.HANDSET: "máy thuê bao",
}
_GROUPED = re.compile(r"(?<!\d)\d{1,3}(?:[.,\s\u00a0]\d{3})+(?!\d)")
_NO_DIGIT = re.compile(r"\D")


def _questions(claim: StatementInput, around: Circumstances) -> list[InputFault]:
    """Compare the claim with the order, the version before, the text and the approval."""
    return [
        *_estimate(claim, around),
        *_before(claim, around),
        *_level(claim, around),
        *_no_failure(claim, around),
        *_parts(claim, around),
        *_approval(claim, around),
    ]


def _estimate(claim: StatementInput, around: Circumstances) -> Iterator[InputFault]:
    n, other = claim.figures.general.eligible, around.estimated
    if other is None or not far(n, other) or _answered(claim, around, str(n)):
        return
    yield fault(
        ("general", "eligible"),
        Phrase(
            "{n} is far from the order's estimate, {other}. If it is correct, enter {answer} "
            "in the note with the reason; otherwise correct it.",
            n=n,
            other=other,
            answer=n,
        ),
        f"{count(n)} chênh lệch quá lớn so với số ước tính {count(other)}: nếu đúng, hãy ghi "
        f"“{count(n)}” kèm lý do vào ô phản ánh, sự cố, khó khăn; nếu không, hãy sửa lại.",
    )


def _before(claim: StatementInput, around: Circumstances) -> Iterator[InputFault]:
    n, other = claim.figures.general.sent, around.before
    if other is None or not far(n, other) or _answered(claim, around, str(n)):
        return
    yield fault(
        ("general", "sent"),
        Phrase(
            "{n} is far from the previous version, {other}. If it is correct, enter {answer} "
            "in the note or in the reason for the correction; otherwise correct it.",
            n=n,
            other=other,
            answer=n,
        ),
        f"{count(n)} chênh lệch quá lớn so với bản trước ({count(other)}): nếu đúng, hãy ghi "
        f"“{count(n)}” vào lý do đính chính; nếu không, hãy sửa lại.",
    )


def _level(claim: StatementInput, around: Circumstances) -> Iterator[InputFault]:
    """Question another level of receipts: one cell makes what the centre took received by telephones."""
    if around.level is None or around.level is claim.level:
        return
    before, now = _LEVELS[around.level], _LEVELS[claim.level]
    if now in (claim.paper.reason or "").lower():
        return
    yield fault(
        ("level",),
        Phrase(
            "This version states a different receipt level from the previous one. If that is "
            "correct, enter “{answer}” in the reason for the correction; otherwise choose the "
            "previous level.",
            answer=now,
        ),
        f"Bản trước ghi mức biên nhận “{before}”, bản này ghi “{now}”: nếu đúng, hãy ghi “{now}” vào lý "
        "do đính chính; nếu không, hãy chọn lại mức biên nhận như bản trước.",
    )


def _no_failure(claim: StatementInput, around: Circumstances) -> Iterator[InputFault]:
    sent = claim.figures.general.sent
    if not around.asks or not nothing_failed(claim.figures) or _answered(claim, around, _NONE):
        return
    yield fault(
        ("general", "failed"),
        Phrase(
            "None of {n} messages is stated as failed, but every real list contains inactive "
            "numbers. If that is correct, enter {answer} in the note with the reason; "
            "otherwise correct it.",
            n=sent,
            answer=_NONE,
        ),
        f"Không tin nào trong {count(sent)} tin được ghi là không nhận được, trong khi danh sách thật "
        f"nào cũng có số không còn dùng: nếu đúng, hãy ghi “{_NONE}” kèm lý do vào ô phản ánh, sự cố, "
        "khó khăn; nếu không, hãy sửa lại.",
    )


def _parts(claim: StatementInput, around: Circumstances) -> Iterator[InputFault]:
    """Compare (8) with the approved text: each message has as many SMS parts as its text."""
    n, sent = claim.figures.segments, claim.figures.general.sent
    if n is None or around.parts is None or _answered(claim, around, str(n)):
        return
    fewest, most = around.parts
    if sent * fewest <= n <= sent * most:
        return
    each = str(fewest) if fewest == most else f"{fewest}–{most}"
    yield fault(
        ("segments",),
        Phrase(
            "The statement has {n} SMS parts for {sent} messages, but each message of the approved text "
            "has {each}. If that is correct, enter {answer} in the note with the reason; otherwise "
            "correct it.",
            n=n,
            sent=sent,
            each=each,
            answer=n,
        ),
        f"{count(n)} bản tin của {count(sent)} tin, trong khi mỗi tin của nội dung đã duyệt có {each} "
        f"bản tin: nếu đúng, hãy ghi “{count(n)}” kèm lý do vào ô phản ánh, sự cố, khó khăn; nếu không, "
        "hãy sửa lại.",
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
    yield fault(
        ("began",),
        Phrase(
            "Sending started at {began}, before the campaign was approved at {approved}. If "
            "that is correct, enter {answer} in the note with the reason; otherwise correct it.",
            began=began,
            approved=approved,
            answer=began,
        ),
        f"Bắt đầu gửi lúc {began}, trước khi chiến dịch được duyệt lúc {approved}: nếu đúng, hãy ghi "
        f"“{began}” kèm lý do vào ô phản ánh, sự cố, khó khăn; nếu không, hãy sửa lại.",
    )


def _before_approval(claim: StatementInput, around: Circumstances, approved_ms: int) -> Iterator[InputFault]:
    """Question each time before the approval where the beginning, which bounds them, is not stated."""
    approved, on = _hour(approved_ms), clock.moment(approved_ms).date().isoformat()
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
        yield fault(
            place,
            Phrase(
                "{at} is before the campaign was approved at {approved}. If that is correct, "
                "enter {answer} in the note with the reason; otherwise correct it.",
                at=at,
                approved=approved,
                answer=at,
            ),
            f"{at} là trước khi chiến dịch được duyệt lúc {approved}: nếu đúng, hãy ghi “{at}” kèm lý do "
            "vào ô phản ánh, sự cố, khó khăn; nếu không, hãy sửa lại.",
        )


def _minute(ms: int) -> int:
    """Return the beginning of its minute: forms give times to the minute."""
    return ms - ms % 60_000


def _hour(ms: int) -> str:
    return f"{clock.moment(ms):%H:%M %d/%m/%Y}"


def _answered(claim: StatementInput, around: Circumstances, answer: str) -> bool:
    """Return whether the note or the reason contains exactly that number, thousands separators aside.

    Those of the versions before that had it as well: what was answered is not asked again.
    """
    before = [words for stated, words in around.answers if answer in stated]
    return confirms(claim.paper, answer, before)


def confirms(paper: PaperClaim, answer: str, before: Sequence[str] = ()) -> bool:
    """Return whether the paper's note or reason, or one of those before it, contains exactly that number."""
    exact = re.compile(rf"(?<!\d){re.escape(answer)}(?!\d)")
    said = [each for each in (paper.note, paper.reason, *before) if each]
    return any(exact.search(_GROUPED.sub(_plain, each)) for each in said)


def stated(figures: StatedFigures, times: Iterable[int | None]) -> frozenset[str]:
    """Return what questions may have been asked about, as answers name it."""
    counts = figures.general.eligible, figures.general.sent, figures.segments
    days = {"/".join(reversed(row.day.split("-"))) for row in figures.days}
    hours = {_hour(ms) for ms in times if ms is not None}
    whole = {_NONE} if nothing_failed(figures) else set()
    return frozenset(str(n) for n in counts if n is not None) | hours | days | whole


def _plain(number: re.Match[str]) -> str:
    return _NO_DIGIT.sub("", number[0])
