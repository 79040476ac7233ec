"""Result files, their reconciliation and their lines, as the API and pages show them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select

from app.core import clock
from app.core.errors import no_such
from app.core.phone import mask
from app.core.states import BatchState, DeliveryState
from app.database.listing import ListColumns, ListPart, ListRequest, part, without_marks
from app.database.models import receipt_files, receipt_lines
from app.file_import.cells import csv_pieces, safe
from app.receipts.result_files import missing
from app.receipts.result_files.line_parser import REASONS
from app.receipts.result_files.verdicts import OF_LINES, WORDS, ResultVerdict
from carriers.contract import Reason, ReceiptLevel

_PAGE = 1000
_READING = 30  # percent of an import's time that reading takes, roughly
ORDERS = {
    "name": without_marks(receipt_files.c.name),
    "lines": receipt_files.c.lines,
    "came": receipt_files.c.id,
}


@dataclass(frozen=True, slots=True)
class LineCounts:
    """What became of the lines; the counts add up to the lines of the file. See docs/receipt-files.md.

    says_delivered and says_undelivered contradict an earlier receipt; repeated: a later line is about the
    same message; unsent: in the carrier's file, but not sent or refused at once; unknown: nothing was sent to
    the number around that time; ambiguous: several campaigns sent to it.
    """

    agreed: int
    settled: int
    says_delivered: int
    says_undelivered: int
    open: int
    repeated: int
    unsent: int
    unknown: int
    ambiguous: int
    bad: int


@dataclass(frozen=True, slots=True)
class RunMessages:
    """A run against the file, in messages: sent = rejected + named + missing + later.

    later: handed over after the last time in the file, so that it can't name them.
    """

    run_id: int
    campaign_id: int
    sent: int
    rejected: int
    named: int
    missing: int
    later: int


@dataclass(frozen=True, slots=True)
class ReceiptFile:
    """One result file. campaign_id and level: as claimed when it came; runs: known at the end.

    percent: of the import; first_at, last_at: the times that its lines state; error: why it can't be used.
    """

    id: int
    carrier: str
    campaign_id: int | None
    level: str | None
    name: str
    sha256: str
    state: BatchState
    percent: int
    lines: int
    reconciliation: LineCounts
    runs: Sequence[RunMessages]
    first_at: datetime | None
    last_at: datetime | None
    error: str | None
    created_at: datetime
    created_by: str
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class ResultLineView:
    """One line: what it reports and what became of it; `line` is None for a message without a line.

    phone: masked, or whole where that was asked for; status, reason: in our words; said: in the carrier's, or
    a bad line's masked value; why: what is bad in it; verdict_en, verdict_vi: either in words.
    """

    line: int | None
    phone: str | None
    status: str | None
    reason: str | None
    said: str
    code: str | None
    at: datetime | None
    verdict: str | None
    why: str | None
    verdict_en: str
    verdict_vi: str
    campaign_id: int | None


def get(connection: Connection, file_id: int, carrier: str | None = None) -> ReceiptFile:
    """Return one file. Raises NotFound, also if it is not of `carrier`."""
    return _file(row_of(connection, file_id, carrier))


def row_of(connection: Connection, file_id: int, carrier: str | None = None) -> Row[Any]:
    row = connection.execute(_visible(carrier).where(receipt_files.c.id == file_id)).first()
    if row is None:
        raise no_such("receipt file", file_id)
    return row


def listed(
    connection: Connection,
    request: ListRequest | int,
    limit: int,
    carrier: str | None = None,
    state: BatchState | None = None,
) -> ListPart[ReceiptFile]:
    """Return files, newest first or in order of arrival after an id, of one carrier and state if given."""
    c = receipt_files.c
    query = _visible(carrier).where(c.state == state) if state else _visible(carrier)
    columns = ListColumns(c.id, c.created_at, names=[c.name], orders=ORDERS)
    return part(connection, query, columns, request, limit).of(_file)


def lines_page(
    connection: Connection,
    file_id: int,
    after: int,
    limit: int,
    verdict: ResultVerdict | None = None,
    whole: bool = False,
) -> Sequence[ResultLineView]:
    """Return lines in the order of the file after line `after`; whole: with unmasked numbers."""
    c = receipt_lines.c
    query = select(receipt_lines).where(c.file_id == file_id, c.line > after).order_by(c.line).limit(limit)
    if verdict:
        query = query.where(c.verdict == verdict.value)
    return [_line(row, whole=whole) for row in connection.execute(query)]


def whole_numbers(connection: Connection, file_id: int, verdict: ResultVerdict | None = None) -> int:
    """Count the numbers that `everything` would disclose."""
    c = receipt_lines.c
    query = select(func.count()).where(c.file_id == file_id, c.phone.is_not(None))
    if verdict not in (None, ResultVerdict.MISSING):
        return connection.execute(query.where(c.verdict == verdict.value)).scalar_one()
    # Counted now: what the file does not name may have been sent again since.
    absent = sum(run["missing"] for run in missing.count(connection, row_of(connection, file_id)))
    return absent if verdict else connection.execute(query).scalar_one() + absent


def everything(
    read: Callable[..., Any], file_id: int, verdict: ResultVerdict | None = None, *, whole: bool = False
) -> Iterator[ResultLineView]:
    """Yield lines with this verdict or any, then messages without one (MISSING or any), by Database.read."""
    if verdict is not ResultVerdict.MISSING:
        yield from _all_lines(read, file_id, verdict, whole)
    if verdict in (None, ResultVerdict.MISSING):
        yield from _all_missing(read, file_id, whole)


def _all_lines(
    read: Callable[..., Sequence[ResultLineView]], file_id: int, verdict: ResultVerdict | None, whole: bool
) -> Iterator[ResultLineView]:
    after = 0
    while lines := read(lines_page, file_id, after, _PAGE, verdict, whole):
        yield from lines
        after = lines[-1].line or 0


def _all_missing(read: Callable[..., Any], file_id: int, whole: bool) -> Iterator[ResultLineView]:
    file = read(row_of, file_id)
    for run in file.runs or ():
        upto = 0
        while upto is not None:
            found, upto = read(missing.page, file, run, upto, _PAGE)
            yield from (_missing(row, whole=whole) for row in found)


def _visible(carrier: str | None) -> Select[Any]:
    query = select(receipt_files)
    return query.where(receipt_files.c.carrier == carrier) if carrier else query


def _file(row: Row[Any]) -> ReceiptFile:
    same = ("id", "carrier", "campaign_id", "name", "sha256", "lines", "error", "created_by")
    return ReceiptFile(
        **{name: getattr(row, name) for name in same},
        first_at=_local(row.first_at),
        last_at=_local(row.last_at),
        ended_at=_local(row.ended_at),
        created_at=clock.local(clock.from_ms(row.created_at)),
        level=None if row.level is None else ReceiptLevel(row.level).name.lower(),
        state=BatchState(row.state),
        percent=_percent(row),
        reconciliation=LineCounts(**{each.name: getattr(row, each.name) for each in fields(LineCounts)}),
        runs=[RunMessages(**run) for run in row.runs or ()],
    )


def _percent(row: Row[Any]) -> int:
    """100 only when ready: after the last line comes the count of missing messages."""
    if row.state not in (BatchState.IMPORTING, BatchState.FAILED):
        return 100
    if row.applied_upto is None:
        return int(row.bytes_read * _READING // max(row.bytes, 1))
    judged = sum(getattr(row, verdict.value) for verdict in OF_LINES)
    return int(_READING + judged * (99 - _READING) // max(row.lines, 1))


def _line(row: Row[Any], *, whole: bool) -> ResultLineView:
    words = REASONS.get(row.why) or WORDS.get(row.verdict)
    return ResultLineView(
        line=row.line,
        phone=_number(row.phone, whole=whole),
        status=row.status,
        reason=Reason(row.reason).name.lower() if row.reason else None,
        said=row.said,
        code=row.code if whole else mask(row.code or "") or None,  # a number may stand in any column
        at=_local(row.done_at),
        verdict=row.verdict,
        why=row.why,
        verdict_en=words.en if words else "",
        verdict_vi=words.vi if words else "",
        campaign_id=row.campaign_id,
    )


def _missing(row: Row[Any], *, whole: bool) -> ResultLineView:
    return ResultLineView(
        line=None,
        phone=_number(row.phone, whole=whole),
        status=DeliveryState(row.state).name.lower(),
        reason=None,
        said="",
        code=None,
        at=_local(row.submitted_at),
        verdict=ResultVerdict.MISSING,
        why=None,
        verdict_en=WORDS[ResultVerdict.MISSING].en,
        verdict_vi=WORDS[ResultVerdict.MISSING].vi,
        campaign_id=row.campaign_id,
    )


def _number(phone: int | None, *, whole: bool) -> str | None:
    if phone is None:
        return None
    return str(phone) if whole else mask(phone)


def _local(ms: int | None) -> datetime | None:
    return None if ms is None else clock.local(clock.from_ms(ms))


# ---- CSV for Excel

TABLE_HEADER = ("of", "what", "count", "in words", "giải thích")
LINES_HEADER = (
    *("line", "number", "said", "status", "reason", "code", "time"),
    *("verdict", "why", "in words", "giải thích", "campaign"),
)


def table_csv(file: ReceiptFile) -> Iterator[str]:
    counts = file.reconciliation
    rows: list[tuple[object, ...]] = [("file", "lines", file.lines, "", "")]
    for each in fields(counts):
        rows.append(("file", each.name, getattr(counts, each.name), *WORDS[each.name]))
    for run in file.runs:
        rows += [_run_row(run, each.name) for each in fields(run) if not each.name.endswith("_id")]
    return csv_pieces(TABLE_HEADER, rows)


def lines_csv(lines: Iterable[ResultLineView]) -> Iterator[str]:
    return csv_pieces(LINES_HEADER, (_row(line) for line in lines))


def _run_row(run: RunMessages, name: str) -> tuple[object, ...]:
    words = WORDS[ResultVerdict.MISSING] if name == ResultVerdict.MISSING else ("", "")
    return (f"run {run.run_id} (campaign {run.campaign_id})", name, getattr(run, name), *words)


def _row(line: ResultLineView) -> tuple[object, ...]:
    at = line.at.isoformat(sep=" ", timespec="seconds") if line.at else ""
    verdict = (line.verdict, line.why, line.verdict_en, line.verdict_vi, line.campaign_id)
    return (
        line.line,
        line.phone,
        safe(line.said),
        line.status,
        line.reason,
        safe(line.code or ""),
        at,
        *verdict,
    )
