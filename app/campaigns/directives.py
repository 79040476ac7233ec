"""Directives, the official letters behind the work: number, date, issuer, subject, deadline, addressees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, insert, select, update

from app.core import clock
from app.core.errors import Conflict, Invalid, no_such
from app.core.words import has_letters
from app.database.listing import ListColumns, ListPart, ListRequest, part, without_marks
from app.database.models import directives
from app.database.records import from_row
from app.ledger import directive_deadline
from app.ledger.directive_deadline import DeadlineChange
from app.security import audit, kept_rows
from app.security.tenant_scope import own_directives


@dataclass(frozen=True, slots=True)
class DirectiveFields:
    """The content of the letter. report_deadline: aware; addressees: who is asked to act.

    legal_basis: what the letter rests on; contact: name and telephone of whom addressees may ask.
    """

    number: str
    issued_on: date
    issuer: str
    subject: str
    report_deadline: datetime | None = None
    addressees: tuple[str, ...] = ()
    legal_basis: str = ""
    contact: str = ""


@dataclass(frozen=True, slots=True)
class Directive:
    """A stored letter."""

    id: int
    number: str
    issued_on: date
    issuer: str
    subject: str
    report_deadline: datetime | None
    addressees: list[str]
    legal_basis: str
    contact: str
    created_at: datetime
    created_by: str
    deadline_changes: list[DeadlineChange]


def create(connection: Connection, letter: DirectiveFields, who: str) -> int:
    """Store a letter; return its ID. Raises Conflict if its number is known."""
    for name in ("number", "issuer", "subject"):
        if not has_letters(getattr(letter, name)):  # blanks and signs that show nothing are no subject
            raise Invalid("The directive's {field} is required.", field=name)
    _check_deadline(letter)
    if connection.execute(select(directives.c.id).where(directives.c.number == letter.number)).first():
        raise Conflict("Directive {number} already exists.", number=letter.number, field="number")
    directive_id = _insert(connection, letter, who)
    said = {"number": letter.number}
    kept = kept_rows.kept(connection, directives, directives.c.id == directive_id)
    audit.note(connection, who, "directive.create", f"directive/{directive_id}", **said, kept=kept)
    return directive_id


def _check_deadline(letter: DirectiveFields) -> None:
    deadline = letter.report_deadline
    if deadline is None:
        return
    if deadline.tzinfo is None:
        raise Invalid(
            "report_deadline needs a time zone, for example 2024-02-24T17:00:00+07:00.",
            field="report_deadline",
        )
    try:
        day = clock.local(deadline).date()
    except OverflowError:  # an impossible time, refused where it is stored
        return
    if day < letter.issued_on:
        raise Invalid(
            "The report deadline is before the date of the directive, {issued_on}. Correct one of them.",
            issued_on=letter.issued_on.isoformat(),
            field="report_deadline",
        )


def put_off(
    connection: Connection, directive_id: int, deadline: datetime | None, reason: str, who: str
) -> None:
    """Set another report deadline (aware), or none. The one before stays in the letter's history."""
    row = connection.execute(select(directives).where(directives.c.id == directive_id)).first()
    if row is None:
        raise no_such("directive", directive_id)
    if not reason.strip():
        raise Invalid(
            "Enter a reason for the new deadline. It is stored in the directive's history.", field="reason"
        )
    letter = DirectiveFields(row.number, date.fromisoformat(row.issued_on), row.issuer, row.subject, deadline)
    _check_deadline(letter)
    after = None if deadline is None else clock.to_ms(deadline)
    if after == row.report_deadline:
        raise Conflict("The directive already has this deadline.", field="report_deadline")
    c = directives.c
    same = (c.id == directive_id, c.report_deadline.is_not_distinct_from(row.report_deadline))
    if connection.execute(update(directives).where(*same).values(report_deadline=after)).rowcount == 0:
        raise Conflict(
            "The deadline of directive {directive} was changed in the meantime. Reload and try again.",
            directive=directive_id,
        )
    directive_deadline.note(connection, directive_id, (row.report_deadline, after), reason.strip(), who)


def _insert(connection: Connection, letter: DirectiveFields, who: str) -> int:
    deadline = letter.report_deadline
    made = connection.execute(
        insert(directives)
        .values(
            number=letter.number,
            issued_on=letter.issued_on.isoformat(),
            issuer=letter.issuer,
            subject=letter.subject,
            report_deadline=None if deadline is None else clock.to_ms(deadline),
            addressees=list(letter.addressees),
            legal_basis=letter.legal_basis.strip(),
            contact=letter.contact.strip(),
            created_at=clock.now_ms(),
            created_by=who,
        )
        .returning(directives.c.id)
    )
    return int(made.scalar_one())


def get(connection: Connection, directive_id: int) -> Directive:
    row = connection.execute(select(directives).where(directives.c.id == directive_id)).first()
    if row is None:
        raise no_such("directive", directive_id)
    return _with_changes(connection, [row])[0]


_NEVER = 2**53  # after any deadline
COLUMNS = ListColumns(
    directives.c.id,
    directives.c.created_at,
    names=[directives.c.number, directives.c.issuer, directives.c.subject],
    orders={
        "number": without_marks(directives.c.number),
        "issuer": without_marks(directives.c.issuer),
        "due": func.coalesce(directives.c.report_deadline, _NEVER),
    },
)


def listed(
    connection: Connection,
    request: ListRequest | int,
    limit: int,
    operator: str | None = None,
    also: ColumnElement[bool] | None = None,
) -> ListPart[Directive]:
    """Return directives; operator: only for runs of this carrier; also: a condition of a caller."""
    query = select(directives) if operator is None else select(directives).where(own_directives(operator))
    query = query if also is None else query.where(also)
    rows = part(connection, query, COLUMNS, request, limit)
    return ListPart(_with_changes(connection, rows.items), rows.total, rows.next)


def _with_changes(connection: Connection, rows: Sequence[Row[Any]]) -> list[Directive]:
    changes = directive_deadline.changes(connection, [row.id for row in rows])
    return [
        from_row(
            Directive,
            row,
            issued_on=date.fromisoformat(row.issued_on),
            deadline_changes=changes.get(row.id, []),
        )
        for row in rows
    ]
