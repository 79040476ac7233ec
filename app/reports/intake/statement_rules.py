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
            f"{segments} SMS parts of {sent} messages: each has 1 to {MAX_SEGMENTS} parts.",
            f"{segments} bản tin của {sent} tin: mỗi tin có từ 1 đến {MAX_SEGMENTS} bản tin.",
        )
    yield from range_faults(("segments",), segments, MOST * MAX_SEGMENTS)
    yield from range_faults(("resent",), figures.resent, MOST)


def range_faults(place: Place, n: int | None, most: int = MOST) -> Iterator[InputFault]:
    if n is not None and not 0 <= n <= most:
        yield fault(place, f"{n} is not between 0 and {most}.", f"{n} không nằm trong khoảng 0 đến {most}.")


def _counts(place: Place, row: StatedCounts, level: ReceiptLevel) -> Iterator[InputFault]:
    """Check ranges, (3) = (1) - (2), receipts as the level allows, (6) = (3) - (4) - (5)."""
    for name in ("eligible", "excluded", "received", "failed"):
        yield from range_faults((*place, name), getattr(row, name))
    if row.sent < 0 or row.sent > row.eligible:
        yield fault(
            (*place, "sent"),
            f"{row.sent} sent of {row.eligible} eligible can't be.",
            f"Đã gửi {row.sent} trong {row.eligible} thuê bao thuộc diện là không thể; hãy kiểm tra lại.",
        )
    elif row.sent != row.eligible - row.excluded:
        yield fault(
            (*place, "sent"),
            f"(3) sent {row.sent} must be (1) eligible {row.eligible} less (2) excluded {row.excluded}.",
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
                "With receipts, received, failed and no_receipt belong together; give it, 0 for none.",
                "Có biên nhận thì phải có đủ số đã nhận và không nhận được; hãy nhập 0 nếu không có.",
            )
    if (row.received or 0) + (row.failed or 0) > row.sent:
        yield fault(
            (*place, "failed"),
            f"(4) {row.received} and (5) {row.failed} together are more than (3) {row.sent}.",
            f"(4) {row.received} cộng (5) {row.failed} lớn hơn (3) {row.sent}; hãy kiểm tra lại.",
        )
    elif None not in said.values() and row.sent - (row.received or 0) - (row.failed or 0) != row.no_receipt:
        yield fault(
            (*place, "no_receipt"),
            f"(6) {row.no_receipt} must be (3) {row.sent} less (4) {row.received} less (5) {row.failed}.",
            f"(6) {row.no_receipt} phải bằng (3) {row.sent} trừ (4) {row.received} trừ (5) {row.failed}; "
            "hãy sửa số sai.",
        )


def _unprovable(place: Place) -> InputFault:
    return fault(
        place,
        "A carrier without receipts can't know this; leave it out, or name the receipts' level.",
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


def _known(form: str, keys: Sequence[str], known: Iterable[str]) -> Iterator[InputFault]:
    for n, key in enumerate(keys):
        if key not in known:
            names = ", ".join(known)
            yield fault((form, n, "key"), f"There is no {key}; use {names}.", f"Không có mục “{key}”.")
        elif key in keys[:n]:
            yield fault((form, n, "key"), f"{key} is given twice.", f"Mục “{key}” lặp lại; chỉ ghi một dòng.")


def _agree(
    place: Place, found: int | None, expected: int | None, of: tuple[str, str]
) -> Iterator[InputFault]:
    if found != expected:
        yield fault(
            place,
            f"The sum of {of[0]} is {found}, form 1 says {expected}; correct one of them.",
            f"{_sum_vi(of[1], found)}, Biểu 1 {_said_vi(expected)}; hãy sửa cho khớp.",
        )


def _sum_vi(of: str, n: int | None) -> str:
    return f"{of} để trống" if n is None else f"Tổng {of} là {count(n)}"


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


def _area(n: int, row: AreaCounts, again: bool, level: ReceiptLevel) -> Iterator[InputFault]:
    if row.code is not None and areas.normalise_area(row.code) != row.code:
        yield fault(
            ("areas", n, "code"),
            f"There is no area with the code {row.code}; take it from the official list, as text with zeros.",
            f"Không có địa bàn mang mã “{row.code}”; hãy ghi mã theo danh mục, dạng văn bản, đủ số 0 ở đầu.",
        )
    if again:
        yield fault(
            ("areas", n, "code"),
            f"The area {row.code or 'unknown'} has two rows; put them together.",
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


def _day(n: int, row: DayCounts, again: bool, claim: StatementInput) -> Iterator[InputFault]:
    if again:
        yield fault(
            ("days", n, "day"),
            f"{row.day} is given twice; put the rows together or give their hours.",
            f"Ngày {_vi(row.day)} lặp lại; hãy gộp lại hoặc ghi rõ khung giờ của từng dòng.",
        )
    first, last = _span(claim)
    if first is None and row.day > last:
        yield fault(
            ("days", n, "day"),
            f"{row.day} is after the end of sending, {last}.",
            f"Ngày {_vi(row.day)} sau khi kết thúc gửi ({_vi(last)}); hãy sửa ngày.",
        )
    elif first is not None and not first <= row.day <= last:
        yield fault(
            ("days", n, "day"),
            f"{row.day} is outside the time of sending, {first} to {last}.",
            f"Ngày {_vi(row.day)} nằm ngoài thời gian gửi, từ {_vi(first)} đến {_vi(last)}; hãy sửa ngày.",
        )
    if row.hours and not _good_hours(row.hours):
        yield fault(
            ("days", n, "hours"),
            "Hours are given as 08:00-11:30, the first before the second.",
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
    return clock.local(clock.from_ms(ms)).date().isoformat()


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
            "The end lies before the beginning.",
            "Thời điểm kết thúc trước lúc bắt đầu; hãy sửa lại.",
        )
    if ended is not None and ended > around.now_ms:
        yield _future(("ended",))
    if began is not None and began > cutoff:
        yield fault(
            ("cutoff",),
            "The figures' cut-off lies before the beginning of sending.",
            "Thời điểm chốt số liệu trước lúc bắt đầu gửi; hãy sửa lại.",
        )


def _future(place: Place) -> InputFault:
    return fault(place, "It lies in the future.", "Thời điểm này ở tương lai; hãy sửa ngày giờ.")


def paper_faults(paper: PaperClaim, around: Circumstances) -> Iterator[InputFault]:
    today = _day_of(around.now_ms)
    if paper.dated_on is not None and paper.dated_on > today:
        yield _future(("dated_on",))
    if paper.dated_on is not None and around.since is not None and paper.dated_on < around.since:
        yield fault(
            ("dated_on",),
            f"The letter is dated {paper.dated_on}, before what it reports on began ({around.since}).",
            f"Văn bản ghi ngày {_vi(paper.dated_on)}, trước khi có việc được báo cáo ({_vi(around.since)}); "
            "hãy sửa ngày.",
        )
    if paper.received_ms is not None and paper.received_ms > around.now_ms:
        yield _future(("received",))
    if paper.number is not None and (len(paper.number) > _NUMBER_LENGTH or not paper.number.isprintable()):
        yield fault(
            ("number",),
            f"The number has {_NUMBER_LENGTH} characters at most, on one line.",
            f"Số văn bản dài tối đa {_NUMBER_LENGTH} ký tự, trên một dòng.",
        )
    if holds_mobile(paper.number or ""):
        yield numbered(("number",))
    yield from word_faults(("note",), paper.note or "")
    yield from word_faults(("reason",), paper.reason or "")
    if around.correcting and not (paper.reason or "").strip():
        yield fault(
            ("reason",),
            "Figures stand there already: say why this version corrects them.",
            "Đã có số liệu trước đó: hãy ghi lý do đính chính.",
        )


def word_faults(place: Place, words: str) -> Iterator[InputFault]:
    """Check free text: not too long, and without phone numbers."""
    if len(words) > NOTE_LENGTH:
        yield fault(
            place,
            f"{NOTE_LENGTH} characters at most.",
            f"Dài quá {NOTE_LENGTH} ký tự; hãy rút gọn hoặc đính kèm tệp.",
        )
    if holds_person(words):
        yield numbered(place)


def numbered(place: Place) -> InputFault:
    return fault(
        place,
        "No phone number belongs here: it is personal data, and reports are passed on.",
        "Không ghi số điện thoại ở đây: đó là dữ liệu cá nhân; hãy xóa số.",
    )


def _attached(claim: StatementInput) -> Iterator[InputFault]:
    if claim.kind is FigureSource.MANUAL and claim.paper.attachment is None:
        yield fault(
            ("attachment",),
            "Figures entered by hand need the scan of their paper: hand it in first, then name its sha256.",
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
    if other is None or not far(n, other) or _answered(claim, around, str(n)):
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


def _level(claim: StatementInput, around: Circumstances) -> Iterator[InputFault]:
    """Question another level of receipts: one cell makes what the centre took received by telephones."""
    if around.level is None or around.level is claim.level:
        return
    before, now = _LEVELS[around.level], _LEVELS[claim.level]
    if now in (claim.paper.reason or "").lower():
        return
    yield InputFault(
        ("level",),
        Sentence(
            "This version states another level of receipts than the version before: if that is right, write "
            f"“{now}” into the reason of the correction; otherwise choose the level of before.",
            f"Bản trước ghi mức biên nhận “{before}”, bản này ghi “{now}”: nếu đúng, hãy ghi “{now}” vào lý "
            "do đính chính; nếu không, hãy chọn lại mức biên nhận như bản trước.",
        ),
    )


def _no_failure(claim: StatementInput, around: Circumstances) -> Iterator[InputFault]:
    sent = claim.figures.general.sent
    if not around.asks or not nothing_failed(claim.figures) or _answered(claim, around, _NONE):
        return
    yield InputFault(
        ("general", "failed"),
        Sentence(
            f"None of {sent} messages is stated as failed, although every real list has dead numbers: if "
            f"that is right, write {_NONE} into the note with the reason; otherwise correct it.",
            f"Không tin nào trong {count(sent)} tin được ghi là không nhận được, trong khi danh sách thật "
            f"nào cũng có số không còn dùng: nếu đúng, hãy ghi “{_NONE}” kèm lý do vào ô phản ánh, sự cố, "
            "khó khăn; nếu không, hãy sửa lại.",
        ),
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
