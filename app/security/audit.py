"""The audit log: append-only rows, each chained to the previous one by its hash.

With a secret_key each row also has a seal over its hash and content. Someone with the database alone can
recompute the chain, but not the seals. A chain does not show that its end was cut off, so its heads are also
kept in a file (app/database/audit_heads.py) and compared.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Integer, Row, Select, cast, func, insert, select, update

from app.core import clock
from app.core.config import Settings
from app.core.errors import Conflict, SetupError
from app.core.masking import mask_values
from app.core.setting_values import LEAST_MONTHS
from app.database import audit_heads as heads
from app.database.advisory_locks import AdvisoryLock
from app.database.audit_heads import AuditHead
from app.database.audit_memory import note_after_commit
from app.database.connection import keys_of, one_at_a_time, shared_ms
from app.database.listing import ListColumns, ListPart, ListRequest, part
from app.database.models import audit, erasures
from app.database.records import from_row
from app.security import audit_chain, row_stamps
from app.security.audit_chain import SAID, START, content, is_sealed, sealed_content
from app.security.audit_chain import head as head
from app.security.audit_chain import link as link
from carriers.phrases import Phrase

# After these actions the chain's head is kept outside at once: permissions, approvals and orders.
_DECIDED = tuple(f"campaign.{each}" for each in ("approved", "rejected", "returned", "voided"))
_ORDERED = tuple(f"run.{each}" for each in ("start", "resume", "pause", "cancel", "stopped", "suspended"))
_KEPT = (*_DECIDED, *_ORDERED, "approval.", "budget.", "rejected.", "person.", "key.", "audit.", "ledger.")
_UNSEALED = (
    "Row {n} has no seal. It was written before secret_key was set, or by someone with access only "
    "to the database. Compare the chain with a head stored elsewhere. If it is right, run `loa "
    "audit seal --head ROWS:HASH`."
)

# Where the person is: the client's address, or the host of the command line.
origin: ContextVar[str] = ContextVar("origin", default="")


@dataclass(frozen=True, slots=True)
class Act:
    """One audit row; `hash` covers all other fields and the hash of the previous row."""

    id: int
    at: datetime
    who: str
    origin: str
    action: str
    subject: str
    detail: dict[str, Any]
    hash: str


@dataclass(frozen=True, slots=True)
class Chain:
    """Result of a verification: number of rows, hash of the last one, and a sentence on the first fault.

    erased: rows from the first on that retention erased, with their certificate. sealed: rows were checked
    against the secret_key. compared: number of heads from outside that were compared.
    """

    rows: int
    head: str
    fault: str | None = None
    erased: int = 0
    certificate: int | None = None
    sealed: bool = False
    compared: int = 0


@dataclass(frozen=True, slots=True)
class KeptHeads:
    """Heads kept outside the database, and the months after which audit rows are erased."""

    heads: Sequence[AuditHead] = ()
    months: int = 0


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where the chain begins after its oldest rows were erased: the last erased row and the certificate.

    sha256: of the certificate, None while it is being made.
    """

    row: int
    hash: str
    certificate: int | None = None
    sha256: str | None = None


def note(connection: Connection, who: str, action: str, subject: str, **detail: Any) -> None:
    """Record an action, in the transaction that carries it out; phone numbers in `detail` are masked.

    `before` and `after` in the detail hold what a change found and what it left.
    """
    _add(connection, (who, action, subject), mask_values(detail))


def _add(connection: Connection, act: tuple[str, str, str], detail: dict[str, Any]) -> None:
    who, action, subject = act
    one_at_a_time(connection, AdvisoryLock.AUDIT_CHAIN)
    last = connection.execute(select(audit.c.id, audit.c.hash).order_by(audit.c.id.desc()).limit(1)).first()
    number = last.id + 1 if last else 1
    said = (number, shared_ms(connection), who[:80], origin.get()[:120], action, subject)
    row = dict(zip(SAID, said, strict=True)) | {"detail": detail}
    # Hash the detail as the column stores it, so that every byte of it counts.
    before = last.hash if last else START
    stored = json.dumps(detail)
    digest = link(before, (*said, stored))
    seal = row_stamps.make(connection, content(digest, (*said, stored)))
    connection.execute(insert(audit).values(row | {"hash": digest, "seal": seal}))
    added = AuditHead(number, digest, int(said[1]))
    note_after_commit(connection, AuditHead(number - 1, before, 0), added, keep=action.startswith(_KEPT))


def highest_number(connection: Connection, noun: str) -> int:
    """Return the highest number of a subject "noun/number" in a SQLite audit, also of what is gone; or 0."""
    said = audit.c.subject
    number = cast(func.substr(said, len(noun) + 2), Integer)
    own = said >= f"{noun}/", said < f"{noun}0"  # "0" is after "/"
    return int(connection.scalar(select(func.max(number)).where(*own)) or 0)


def kept(settings: Settings) -> KeptHeads:
    """Return the heads outside the database to compare with; SetupError if they can't be read."""
    file = settings.audit_heads
    try:
        return KeptHeads(heads.kept(file, settings.ledger_name), settings.records_months)
    except OSError as error:
        raise SetupError(
            "Cannot read the audit heads in {file} ({why}). Make Loa's account the owner of the "
            "file, or name another one in audit_head_file.",
            file=file,
            why=error.strerror,
        ) from None


def agreed(connection: Connection, heads: Sequence[AuditHead]) -> AuditHead:
    """Return the newest of these heads that the chain still contains, after a restore."""
    for each in sorted(heads, reverse=True):
        if connection.execute(select(audit.c.hash).where(audit.c.id == each.row)).scalar() == each.hash:
            return each
    return AuditHead(0, START, 0)


def verify(connection: Connection, heads: KeptHeads = KeptHeads()) -> Chain:
    """Recompute the whole chain and name the first row that does not fit.

    heads: must be read before this transaction began, or heads could be newer than the rows it sees.
    """
    begin = anchor(connection)
    rows, head, certified = begin.row, begin.hash, begin.sha256 is None
    fault, months = None, heads.months
    # A row has several heads if the chain's end was cut off and written anew.
    then: dict[int, list[AuditHead]] = {}
    for each in heads.heads:
        then.setdefault(each.row, []).append(each)
    for row in audit_chain.rows(connection, 0):
        fault = audit_chain.fault(rows, head, row) or _unsealed(connection, row)
        fault = fault or _differs(then.get(row.id, ()), row.hash)
        if fault:
            break
        rows, head = row.id, row.hash
        if not certified and (said := _said_of(row, begin)) is not None:
            certified, months = True, _term(connection, said, heads.months)
    if certified or fault is None:  # a fault before that act leaves the term unknown
        fault = _erased_early(begin, heads, months) or fault
    if fault is None and not certified:
        fault = Phrase(
            "No act mentions certificate {certificate}, by which rows 1 to {n} were erased.",
            certificate=begin.certificate,
            n=begin.row,
        )
    fault = fault or _cut_off(rows, then)
    sealed = bool(keys_of(connection))
    return Chain(rows, head, fault, begin.row, begin.certificate, sealed, len(heads.heads))


def _unsealed(connection: Connection, row: Row[Any]) -> str | None:
    """Return why a process with the key did not write this row; None if it did or we have no key."""
    if is_sealed(connection, row):
        return None
    if row.seal is None:
        return Phrase(_UNSEALED, n=row.id)
    return Phrase(
        "The seal of audit row {n} ({action} by {who}) does not match secret_key or previous_secret_key.",
        n=row.id,
        action=row.action,
        who=row.who,
    )


def _differs(then: Sequence[AuditHead], digest: str) -> str | None:
    for each in then:
        if each.hash != digest:
            day = _day(each.at)
            return Phrase(
                "Row {n} differs from the row of {day} whose head was stored outside the database.",
                n=each.row,
                day=day,
            )
    return None


def _cut_off(rows: int, then: dict[int, list[AuditHead]]) -> str | None:
    last = max(then, default=0)
    if last <= rows:
        return None
    return Phrase(
        "Rows after {n} are missing: row {last} existed on {day}, according to a head stored "
        "outside the database. If you restored a backup, run `loa database restored`.",
        n=rows,
        last=last,
        day=_day(then[last][0].at),
    )


def _term(connection: Connection, detail: dict[str, Any], in_force: int) -> int:
    """Return the months by which acts were erased, as their certificate's act says: now more may be in force.

    detail: of an act whose seal was found right, if there is a key; without one anybody can have written it.
    """
    months = detail.get("months")
    return min(in_force, months) if isinstance(months, int) and keys_of(connection) else in_force


def _erased_early(begin: Anchor, heads: KeptHeads, term: int) -> str | None:
    """Compare with the heads kept outside; settings take no term of less than a year."""
    months = max(LEAST_MONTHS, term)
    for each in heads.heads:
        if each.row <= begin.row and heads.months and clock.plus_months(each.at, months) > clock.now_ms():
            return Phrase(
                "Rows 1 to {n} were erased by certificate {certificate}, but row {row} of {day} "
                "had to be kept for {months} months.",
                n=begin.row,
                certificate=begin.certificate,
                row=each.row,
                day=_day(each.at),
                months=months,
            )
    return None


def _day(ms: int) -> str:
    return f"{clock.moment(ms):%d/%m/%Y}"


def seal_all(connection: Connection, who: str, expected: str) -> int:
    """Seal rows without a seal, trusting a person who has compared the head; return how many.

    Conflict unless `expected` is the chain's current head and nothing but seals is missing.
    """
    if not keys_of(connection):
        raise Conflict("There is no key to seal with. Set secret_key.")
    found = head(connection).said
    if expected != found:
        raise Conflict("The head of the chain is {found}, not {said}.", said=expected[:80], found=found)
    rows, before = anchor(connection).row, anchor(connection).hash
    for row in audit_chain.rows(connection, 0):
        fault = audit_chain.fault(rows, before, row) or (row.seal and _unsealed(connection, row))
        if fault:
            raise Conflict("The audit log was altered. {fault}", fault=fault)
        rows, before = row.id, row.hash
    count = _write_seals(connection, lambda row: _make_seal(connection, row) if row.seal is None else None)
    if count:
        note(connection, who, "audit.sealed", "audit", count=count, head=expected)
    return count


def reseal(connection: Connection) -> int:
    """Renew seals made with the previous key; return how many were renewed."""
    return _write_seals(connection, lambda row: row_stamps.renewed(connection, sealed_content(row), row.seal))


def adopt(connection: Connection) -> int:
    """Seal all rows when the database is migrated to have seals; return how many were sealed."""
    return _write_seals(connection, lambda row: _make_seal(connection, row) if row.seal is None else None)


def _make_seal(connection: Connection, row: Row[Any]) -> str | None:
    return row_stamps.make(connection, sealed_content(row))


def _write_seals(connection: Connection, fresh: Callable[[Row[Any]], str | None]) -> int:
    count = 0
    for row in audit_chain.rows(connection, 0):
        if seal := fresh(row):
            connection.execute(update(audit).where(audit.c.id == row.id).values(seal=seal))
            count += 1
    return count


def anchor(connection: Connection) -> Anchor:
    """Return where the chain begins: at START, or at the last row that retention erased."""
    e = erasures.c
    cuts = select(e.id, e.anchor, e.sha256).where(e.kind == "audit", e.anchor.is_not(None))
    last = connection.execute(cuts.order_by(e.id.desc()).limit(1)).first()
    if last is None:
        return Anchor(0, START)
    row, _, digest = last.anchor.partition(":")
    return Anchor(int(row), digest, last.id, last.sha256)


def _said_of(row: Row[Any], begin: Anchor) -> dict[str, Any] | None:
    """Return the row's detail if it records the making of that certificate."""
    if row.action != "erasure":
        return None
    said: dict[str, Any] = json.loads(row.stored)
    made = (said.get("certificate"), said.get("sha256"))
    return said if made == (begin.certificate, begin.sha256) else None


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Audit rows to find: by exact person, prefix of action, subject, and since <= at < until.

    subject: one thing, such as campaign/1, or the beginning of a kind, such as campaign. "" or 0 for any.
    """

    who: str = ""
    action: str = ""
    subject: str = ""
    since_ms: int = 0
    until_ms: int = 0

    def of(self, query: Select[Any]) -> Select[Any]:
        c = audit.c
        query = query.where(c.who == self.who) if self.who else query
        query = query.where(c.action.startswith(self.action, autoescape=True)) if self.action else query
        if self.subject.partition("/")[2]:
            query = query.where(c.subject == self.subject)
        elif self.subject:
            query = query.where(c.subject.startswith(self.subject, autoescape=True))
        query = query.where(c.at >= self.since_ms) if self.since_ms else query
        return query.where(c.at < self.until_ms) if self.until_ms else query


def listed(
    connection: Connection, request: ListRequest | int, limit: int, criteria: AuditFilter = AuditFilter()
) -> ListPart[Act]:
    """Return rows, the newest first; for a cursor the oldest."""
    columns = ListColumns(audit.c.id, audit.c.at, orders={"at": audit.c.id})
    return part(connection, criteria.of(select(audit)), columns, request, limit).of(_act)


def _act(row: Row[Any]) -> Act:
    # Older rows hold names as people wrote them.
    return from_row(Act, row, at=clock.from_ms(row.at), detail=mask_values(row.detail))
