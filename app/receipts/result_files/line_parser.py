"""Parse the rows of a result file: what each line reports, or why it can't be read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from app.core import clock, phone
from app.core.phone import Sentence, normalise
from app.file_import.cells import VALUE_LENGTH, shown
from app.file_import.columns import PHONE_NAMES, Columns, FileColumn, names
from app.file_import.reader import Reader
from app.file_import.row_blocks import LINE_REASONS, Row, UnreadableLine
from app.receipts.result_files.status_words import StatusWords
from app.receipts.result_files.verdicts import ResultVerdict
from carriers.phrases import join

# ---- Reasons why a line can't be read

STATUS_WORD = "status_word"
NO_STATUS = "no_status"
TIME = "time"

REASONS = (
    phone.REASONS
    | LINE_REASONS
    | {
        STATUS_WORD: Sentence(
            "This status word is unknown. Define its meaning in status_words of the carrier's link.",
            "Chưa biết từ trạng thái này: khai báo nghĩa của nó trong status_words của kết nối.",
        ),
        NO_STATUS: Sentence("The status is missing.", "Không có trạng thái."),
        TIME: Sentence(
            "This is not a valid past time, for example 29/01/2024 10:05 or 2024-01-29T10:05+07:00.",
            "Thời gian không đúng, ví dụ đúng: 29/01/2024 10:05 hoặc 2024-01-29T10:05+07:00.",
        ),
    }
)


# ---- Times

# 29/01/2024 10:05[:09], also with dashes or dots, or the time before the date.
_DAY = r"(?P<day>[0-9]{1,2})[/.-](?P<month>[0-9]{1,2})[/.-](?P<year>20[0-9]{2})"
_HOUR = r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,][0-9]+)?)?"
_USUAL = re.compile(rf"{_DAY}(?:[ T,]+{_HOUR})?")
_TIME_FIRST = re.compile(rf"{_HOUR}[ ,]+{_DAY}")
_DIGITS = re.compile(r"(20[0-9]{12})(?:[0-9]{3})?")  # yyyyMMddHHmmss, perhaps with milliseconds
_SERIAL = re.compile(r"[34567][0-9]{4}(?:[.,][0-9]+)?")  # days since the end of 1899, as Excel counts
_ISO = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}(?:[T ].*)?")  # fromisoformat accepts more than this
_EXCEL_EPOCH = datetime(1899, 12, 30, tzinfo=clock.VIETNAM)
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)


def read_time(raw: str) -> int | None:
    """Return ms since 1970, None if unreadable; default zone Vietnam, day before month, a date's midnight."""
    text = raw.strip()
    try:
        at = _read(text)
        return clock.to_ms(at) if at is not None and at >= _EARLIEST else None
    except (ValueError, OverflowError):  # 31 February, hour 25
        return None


def _read(text: str) -> datetime | None:
    usual = _USUAL.fullmatch(text) or _TIME_FIRST.fullmatch(text)
    if usual:
        parts = {name: int(value or 0) for name, value in usual.groupdict().items()}
        return datetime(**parts, tzinfo=clock.VIETNAM)
    digits = _DIGITS.fullmatch(text)
    if digits:
        return datetime.strptime(digits[1], "%Y%m%d%H%M%S").replace(tzinfo=clock.VIETNAM)
    if _SERIAL.fullmatch(text):
        # Rounded to seconds: a serial number is a binary fraction.
        return _EXCEL_EPOCH + timedelta(seconds=round(float(text.replace(",", ".")) * 86_400))
    if not _ISO.fullmatch(text):
        return None
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=clock.VIETNAM)


# ---- Columns

_STATUS_NAMES = (
    names(
        "trangthai trangthaitin trangthainhan trangthaigui trangthaibantin tinhtrang ketqua ketquagui "
        "ketquanhan ketquanhantin status state deliverystatus messagestatus msgstatus smsstatus dlrstatus "
        "finalstatus sendstatus"
    ),
    names("result stat"),
)
_TIME_NAMES = (
    names(
        "thoigiannhan thoidiemnhan ngaynhan gionhan thoigianketthuc thoigianbaocao thoigiancapnhat donedate "
        "doneat donetime deliverytime deliveredat deliverydate receivedat receivedtime statustime reporttime"
    ),
    names("thoigian thoidiem ngaygio time datetime timestamp date ngay at"),
    names("thoigiangui thoidiemgui ngaygui giogui senttime sentat sendtime senddate submittime submitdate"),
)
_CODE_NAMES = (
    names("maloi maketqua matrangthai errorcode errcode resultcode statuscode code error err loi"),
    names("lydo nguyennhan lydoloi motaloi mota ghichu reason description errordesc errordescription"),
)
_REASON_NAMES = (_CODE_NAMES[1],)
_REFERENCE_NAMES = (
    names(
        "matin matinnhan idtin idtinnhan messageid msgid smsid mtid reference refid dlrid "
        "mayeucau requestid reqid clientid clientmsgid clientref"
    ),
)

RESULTS = Columns(
    (
        FileColumn("phone numbers", PHONE_NAMES, join(("“Số điện thoại”", "“phone”"), " or "), needed=True),
        FileColumn("statuses", _STATUS_NAMES, join(("“Trạng thái”", "“status”"), " or "), needed=True),
        FileColumn("times", _TIME_NAMES, join(("“Thời gian”", "“time”"), " or "), needed=True),
        FileColumn("codes", _CODE_NAMES),
        FileColumn("reasons", _REASON_NAMES),
        FileColumn("references", _REFERENCE_NAMES),
    )
)


SLICE = 10_000  # lines of one transaction, for which other writers wait on SQLite
KEPT = 100_000  # bad lines kept of one file; the rest is only counted
COLUMNS = (
    *("file_id", "line", "phone", "done_at", "status", "reason"),
    *("said", "code", "reference", "why", "verdict"),
)


@dataclass(slots=True)
class ParsedLines:
    """Up to SLICE lines in COLUMNS, how many are bad, and the span of their times in ms."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    bad: int = 0
    left_out: int = 0  # bad lines beyond KEPT, which are not among `rows`
    first_at: int | None = None
    last_at: int | None = None

    @property
    def lines(self) -> int:
        return len(self.rows) + self.left_out

    def span(self, at: int | None) -> None:
        if at is not None:
            self.first_at = at if self.first_at is None else min(at, self.first_at)
            self.last_at = at if self.last_at is None else max(at, self.last_at)


class LineParser:
    """Parse the rows of one file by one carrier's status words."""

    def __init__(self, file_id: int, words: StatusWords) -> None:
        self._file_id = file_id
        self._words = words
        self._kept = 0
        self._latest = clock.now_ms() + clock.DAY_MS  # the carrier's clock may be ahead, but not by more

    def slices(self, rows: Iterable[Row | UnreadableLine], size: int = SLICE) -> Iterator[ParsedLines]:
        """Yield every line in exactly one slice, without blank rows."""
        current = ParsedLines()
        for row in rows:
            if isinstance(row, UnreadableLine):
                self._refuse(current, row.line, row.reason, row.value)
            elif any(map(str.strip, row[1:])):
                self._parse(current, row)
            if current.lines == size:
                yield current
                current = ParsedLines()
        if current.lines:
            yield current

    def _parse(self, current: ParsedLines, row: Row) -> None:
        line, raw_phone, raw_status, raw_time, code, reason, reference = row
        phone, meaning = normalise(raw_phone), self._words.meaning(raw_status)
        at = self._time(raw_time)
        if isinstance(phone, str):
            self._refuse(current, line, phone, raw_phone)
        elif meaning is None:
            self._refuse(current, line, STATUS_WORD if raw_status.strip() else NO_STATUS, raw_status)
        elif at is None and raw_time.strip():
            self._refuse(current, line, TIME, raw_time)
        else:
            why = meaning.reason or self._words.reason(reason)
            kept = (shown(raw_status), _cell(code) or _cell(reason), _cell(reference))
            said = (phone, at, meaning.status.value, int(why), *kept)
            current.rows.append((self._file_id, line, *said, None, None))
            current.span(at)

    def _time(self, raw: str) -> int | None:
        at = read_time(raw) if raw else None
        return at if at is not None and at <= self._latest else None

    def _refuse(self, current: ParsedLines, line: int, why: str, raw: str) -> None:
        current.bad += 1
        if self._kept == KEPT:
            current.left_out += 1
            return
        self._kept += 1
        nothing = (None, None, None, 0)
        current.rows.append(
            (self._file_id, line, *nothing, shown(raw), None, None, why, ResultVerdict.BAD.value)
        )


def _cell(raw: str) -> str | None:
    return raw.strip()[:VALUE_LENGTH] or None


def parsed_lines(path: Path, file_id: int, words: StatusWords) -> Iterator[tuple[ParsedLines, int]]:
    """Yield the slices of a file, each with how many bytes have been read; needs no database."""
    reader = Reader(path, RESULTS)
    for done in LineParser(file_id, words).slices(reader):
        yield done, reader.position
