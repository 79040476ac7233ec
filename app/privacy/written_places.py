"""Where a number stands in what people have written and the agency keeps: names, reasons, letters, papers.

No such words take a number any more. What was written before stays as it is: a stamp, a seal, a digest or the
audit's chain stands over most of it. So it is found and named to who asks.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, FromClause, func, or_, select

from app.core.masking import mask_written, names
from app.database.models import (
    addressees,
    api_keys,
    approvals,
    audit,
    campaigns,
    directives,
    issued_reports,
    outreach,
    people,
    report_files,
    statements,
)
from app.reports.frozen.freeze_record import ISSUED

_WORDS_OF_PAPER, _END = "word/document.xml", "</w:p>"
_MARKUP = re.compile("<[^<>]*>")


class WrittenPlace(NamedTuple):
    """A record that names the number. name: as acts of the audit call it; n: rows."""

    name: str
    n: int
    since: int


def find(connection: Connection, phone: int) -> Iterator[WrittenPlace]:
    """Yield each record whose words have the number, once."""
    for noun, of, number, since, columns in _records():
        found: dict[Any, list[int]] = {}
        for row in connection.execute(select(number, since, *columns).select_from(of).order_by(number)):
            if any(names(said, phone) for said in _texts(row[2:])):
                found.setdefault(row[0], []).append(row[1])
        for key, times in found.items():
            yield WrittenPlace(f"{noun}/{key}", len(times), min(times))
    yield from _papers(connection, phone)
    yield from _accounts(connection, phone)


def _records() -> Iterator[tuple[str, FromClause, ColumnElement[Any], ColumnElement[int], tuple[Any, ...]]]:
    """Yield noun, rows, the record's number, since when, and the columns of words."""
    c, d, o, s = campaigns.c, directives.c, outreach.c, statements.c
    yield "campaign", campaigns, c.id, c.created_at, (c.name, c.wording, c.texts)
    a = approvals.c
    yield "approval", approvals, a.id, a.at, (a.reason,)
    words = (d.number, d.issuer, d.subject, d.addressees, d.legal_basis, d.contact)
    yield "directive", directives, d.id, d.created_at, words
    own = addressees.join(directives, addressees.c.directive_id == d.id)
    yield "addressee", own, addressees.c.id, d.created_at, (addressees.c.name,)
    for noun, table, of in (("statement", statements, s), ("outreach", outreach, o)):
        yield noun, table, of.id, of.at, (of.number, of.reason, of.note)


def _texts(values: Any) -> Iterator[str]:
    """Yield each text in columns, of which some are lists or have texts by language."""
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from _texts(value.values())
        elif isinstance(value, list):
            yield from _texts(value)


def _papers(connection: Connection, phone: int) -> Iterator[WrittenPlace]:
    """Yield issued reports: their remarks stand in the papers alone."""
    f, i = report_files.c, issued_reports.c
    query = select(f.report_id, i.at, f.content).join(issued_reports, i.report_id == f.report_id)
    query = query.where(f.format == f"{ISSUED}docx").order_by(f.report_id)
    for row in connection.execute(query).yield_per(1):
        with zipfile.ZipFile(io.BytesIO(row.content)) as paper:
            if any(names(said, phone) for said in _paragraphs(paper.read(_WORDS_OF_PAPER).decode())):
                yield WrittenPlace(f"report/{row.report_id}", 1, row.at)


def _paragraphs(paper: str) -> Iterator[str]:
    """Yield the words of each paragraph, so that figures of two are not read as one number."""
    for each in paper.split(_END):
        yield _MARKUP.sub("", each)


def _accounts(connection: Connection, phone: int) -> Iterator[WrittenPlace]:
    """Yield keys and persons who are named by the number, and the acts that name them so."""
    a, called = audit.c, list[str]()
    for noun, table in (("key", api_keys), ("person", people)):
        for row in connection.execute(select(table.c.name, table.c.created_at).order_by(table.c.name)):
            if names(row.name, phone):
                called += (row.name, f"{noun}/{row.name}")
                yield WrittenPlace(f"{noun}/{mask_written(row.name)}", 1, row.created_at)
    if called:
        mine = or_(a.who.in_(called), a.subject.in_(called))
        n, first = connection.execute(select(func.count(), func.min(a.at)).where(mine)).one()
        if n:
            yield WrittenPlace("audit", n, first)
