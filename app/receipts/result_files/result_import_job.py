"""The import of one result file: each of its transactions is safe to run twice."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from sqlalchemy import Connection, bindparam, func, select, update

from app.core import clock
from app.core.errors import DatabaseUnavailable, Invalid
from app.core.phone import mask
from app.core.states import RECEIVED, BatchState, DeliveryState, DeliveryStatus, apply_receipt
from app.database.models import links, receipt_files, receipt_lines
from app.file_import.bulk_insert import by_column, store
from app.file_import.leased_import import LeasedImport
from app.ledger.contract import Applied, Arrival, DeliveryKey, Link
from app.ledger.ledger import Ledger
from app.receipts.result_files.line_parser import COLUMNS, REASONS, ParsedLines
from app.receipts.result_files.match_deliveries import (
    Candidate,
    ResultLine,
    RunKey,
    candidates,
    choose,
    runs_of,
)
from app.receipts.result_files.verdicts import OF_LINES, ResultVerdict
from app.security import audit
from carriers.contract import Reason, Receipt, ReceiptLevel, ReceiptStatus
from carriers.phrases import Phrase

PAGE = 1000  # lines of one transaction of receipts
MOST = 500  # lines per number; a table with more is no result file
_C = receipt_lines.c
_UPDATE = (
    update(receipt_lines)
    .where(_C.file_id == bindparam("of_file"), _C.line == bindparam("of_line"))
    .values(
        verdict=bindparam("verdict"),
        campaign_id=bindparam("campaign_id"),
        batch_id=bindparam("batch_id"),
        seq=bindparam("seq"),
    )
)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is: lines and bytes read, then lines with a verdict."""

    lines: int = 0
    bytes_read: int = 0
    judged: int = 0


class ResultFileImport(LeasedImport):
    """An import that holds its file under a lease."""

    table, lines = receipt_files, ((_C.file_id, _C.line),)
    nothing: ClassVar[dict[str, Any]] = {
        "lines": 0,
        "bytes_read": 0,
        "applied_upto": None,
        "first_at": None,
        "last_at": None,
        "runs": None,
        **dict.fromkeys((verdict.value for verdict in OF_LINES), 0),
    }

    def progress(self) -> Progress:
        file = self.db.read(self.row)
        judged = sum(getattr(file, verdict.value) for verdict in OF_LINES)
        return Progress(file.lines, file.bytes_read, judged)

    def store(self, done: ParsedLines, before: Progress, after: Progress) -> None:
        self._write(self._store, done, before, after)

    def end_reading(self) -> None:
        """Mark the file as read: a restart continues there. Raises Invalid if it is no result file."""
        size = self.db.read(self._check)
        self._write(self._keep, applied_upto=0, bytes_read=size)

    def source(self) -> ResultFile:
        return self.db.read(self._source)

    def apply(self, ledger: Ledger, source: ResultFile) -> int:
        """Apply the lines of the next numbers in one transaction; return how many, 0 at the end."""
        return self._write(self._apply, ledger, source)

    def finish(self, runs: Sequence[dict[str, int]]) -> None:
        """Mark the file ready; `runs`: what was sent and is missing in it, by run."""
        self._write(self._finish, runs)

    # ---- Transactions

    def _store(self, connection: Connection, done: ParsedLines, before: Progress, after: Progress) -> None:
        f, file = receipt_files.c, self.row(connection)
        span = ParsedLines(first_at=file.first_at, last_at=file.last_at)
        span.span(done.first_at)
        span.span(done.last_at)
        values = {"lines": after.lines, "bytes_read": after.bytes_read, "bad": file.bad + done.bad}
        values |= {"first_at": span.first_at, "last_at": span.last_at}
        # The counter shows whether this slice is stored already: the answer to its commit may have been lost.
        if self._keep(connection, f.lines == before.lines, **values):
            store(connection, receipt_lines, by_column(done.rows), COLUMNS)

    def _check(self, connection: Connection) -> int:
        file = self.row(connection)
        if not file.lines:
            raise Invalid("The file has a header but no lines.")
        if file.bad == file.lines:
            raise Invalid(
                "None of the {n} lines can be read. The first: {first}",
                n=file.lines,
                first=self._first_bad(connection),
            )
        often = select(_C.phone, func.count()).where(_C.file_id == self.id, _C.phone.is_not(None))
        row = connection.execute(often.group_by(_C.phone).having(func.count() > MOST).limit(1)).first()
        if row is not None:
            raise Invalid(
                "The number {phone} occurs on {n} lines, so this is not a result file.",
                phone=mask(row[0]),
                n=row[1],
            )
        return int(file.bytes)

    def _first_bad(self, connection: Connection) -> str:
        query = select(_C.line, _C.why, _C.said).where(_C.file_id == self.id).order_by(_C.line).limit(1)
        row = connection.execute(query).one()
        return Phrase("line {line}, “{said}”. {why}", line=row.line, said=row.said, why=REASONS[row.why].en)

    def _source(self, connection: Connection) -> ResultFile:
        file = self.row(connection)
        return ResultFile(
            file.id,
            runs_of(connection, file),
            named=file.campaign_id is not None,
            level=None if file.level is None else ReceiptLevel(file.level),
            links=links_of(connection, file.carrier),
        )

    def _apply(self, connection: Connection, ledger: Ledger, source: ResultFile) -> int:
        f, file = receipt_files.c, self.row(connection)
        lines = self._next(connection, file.applied_upto)
        if not lines:
            return 0
        verdicts, _ = apply_lines(connection, ledger, source, lines)
        counts = {name: getattr(file, name) + n for name, n in counted(verdicts).items()}
        upto = {"applied_upto": lines[-1].phone}
        if self._keep(connection, f.applied_upto == file.applied_upto, **upto, **counts):
            connection.execute(_UPDATE, [self._row(each) for each in verdicts])
        return len(lines)

    def _next(self, connection: Connection, after: int) -> list[ResultLine]:
        """Return the lines of the next numbers, always all those of a number."""
        columns = [_C[name] for name in ResultLine._fields]
        query = select(*columns).where(_C.file_id == self.id, _C.phone > after)
        rows = connection.execute(query.order_by(_C.phone, _C.line).limit(PAGE)).all()
        cut = rows[-1].phone if len(rows) == PAGE else None  # may lack some of that number's lines
        return [ResultLine(*row) for row in rows if row.phone != cut]

    def _row(self, verdict: LineVerdict) -> dict[str, Any]:
        key = verdict.key._asdict() if verdict.key else {"campaign_id": None, "batch_id": None, "seq": None}
        return {"of_file": self.id, "of_line": verdict.line, "verdict": verdict.verdict.value, **key}

    def _finish(self, connection: Connection, runs: Sequence[dict[str, int]]) -> None:
        file = self.row(connection)
        # The number up to which it was applied would outlive the lines and the person's erasure.
        values = {"state": BatchState.READY, "runs": list(runs), "ended_at": clock.now_ms()}
        values["applied_upto"] = None
        if self._end(connection, **values):
            counts = {verdict.value: getattr(file, verdict.value) for verdict in OF_LINES}
            detail = {"lines": file.lines, **counts}
            audit.note(connection, file.created_by, "receipts.import", f"receipt-file/{file.id}", **detail)


class Moved(DatabaseUnavailable):
    """Another receipt moved a delivery between our reading and its lock: read again."""

    def __init__(self) -> None:
        super().__init__(
            "Receipts for numbers in the file arrived at the same moment. Nothing was changed. Try again."
        )


class LineVerdict(NamedTuple):
    """The verdict on one line, and the delivery that it is about."""

    line: int
    verdict: ResultVerdict
    key: DeliveryKey | None


@dataclass(frozen=True, slots=True)
class ResultFile:
    """One file: what it may be about, and what it proves."""

    file_id: int
    runs: Sequence[RunKey]
    named: bool  # its campaign was named
    level: ReceiptLevel | None  # as claimed; None: that of each link's own receipts
    links: Mapping[int, tuple[Link, ReceiptLevel]]  # the carrier's links by ID, their receipts' level


@dataclass(slots=True)
class _Work:
    """What is to be applied for some numbers, and the states it should lead to."""

    verdicts: list[LineVerdict] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    expected: dict[DeliveryKey, DeliveryStatus] = field(default_factory=dict)
    changes: int = 0


def links_of(connection: Connection, carrier: str) -> dict[int, tuple[Link, ReceiptLevel]]:
    """Return the carrier's links, each with the level its receipts prove, or operator level if none."""
    c = links.c
    query = select(c.id, c.name, c.carrier, c.group_id, c.one_receipt, c.receipt_level)
    rows = connection.execute(query.where(c.carrier == carrier).order_by(c.id))
    return {
        row.id: (Link(*row[:5]), ReceiptLevel(row.receipt_level or ReceiptLevel.OPERATOR)) for row in rows
    }


def apply_lines(
    connection: Connection, ledger: Ledger, source: ResultFile, lines: Sequence[ResultLine]
) -> tuple[list[LineVerdict], Applied]:
    """Judge and apply all lines of some numbers. Raises Moved, to run again, if a delivery has moved."""
    work = _judge_all(connection, source, lines)
    applied = ledger.apply(connection, work.arrivals) if work.arrivals else Applied()
    # Read again: the rows are locked now.
    now = {one.key: one.standing for same in _candidates(connection, source, lines).values() for one in same}
    if (
        applied.quarantined
        or applied.changed != work.changes
        or any(now[key] != then for key, then in work.expected.items())
    ):
        raise Moved
    return work.verdicts, applied


def counted(verdicts: Iterable[LineVerdict]) -> Counter[str]:
    return Counter(each.verdict.value for each in verdicts)


def _candidates(
    connection: Connection, source: ResultFile, lines: Sequence[ResultLine]
) -> dict[int, set[Candidate]]:
    phones = [line.phone for line in lines]
    return candidates(connection, source.runs, source.file_id, (min(phones), max(phones)))


def _judge_all(connection: Connection, source: ResultFile, lines: Sequence[ResultLine]) -> _Work:
    found = _candidates(connection, source, lines)
    meant: defaultdict[Candidate, list[ResultLine]] = defaultdict(list)
    work = _Work()
    for line in lines:
        one = choose(connection, line, found.get(line.phone, ()), named=source.named)
        if isinstance(one, Candidate):
            meant[one].append(line)
        else:
            work.verdicts.append(LineVerdict(line.line, one, None))
    for one, same in meant.items():
        _judge(work, source, one, same)
    return work


def _judge(work: _Work, source: ResultFile, candidate: Candidate, lines: Sequence[ResultLine]) -> None:
    line = last(lines)
    link, own_level = source.links.get(candidate.link_id or 0) or next(iter(source.links.values()))
    level = source.level or own_level
    then = after(line, candidate.standing, level)
    work.verdicts += [
        LineVerdict(each.line, ResultVerdict.REPEATED, candidate.key) for each in lines if each is not line
    ]
    work.verdicts.append(LineVerdict(line.line, verdict(line, candidate, then), candidate.key))
    work.arrivals.append(Arrival(link, _receipt(source.file_id, line, level), candidate.key))
    work.expected[candidate.key] = then
    work.changes += then != candidate.standing


def _receipt(file_id: int, line: ResultLine, level: ReceiptLevel) -> Receipt:
    return Receipt(
        reference=None,
        phone=str(line.phone),
        status=ReceiptStatus(line.status),
        level=level,
        reason=Reason(line.reason),
        code=line.code or "",
        done_at=None if line.done_at is None else clock.from_ms(line.done_at),
        raw=f"file {file_id}, line {line.line}: {line.said}",
    )


_NOTHING_FINAL = (ReceiptStatus.IN_TRANSIT, ReceiptStatus.UNKNOWN)


def last(lines: Sequence[ResultLine]) -> ResultLine:
    """Return the line of a message that counts: the latest by its time, then by its place in the file."""
    return max(lines, key=lambda line: (line.done_at if line.done_at is not None else -1, line.line))


def after(line: ResultLine, before: DeliveryStatus, level: ReceiptLevel) -> DeliveryStatus:
    """Return the status, as stored in the row, after applying the line to every part of the message."""
    standing, status = before, ReceiptStatus(line.status)
    for part in range(before.parts):
        standing = apply_receipt(standing, part, status, level, line.reason)
    return standing._replace(on_way=0)  # not stored in the row


def verdict(line: ResultLine, candidate: Candidate, then: DeliveryStatus) -> ResultVerdict:
    """Judge the line that counts for delivery `candidate`, whose status becomes `then`.

    the line reports   the delivery
    nothing final      is moved by it        SETTLED: it was unknown whether the carrier has it
                       is in transit too     AGREED, otherwise OPEN
    delivered          failed by a receipt   SAYS_DELIVERED
    not delivered      is received           SAYS_UNDELIVERED
    a final status     is moved by it        SETTLED, otherwise AGREED
    """
    status, moved = ReceiptStatus(line.status), then.state != candidate.state
    if status in _NOTHING_FINAL:
        same = candidate.state == DeliveryState.SUBMITTED and status is ReceiptStatus.IN_TRANSIT
        nothing = ResultVerdict.AGREED if same else ResultVerdict.OPEN
        return ResultVerdict.SETTLED if moved else nothing
    if status is ReceiptStatus.DELIVERED and candidate.failed and candidate.state not in RECEIVED:
        return ResultVerdict.SAYS_DELIVERED
    if status is not ReceiptStatus.DELIVERED and candidate.state in RECEIVED:
        return ResultVerdict.SAYS_UNDELIVERED
    return ResultVerdict.SETTLED if moved else ResultVerdict.AGREED
