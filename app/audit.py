"""The record of what people did: rows that are only added, each chained to the one before by its hash."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Text, cast, insert, select

from app import clock, digests
from app.db import one_at_a_time
from app.errors import Conflict, Invalid
from app.models import audit, erasures

START = "0" * 64
_PIECE = 1000
_SAID = ("id", "at", "who", "origin", "action", "subject")
_CHAIN = 4917  # the advisory lock of whoever adds a link

# Where the person is: the address of the caller, or the host of the command line.
origin: ContextVar[str] = ContextVar("origin", default="")


@dataclass(frozen=True, slots=True)
class Act:
    """One row; `hash` is over everything else in it and the hash of the row before."""

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
    """What a verification found: so many rows, the last one's hash, and a sentence for the first fault.

    erased: how many of the rows, from the first, are gone by the rules of retention, by certificate.
    """

    rows: int
    head: str
    fault: str | None = None
    erased: int = 0
    certificate: int | None = None


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where the chain begins since its oldest rows were erased: the last of them, and by which certificate.

    sha256: of the certificate, None while it is being made.
    """

    row: int
    hash: str
    certificate: int | None = None
    sha256: str | None = None


def note(connection: Connection, who: str, action: str, subject: str, **detail: Any) -> None:
    """Write down one act, in the transaction of the act itself. No phone number belongs in `detail`.

    `before` and `after` in the detail are what a change found and what it left.
    """
    _add(connection, None, (who, action, subject), detail)


def go_over(connection: Connection, who: str, algorithm: str) -> None:
    """From the act that says so on, the chain and new approvals go by another algorithm; old rows stay."""
    if algorithm not in digests.ALGORITHMS:
        raise Invalid(f"There is no algorithm {algorithm}; there are: {', '.join(digests.ALGORITHMS)}.")
    now = present(connection)
    if digests.rank(algorithm) <= digests.rank(now):
        raise Conflict(f"The chain goes by {now} already, and never back to an older algorithm.")
    said = {"before": now, "after": algorithm}
    _add(connection, algorithm, (who, "audit.algorithm", "audit"), said)


def present(connection: Connection) -> str:
    """The algorithm by which the chain goes on: that of its last row."""
    last = connection.execute(select(audit.c.hash).order_by(audit.c.id.desc()).limit(1)).scalar()
    return digests.algorithm_of(last or START)


def head(connection: Connection) -> str:
    """The chain's end as ROWS:HASH, for keeping where nobody who can change the database can."""
    last = connection.execute(select(audit.c.id, audit.c.hash).order_by(audit.c.id.desc()).limit(1)).first()
    return f"{last.id}:{last.hash}" if last else f"0:{START}"


def _add(
    connection: Connection, algorithm: str | None, act: tuple[str, str, str], detail: dict[str, Any]
) -> None:
    """algorithm: that of the last row where it is None; act: who, action, subject."""
    one_at_a_time(connection, _CHAIN)
    last = connection.execute(select(audit.c.id, audit.c.hash).order_by(audit.c.id.desc()).limit(1)).first()
    number = last.id + 1 if last else 1
    who, action, subject = act
    said = (number, clock.now_ms(), who[:80], origin.get()[:120], action, subject)
    row = dict(zip(_SAID, said, strict=True)) | {"detail": detail}
    # The text of the detail is hashed as the column's own type writes it, so that every byte of it counts.
    before = last.hash if last else START
    digest = link(before, (*said, json.dumps(detail)), algorithm or digests.algorithm_of(before))
    connection.execute(insert(audit).values(row | {"hash": digest}))


def link(before: str, said: Sequence[int | str], algorithm: str = digests.FIRST) -> str:
    """The digest over the hash of the row before and this row, its detail as the text that is stored."""
    content = f"{before}\n{json.dumps(said, ensure_ascii=False)}"
    return digests.digest(content.encode(), algorithm)


def verify(connection: Connection) -> Chain:
    """Recompute the whole chain from where it begins; the first row that does not fit is named."""
    begin = anchor(connection)
    rows, head, certified = begin.row, begin.hash, begin.sha256 is None
    fault: str | None = None
    for row in _rows(connection, 0):
        if fault := _fault(rows, head, row):
            break
        rows, head = row.id, row.hash
        certified = certified or _names(row, begin)
    if fault is None and not certified:
        fault = f"No act names certificate {begin.certificate}, by which rows 1 to {begin.row} were erased."
    return Chain(rows, head, fault, begin.row, begin.certificate)


def anchor(connection: Connection) -> Anchor:
    """Where the chain begins: at START, or at the last row that retention has erased."""
    e = erasures.c
    cuts = select(e.id, e.anchor, e.sha256).where(e.kind == "audit", e.anchor.is_not(None))
    last = connection.execute(cuts.order_by(e.id.desc()).limit(1)).first()
    if last is None:
        return Anchor(0, START)
    row, _, digest = last.anchor.partition(":")
    return Anchor(int(row), digest, last.id, last.sha256)


def _fault(rows: int, head: str, row: Row[Any]) -> str | None:
    """Why this is not the row that follows; None where it is."""
    if row.id != rows + 1:
        return f"Row {rows + 1} is missing: the next one is {row.id}."
    algorithm = digests.algorithm_of(row.hash)
    if digests.rank(algorithm) < digests.rank(digests.algorithm_of(head)):
        return f"Row {row.id} goes back to {algorithm[:20]}, or was changed."
    if link(head, [*row[: len(_SAID)], row.stored], algorithm) != row.hash:
        return f"Row {row.id} ({row.action} by {row.who}) was changed, or the row before it."
    return None


def _names(row: Row[Any], begin: Anchor) -> bool:
    """The row is the act by which that certificate was made."""
    if row.action != "erasure":
        return False
    said = json.loads(row.stored)
    return (said.get("certificate"), said.get("sha256")) == (begin.certificate, begin.sha256)


def acts(connection: Connection, after: int, limit: int) -> list[Act]:
    """The rows after this id, in order."""
    query = select(audit).where(audit.c.id > after).order_by(audit.c.id).limit(limit)
    return [_act(row) for row in connection.execute(query)]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which acts are looked for: by whom; actions and subjects that begin like this. "" for any."""

    who: str = ""
    action: str = ""
    subject: str = ""


def newest(connection: Connection, before: int, limit: int, wanted: Wanted = Wanted()) -> list[Act]:
    """The rows below the id `before` (0: from the last), the newest first."""
    c = audit.c
    query = select(audit).where(c.id < before) if before else select(audit)
    query = query.where(c.who == wanted.who) if wanted.who else query
    for column, begin in ((c.action, wanted.action), (c.subject, wanted.subject)):
        query = query.where(column.startswith(begin, autoescape=True)) if begin else query
    return [_act(row) for row in connection.execute(query.order_by(c.id.desc()).limit(limit))]


def _act(row: Row[Any]) -> Act:
    at = clock.from_ms(row.at)
    return Act(row.id, at, row.who, row.origin, row.action, row.subject, row.detail, row.hash)


def _rows(connection: Connection, after: int) -> Iterator[Row[Any]]:
    while True:
        stored = cast(audit.c.detail, Text).label("stored")
        query = select(*(audit.c[name] for name in _SAID), stored, audit.c.hash).where(audit.c.id > after)
        query = query.order_by(audit.c.id).limit(_PIECE)
        piece: Sequence[Any] = connection.execute(query).all()
        yield from piece
        if len(piece) < _PIECE:
            return
        after = piece[-1].id
