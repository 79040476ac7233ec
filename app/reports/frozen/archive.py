"""Archive of frozen reports: list, versions, changes between versions, files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Select, select

from app.core import clock
from app.core.errors import AppError, NotFound, no_such
from app.database.listing import ListColumns, ListPart, ListRequest, part
from app.database.models import frozen_reports, issued_reports, report_files
from app.database.records import from_row
from app.reports.figures.version import FigureChange
from carriers.phrases import Phrase


class Spoilt(AppError):
    """The bytes of a frozen report are no longer those that were frozen, so they are not given out.

    Compare the database with a backup; `loa report verify` names what was altered.
    """

    status, slug, title = 500, "report-spoilt", "A frozen report has been altered"


class SubjectKind(StrEnum):
    RUN = "run"
    DIRECTIVE = "directive"


class ReportSubject(NamedTuple):
    kind: SubjectKind
    id: int


@dataclass(frozen=True, slots=True)
class ArchivedFile:
    """One file of a frozen report; sha256 in hexadecimal, size in bytes."""

    format: str
    name: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class ReportIssue:
    """How a version was issued: number, day and signer as they stand on its final papers."""

    number: str
    dated_on: date
    signer: str
    at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class Frozen:
    """One version. sha256: of its figures; interim: may still change; changes: since the version before.

    issued: None while only the draft exists; code: on the last page of its papers, None for earlier ones.
    """

    id: int
    subject: SubjectKind
    subject_id: int
    carrier: str | None
    version: int
    cut_off_at: datetime
    interim: bool
    sha256: str
    changes: tuple[FigureChange, ...]
    files: tuple[ArchivedFile, ...]
    created_at: datetime
    created_by: str
    issued: ReportIssue | None = None
    code: str | None = None


_COLUMNS = [column for column in frozen_reports.c if column.name not in ("figures", "code_salt")]


def listed(
    connection: Connection,
    request: ListRequest | int,
    limit: int,
    carrier: str | None = None,
    subject: ReportSubject | None = None,
) -> ListPart[Frozen]:
    """Return frozen reports, newest first or after an id; with `carrier`, only those of its runs."""
    query = select(*_COLUMNS).where(*_visible(carrier), *(_of(subject) if subject else ()))
    columns = ListColumns(frozen_reports.c.id, frozen_reports.c.created_at)
    with _as_written():
        found = part(connection, query, columns, request, limit)
        return ListPart(_read(connection, found.items), found.total, found.next)


def recent(
    connection: Connection, limit: int, carrier: str | None, subject: ReportSubject | None = None
) -> Sequence[Frozen]:
    """Return the newest reports, the last one first."""
    return listed(connection, ListRequest(), limit, carrier, subject).items


def get(connection: Connection, report_id: int, carrier: str | None = None) -> Frozen:
    """Return one report; raises NotFound, also for another carrier's."""
    query = select(*_COLUMNS).where(frozen_reports.c.id == report_id, *_visible(carrier))
    found = _frozen(connection, query)
    if not found:
        raise no_such("report", report_id, field="report_id")
    return found[0]


def newest(connection: Connection, subject: ReportSubject) -> Frozen | None:
    query = select(*_COLUMNS).where(*_of(subject)).order_by(frozen_reports.c.version.desc()).limit(1)
    return next(iter(_frozen(connection, query)), None)


def at(connection: Connection, subject: ReportSubject, cutoff_ms: int) -> Frozen | None:
    """Return the version with exactly this cut-off (ms since 1970), or None."""
    query = select(*_COLUMNS).where(*_of(subject), frozen_reports.c.cutoff_at == cutoff_ms)
    return next(iter(_frozen(connection, query)), None)


def figures(connection: Connection, frozen: Frozen) -> str:
    """Return the figures as they were hashed (JSON); raises Spoilt if they no longer match."""
    text: str = connection.execute(
        select(frozen_reports.c.figures).where(frozen_reports.c.id == frozen.id)
    ).scalar_one()
    require_bytes(text.encode(), frozen.sha256, Phrase("The figures of report {report}", report=frozen.id))
    return text


def content(connection: Connection, frozen: Frozen, form: str) -> tuple[ArchivedFile, bytes]:
    """Return one file; raises NotFound, or Spoilt if its bytes no longer match their hash."""
    file = next((each for each in frozen.files if each.format == form), None)
    if file is None:
        known = ", ".join(each.format for each in frozen.files)
        raise NotFound(
            "Report {report} has no file {form}. Available files: {known}.",
            report=frozen.id,
            form=form,
            known=known,
            field="format",
        )
    f = report_files.c
    query = select(f.content).where(f.report_id == frozen.id, f.format == form)
    found = bytes(connection.execute(query).scalar_one())
    require_bytes(
        found, file.sha256, Phrase("The file {form} of report {report}", form=form, report=frozen.id)
    )
    return file, found


def require_bytes(data: bytes, sha256: str, what: str) -> None:
    """Raise Spoilt if bytes no longer have their hash; what: they are, as a sentence begins."""
    if hashlib.sha256(data).hexdigest() != sha256:
        raise Spoilt(
            "{what}: the content differs from what was frozen and is not shown. The database was altered. "
            "Compare it with a backup, and run `loa report verify`.",
            what=what,
        )


def _visible(carrier: str | None) -> list[ColumnElement[bool]]:
    return [] if carrier is None else [frozen_reports.c.carrier == carrier]


def _of(subject: ReportSubject) -> list[ColumnElement[bool]]:
    return [frozen_reports.c.kind == subject.kind.value, frozen_reports.c.subject_id == subject.id]


def _frozen(connection: Connection, query: Select[Any]) -> list[Frozen]:
    with _as_written():
        return _read(connection, connection.execute(query).all())


@contextmanager
def _as_written() -> Iterator[None]:
    """Raise Spoilt for what rows can't hold that Loa has written."""
    try:
        yield
    except (ValueError, TypeError, LookupError):  # of a row that only Loa writes
        raise Spoilt(
            "A row of a frozen report contains something that Loa does not write. The database was "
            "altered. Compare it with a backup."
        ) from None


def _read(connection: Connection, rows: Sequence[Row[Any]]) -> list[Frozen]:
    f = report_files.c
    own = f.report_id.in_([row.id for row in rows])
    query = select(f.report_id, f.format, f.name, f.sha256, f.size).where(own).order_by(f.format)
    files: dict[int, list[ArchivedFile]] = {}
    for row in connection.execute(query):
        files.setdefault(row.report_id, []).append(ArchivedFile(*row[1:]))
    i = issued_reports.c
    issued = connection.execute(select(issued_reports).where(i.report_id.in_([row.id for row in rows])))
    issues = {row.report_id: _issue(row) for row in issued}
    return [_one(row, files.get(row.id, []), issues.get(row.id)) for row in rows]


def _issue(row: Row[Any]) -> ReportIssue:
    return from_row(ReportIssue, row, dated_on=date.fromisoformat(row.dated_on))


def _one(row: Row[Any], files: list[ArchivedFile], issued: ReportIssue | None) -> Frozen:
    return from_row(
        Frozen,
        row,
        subject=SubjectKind(row.kind),
        cut_off_at=clock.moment(row.cutoff_at),
        interim=bool(row.interim),
        changes=tuple(FigureChange(**each) for each in row.changes),
        files=tuple(files),
        issued=issued,
    )
