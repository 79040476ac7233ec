"""What a frozen report was when it was frozen: a digest of all but its figures' text, kept in the audit."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, select

from app.core import clock
from app.database.models import audit
from app.reports.archive import Frozen
from app.security.audit_chain import ACT, is_sealed

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


def is_witnessed(connection: Connection, report: Frozen) -> bool:
    """Return whether the audit has that these figures were frozen as this version, as the key sealed it.

    An act from before there was a key has no seal, nor has any before it; the audit's oldest acts are erased.
    """
    a = audit.c
    query = select(*ACT).where(a.subject == f"report/{report.id}", a.action == FROZEN).order_by(a.id)
    act = connection.execute(query.limit(1)).first()
    if act is None:
        oldest = connection.execute(select(a.id, a.at).order_by(a.id).limit(1)).first()
        return oldest is not None and oldest.id > 1 and clock.to_ms(report.created_at) <= oldest.at
    said = json.loads(act.stored)
    if (said.get("version"), said.get("sha256")) != (report.version, report.sha256):
        return False
    sealed_before = select(a.id).where(a.id < act.id, a.seal.is_not(None)).limit(1)
    if act.seal is None and connection.execute(sealed_before).first() is None:
        return True
    return is_sealed(connection, act)


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
