"""Checks of erased campaigns: no rows left, totals unaltered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, func, select

from app.core import clock
from app.core.states import SENT
from app.database.models import (
    campaigns,
    chunks,
    deliveries,
    erasures,
    frozen_reports,
    receipts,
    runs,
    snapshots,
    submissions,
    tallies,
    unknowns,
)
from app.ledger import erasure
from app.reports.counting.snapshots import SnapshotCause, intact
from app.reports.figures import tally
from app.reports.frozen.archive import Frozen, SubjectKind
from carriers.phrases import Phrase

_GONE = (deliveries, submissions, receipts, chunks, unknowns)


def erasure_notices(connection: Connection, campaign_ids: Sequence[int]) -> tuple[str, ...]:
    """Return a sentence for each of these campaigns whose rows are, or are being, erased."""
    return tuple(_notices(connection, campaign_ids))


def _notices(connection: Connection, campaign_ids: Sequence[int]) -> Iterator[str]:
    for number in campaign_ids:
        row = erasure.of_campaign(connection, number)
        if row is not None and row.ended_at is None:
            yield Phrase(
                "Campaign {campaign}: its rows are being erased (certificate {certificate}), so "
                "they were not recounted.",
                campaign=number,
                certificate=row.id,
            )
        elif row is not None:
            yield (
                Phrase(
                    "Campaign {campaign}: {n} deliveries were erased on {day} (certificate "
                    "{certificate}). Its totals come from the certificate.",
                    campaign=number,
                    n=row.counts.get("deliveries", 0),
                    day=_day(row.ended_at),
                    certificate=row.id,
                )
            )
        if totals := erasure.of_totals(connection, number):
            yield Phrase(
                "Campaign {campaign}: its totals have been erased too (certificate {certificate}).",
                campaign=number,
                certificate=totals.id,
            )


def differences(connection: Connection, row: Row[Any]) -> Iterator[str]:
    """Yield differences of an erased campaign; `row`: of `erasures`. Nothing during erasure."""
    if row.ended_at is None:
        return
    campaign_id = row.subject_id
    for table in _GONE:
        query = select(func.count()).select_from(table).where(table.c.campaign_id == campaign_id)
        if n := connection.execute(query).scalar_one():
            yield Phrase(
                "Campaign {campaign} was erased, but {n} rows of {table} remain.",
                campaign=campaign_id,
                n=n,
                table=table.name,
            )
    totals = erasure.of_totals(connection, campaign_id)
    if totals is None:
        yield from _unlike(connection, row)
    elif totals.ended_at is not None:
        yield from _still_there(connection, campaign_id)
        yield from _noted_otherwise(connection, row)


def _unlike(connection: Connection, row: Row[Any]) -> Iterator[str]:
    """Compare totals and kept reports with the certificate."""
    campaign_id = row.subject_id
    if tally.totals(connection, campaign_id) != row.totals:
        yield Phrase(
            "Campaign {campaign}: its tallies differ from the totals in certificate {certificate}.",
            campaign=campaign_id,
            certificate=row.id,
        )
    for run_id in connection.execute(select(runs.c.id).where(runs.c.campaign_id == campaign_id)).scalars():
        if not intact(connection, run_id, row.kept.get(str(run_id))):
            yield Phrase("Run {run}: its stored report is missing or was altered.", run=run_id)


def _still_there(connection: Connection, campaign_id: int) -> Iterator[str]:
    own = select(runs.c.id).where(runs.c.campaign_id == campaign_id)
    run = and_(snapshots.c.kind == "run", snapshots.c.subject_id.in_(own))
    for table, rows in ((tallies, tallies.c.run_id.in_(own)), (snapshots, run)):
        query = select(func.count()).select_from(table).where(rows)
        if n := connection.execute(query).scalar_one():
            yield Phrase(
                "The totals of campaign {campaign} were erased, but {n} rows of {table} remain.",
                campaign=campaign_id,
                n=n,
                table=table.name,
            )


def _noted_otherwise(connection: Connection, row: Row[Any]) -> Iterator[str]:
    """Compare what the runs note with the certificate of the numbers: whether anything was sent at all."""
    sent = any(state in SENT and n > 0 for state, _, n, _ in row.totals)
    noted = select(runs.c.id).where(runs.c.campaign_id == row.subject_id, runs.c.any_sent).limit(1)
    if sent != (connection.execute(noted).first() is not None):
        yield (
            Phrase(
                "Campaign {campaign}: what its runs record as sent differs from certificate "
                "{certificate}, so the public check may give wrong answers about its text. Compare "
                "the database with a backup.",
                campaign=row.subject_id,
                certificate=row.id,
            )
        )


def of_report(connection: Connection, report: Frozen) -> str | None:
    """Say why a frozen report cannot be rebuilt (rows erased, figures left out); None if it can."""
    if certificate := _totals_of(connection, report):
        return Phrase(
            "Report {report}: its underlying totals have been erased (certificate {certificate}), "
            "so only the file's bytes were compared with what was frozen.",
            report=report.id,
            certificate=certificate,
        )
    if _left_out(connection, report):
        return Phrase(
            "Report {id}: it contains figures that Loa no longer counts, so only the file's bytes "
            "were compared with what was frozen.",
            id=report.id,
        )
    s, c = snapshots.c, campaigns.c
    query = select(func.max(s.cutoff_at)).join(runs, runs.c.id == s.subject_id)
    query = query.where(s.kind == "run", s.cause == SnapshotCause.ERASURE)
    if report.subject is SubjectKind.RUN:
        query = query.where(s.subject_id == report.subject_id)
    else:
        query = query.join(campaigns, c.id == runs.c.campaign_id).where(c.directive_id == report.subject_id)
    at: int | None = connection.execute(query).scalar()
    if at is None or clock.to_ms(report.cut_off_at) >= at:
        return None
    return Phrase(
        "Report {report}: its underlying rows were erased by {day}, so only the file's bytes were "
        "compared with what was frozen.",
        report=report.id,
        day=_day(at),
    )


# Calls that played a recording, and pages that were read again; in strings of JSON, quotes have a backslash.
_LEFT_OUT = ('"channel": "call"', '"announcements": [', '"published": [')


def _left_out(connection: Connection, report: Frozen) -> bool:
    """Return whether the report was frozen with figures that this version has left out."""
    kept = connection.execute(select(frozen_reports.c.figures).where(frozen_reports.c.id == report.id))
    figures: str = kept.scalar_one()
    return any(part in figures for part in _LEFT_OUT)


def _totals_of(connection: Connection, report: Frozen) -> int | None:
    c, e = campaigns.c, erasures.c
    if report.subject is SubjectKind.RUN:
        own = select(runs.c.campaign_id).where(runs.c.id == report.subject_id)
    else:
        own = select(c.id).where(c.directive_id == report.subject_id)
    query = select(func.min(e.id)).where(e.kind == "totals", e.subject_id.in_(own))
    found: int | None = connection.execute(query).scalar()
    return found


def _day(ms: int) -> str:
    return f"{clock.moment(ms):%d/%m/%Y}"
