"""Keeps a run's measured report when its rows are erased, and serves it in place of a count."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from app.core import clock
from app.core.errors import Conflict
from app.database.models import kept_reports, runs
from app.ledger import erasure
from app.reports.figures.figures import (
    AreaRow,
    CarrierReport,
    Cause,
    Charged,
    DayRow,
    Extra,
    Figures,
    Header,
    NamedArea,
    TimeStep,
)
from app.reports.frozen.archive import Spoilt


def keep(connection: Connection, report: CarrierReport) -> str:
    """Store the report for good and return its SHA-256; a report that is stored already stays."""
    run_id = report.header.run_id
    found = connection.execute(select(kept_reports.c.sha256).where(kept_reports.c.run_id == run_id)).scalar()
    if found is not None:
        return str(found)
    text = json.dumps(asdict(report), ensure_ascii=False)
    row = {"run_id": run_id, "cutoff_at": report.cutoff_ms, "figures": text, "sha256": _hash(text)}
    connection.execute(insert(kept_reports).values(row))
    return str(row["sha256"])


def of_run(connection: Connection, run_id: int, cutoff_ms: int) -> CarrierReport | None:
    """Return the report of a run whose rows are erased, None for any other.

    Raises Conflict for a cut-off before the erasure, which cannot be reconstructed, and once the totals are
    erased too.
    """
    campaign_id = connection.execute(select(runs.c.campaign_id).where(runs.c.id == run_id)).scalar()
    if campaign_id is not None:
        erasure.require_totals(connection, campaign_id)
    row = connection.execute(select(kept_reports).where(kept_reports.c.run_id == run_id)).first()
    if row is None:
        return None
    if cutoff_ms < row.cutoff_at:
        raise Conflict(
            f"The rows of run {run_id} are erased, so its report can't be built for a moment before "
            f"{clock.local(clock.from_ms(row.cutoff_at)):%d/%m/%Y %H:%M:%S}. Reports that were frozen before "
            "are as they were.",
            field="cut_off_at",
        )
    report = _read(row)
    return replace(report, header=replace(report.header, cutoff_ms=cutoff_ms))


def intact(connection: Connection, run_id: int, sha256: str | None = None) -> bool:
    """Return whether the run's kept report exists and is unaltered; with `sha256`, that it has this hash."""
    query = select(kept_reports.c.figures, kept_reports.c.sha256).where(kept_reports.c.run_id == run_id)
    row = connection.execute(query).first()
    return row is not None and _hash(row.figures) == row.sha256 and sha256 in (None, row.sha256)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _read(row: Row[Any]) -> CarrierReport:
    if _hash(row.figures) != row.sha256:
        raise Spoilt(
            f"The kept report of run {row.run_id} is not what was kept, so it is not given out. Somebody has "
            "altered the database: compare it with a backup."
        )
    said = json.loads(row.figures)
    head = said["header"]
    several = {"excluded": Cause, "days": DayRow, "reasons": Cause, "steps": TimeStep, "networks": Cause}
    lists = {name: tuple(kind(**each) for each in said[name]) for name, kind in several.items()}
    return CarrierReport(
        header=Header(**head | {"batches": tuple(head["batches"])}),
        general=Figures(**said["general"]),
        extra=Extra(**said["extra"]),
        areas=_areas(said["areas"]),
        places=_areas(said["places"]),
        outside_areas=said["outside_areas"],
        empty=tuple(NamedArea(**each) for each in said.get("empty", ())),  # older snapshots lack these two
        cost=Charged(**cost) if (cost := said.get("cost")) else None,
        **lists,
    )


def _areas(rows: Iterable[dict[str, Any]]) -> tuple[AreaRow, ...]:
    return tuple(AreaRow(row["code"], row["name"], Figures(**row["figures"])) for row in rows)
