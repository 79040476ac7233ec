"""What a frozen report was when it was frozen: a digest of all but its figures' text, kept in the audit."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, func, select

from app.core import clock
from app.database.connection import shared_ms
from app.database.models import audit
from app.reports.frozen.archive import Frozen
from app.security import audit_chain

FROZEN = "report.freeze"
ISSUED = "issued-"  # before the format of a paper with number, day and signer, which come later


def detail(report: Frozen) -> dict[str, Any]:
    """Return what the audit keeps of a report: its version, the digest of its figures and of the rest."""
    return {"version": report.version, "sha256": report.sha256, "record": _digest(report)}


def altered(connection: Connection, report: Frozen) -> str | None:
    """Return a sentence if the report is not what the audit says was frozen; None also where it is erased."""
    a = audit.c
    query = select(a.detail).where(a.subject == f"report/{report.id}", a.action == FROZEN).order_by(a.id)
    kept = connection.execute(query.limit(1)).scalar()
    if kept is None:
        return None
    now = detail(report)
    if all(now[key] == kept[key] for key in now if key in kept):  # earlier ones have no "record"
        return None
    return (
        f"What stands beside the figures of report {report.id} (version, cut-off, carrier, changes, list of "
        "files) is not what was frozen. Somebody has altered the database: compare it with a backup."
    )


def set_back_since(connection: Connection, report: Frozen) -> bool:
    """Return whether the clock has shown a time before the report's cut-off after it was frozen."""
    a, cut_off = audit.c, clock.to_ms(report.cut_off_at)
    if shared_ms(connection) < cut_off:
        return True
    here = select(func.min(a.id)).where(a.subject == f"report/{report.id}", a.action == FROZEN)
    later = select(a.id).where(a.id > here.scalar_subquery(), a.at < cut_off)
    return connection.execute(later.limit(1)).first() is not None


def is_frozen(connection: Connection, report: Frozen) -> bool:
    """Return whether the audit has that these figures were frozen as this version."""
    said = {"version": report.version, "sha256": report.sha256}
    place = (f"report/{report.id}", FROZEN)
    return audit_chain.is_on_record(connection, place, said, clock.to_ms(report.created_at))


def _digest(report: Frozen) -> str:
    files = sorted((each.format, each.sha256) for each in report.files if not each.format.startswith(ISSUED))
    row = {
        "subject": f"{report.subject}/{report.subject_id}",
        "carrier": report.carrier,
        "version": report.version,
        "cut_off": clock.to_ms(report.cut_off_at),
        "interim": report.interim,
        "figures": report.sha256,
        "changes": [asdict(each) for each in report.changes],
        "files": files,
    }
    return hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()
