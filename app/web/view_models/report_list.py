"""The list of reports: campaigns with their runs, newest first, and what is frozen of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from app.database.listing import ListColumns, ListPart, ListRequest, part, without_marks
from app.database.models import audiences, campaigns, directives, frozen_reports, run_batches, runs
from app.security.tenant_scope import own_campaigns
from app.web import stages

ORDERS = {"name": without_marks(campaigns.c.name), "made": campaigns.c.id}


@dataclass(frozen=True, slots=True)
class ReportedRun:
    """stage: of stages.py; held: its carrier sends itself; version: the last frozen one, 0 for none."""

    id: int
    carrier: str
    stage: str
    held: bool
    version: int


@dataclass(frozen=True, slots=True)
class Reported:
    """A campaign with runs; directive_id and number: of its directive, if any."""

    id: int
    name: str
    directive_id: int | None
    number: str | None
    runs: tuple[ReportedRun, ...]


def listed(
    connection: Connection, request: ListRequest, limit: int, carrier: str | None = None
) -> ListPart[Reported]:
    """Return campaigns with runs; carrier: its runs only."""
    c, d = campaigns.c, directives.c
    query = select(c.id, c.name, c.directive_id, d.number).outerjoin_from(campaigns, directives)
    query = query.where(select(runs.c.id).where(runs.c.campaign_id == c.id).exists())
    query = query.where(own_campaigns(carrier)) if carrier else query
    columns = ListColumns(c.id, c.created_at, names=[c.name], orders=ORDERS)
    found = part(connection, query, columns, request, limit)
    of = _runs(connection, [row.id for row in found.items], carrier)
    return found.of(lambda row: Reported(row.id, row.name, row.directive_id, row.number, tuple(of[row.id])))


def numbers(connection: Connection, kind: str, ids: Sequence[int]) -> dict[int, str]:
    """Return the number of the directive of these directives or runs, by their id."""
    d = directives.c
    if kind == "directive":
        query = select(d.id, d.number).where(d.id.in_(ids))
    else:
        query = (
            select(runs.c.id, d.number).join_from(runs, campaigns).join(directives).where(runs.c.id.in_(ids))
        )
    return {row[0]: row[1] for row in connection.execute(query)}


def messages(connection: Connection, kind: str, number: int) -> int:
    """Estimate how many messages a report of this run, campaign or directive must read."""
    b = run_batches.c
    query = select(func.coalesce(func.sum(b.fanned_upto), 0))
    if kind == "directive":
        own = select(campaigns.c.id).where(campaigns.c.directive_id == number)
        return int(connection.scalar(query.where(b.campaign_id.in_(own))) or 0)
    column = b.run_id if kind == "run" else b.campaign_id
    return int(connection.scalar(query.where(column == number)) or 0)


def _runs(connection: Connection, ids: Sequence[int], carrier: str | None) -> dict[int, list[ReportedRun]]:
    r, f = runs.c, frozen_reports.c
    versions = select(f.subject_id, func.max(f.version).label("version")).where(f.kind == "run")
    last = versions.group_by(f.subject_id).subquery()
    stage = stages.columns(connection, carrier).run().label("stage")
    query = select(r.campaign_id, r.id, r.carrier, stage, audiences.c.run_id, last.c.version)
    query = query.join_from(runs, campaigns).outerjoin(audiences, audiences.c.run_id == r.id)
    query = query.outerjoin(last, last.c.subject_id == r.id).where(r.campaign_id.in_(ids)).order_by(r.id)
    query = query.where(r.carrier == carrier) if carrier else query
    found: dict[int, list[ReportedRun]] = {each: [] for each in ids}
    for row in connection.execute(query):
        held = row.run_id is not None
        found[row.campaign_id].append(ReportedRun(row.id, row.carrier, row.stage, held, row.version or 0))
    return found
