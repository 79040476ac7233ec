"""What was found at published addresses, as of any moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, or_, select

from app.core import clock
from app.database.models import publication_findings, publications


class PublicationState(StrEnum):
    """What stands at an address."""

    WAITING = "waiting"  # not read yet
    PUBLISHED = "published"
    CHANGED = "changed"
    GONE = "gone"  # 404, 410, or the text is not there


STATES: dict[PublicationState, str] = {
    PublicationState.WAITING: "Chưa đọc",
    PublicationState.PUBLISHED: "Đã đăng đúng",
    PublicationState.CHANGED: "Đã bị thay đổi",
    PublicationState.GONE: "Không còn",
}


@dataclass(frozen=True, slots=True)
class PublishedDifference:
    """Words of the approved text, and what stands in their place; "" for nothing. Numbers are masked."""

    approved: str
    found: str


@dataclass(frozen=True, slots=True)
class Publication:
    """An address, and what was found there last; since: when that was first found.

    failing_since, failure: since when, and why, it can't be read; state is then what was found before.
    read_on: whether it is still read again.
    """

    id: int
    directive_id: int
    campaign_id: int
    addressee: str
    url: str
    reported_at: datetime
    state: PublicationState
    since: datetime | None
    differences: tuple[PublishedDifference, ...]
    read_at: datetime | None
    sha256: str | None
    failing_since: datetime | None
    failure: str | None
    read_on: bool


def of_directive(connection: Connection, directive_id: int, until_ms: int | None = None) -> list[Publication]:
    """Return what was reported up to `until_ms`, with what was found by then."""
    p = publications.c
    query = select(publications).where(p.directive_id == directive_id).order_by(p.id)
    if until_ms is None:
        query = query.where(p.withdrawn_at.is_(None))
    else:
        query = query.where(p.reported_at <= until_ms)
        query = query.where(or_(p.withdrawn_at.is_(None), p.withdrawn_at > until_ms))
    rows = connection.execute(query).all()
    found = _found(connection, [row.id for row in rows], until_ms)
    return [_publication(row, found.get(row.id)) for row in rows]


def get(connection: Connection, publication_id: int) -> Publication:
    """Return one that there is."""
    row = connection.execute(select(publications).where(publications.c.id == publication_id)).one()
    return _publication(row, _found(connection, [row.id]).get(row.id))


def _found(connection: Connection, ids: Sequence[int], until_ms: int | None = None) -> dict[int, Row[Any]]:
    f = publication_findings.c
    query = select(publication_findings).where(f.publication_id.in_(ids)).order_by(f.id)
    query = query if until_ms is None else query.where(f.at <= until_ms)
    return {row.publication_id: row for row in connection.execute(query)}


def _publication(row: Row[Any], last: Row[Any] | None) -> Publication:
    return Publication(
        id=row.id,
        directive_id=row.directive_id,
        campaign_id=row.campaign_id,
        addressee=row.addressee,
        url=row.url,
        reported_at=clock.local(clock.from_ms(row.reported_at)),
        state=PublicationState(last.state) if last else PublicationState.WAITING,
        since=_time(last.at) if last else None,
        differences=tuple(PublishedDifference(**each) for each in last.differences) if last else (),
        read_at=_time(row.read_at),
        sha256=row.sha256,
        failing_since=_time(row.failing_since),
        failure=row.failure,
        read_on=row.due_at is not None,
    )


def _time(ms: int | None) -> datetime | None:
    return None if ms is None else clock.local(clock.from_ms(ms))
