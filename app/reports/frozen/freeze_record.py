"""What a frozen report was when it was frozen: a digest of all but its figures' text, kept in the audit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, func, select

from app.core import clock
from app.database.connection import keys_of, shared_ms
from app.database.models import audit
from app.reports.frozen import archive
from app.reports.frozen.archive import ArchivedFile, Frozen, Spoilt
from app.security import audit_chain
from carriers.phrases import Phrase

FROZEN, ISSUE = "report.freeze", "report.issue"
_AT_ONCE = 100
ISSUED = "issued-"  # before the format of a paper with number, day and signer, which come later


def detail(report: Frozen) -> dict[str, Any]:
    """Return what the audit keeps of a report: its version, the digest of its figures and of the rest."""
    return {"version": report.version, "sha256": report.sha256, "record": _digest(report)}


def issue_detail(report: Frozen) -> dict[str, Any]:
    """Return what the audit keeps of an issued report: the digests of its final PDF and of all its papers."""
    files = sorted((each.format, each.sha256) for each in report.files if each.format.startswith(ISSUED))
    pdf = next((sha256 for form, sha256 in files if form == f"{ISSUED}pdf"), "")
    return {"sha256": pdf, "record": hashlib.sha256(json.dumps(files).encode()).hexdigest()}


def altered(connection: Connection, report: Frozen) -> str | None:
    """Return a sentence if the report is not what the audit says was frozen and issued.

    None also where the audit's acts of that time are erased, as they are after some years.
    """
    if not _is_on_record(connection, report, FROZEN, detail(report)):
        return Phrase(
            "The details of report {report} (version, cut-off, carrier, changes, list of files) "
            "differ from what was frozen. The database was altered. Compare it with a backup.",
            report=report.id,
        )
    has_papers = any(each.format.startswith(ISSUED) for each in report.files)
    if (report.issued or has_papers) and not _is_on_record(
        connection, report, ISSUE, issue_detail(report), newest=True
    ):
        return Phrase(
            "The final documents of report {id} differ from those that were issued. The database "
            "was altered. Compare it with a backup.",
            id=report.id,
        )
    return None


def _is_on_record(
    connection: Connection, report: Frozen, action: str, now: dict[str, Any], newest: bool = False
) -> bool:
    """Return whether the audit's act has these digests, under a seal; earlier acts have some of them."""
    a = audit.c
    query = select(*audit_chain.ACT).where(a.subject == f"report/{report.id}", a.action == action)
    act = connection.execute(query.order_by(a.id.desc() if newest else a.id).limit(1)).first()
    if act is None:
        oldest = connection.execute(select(func.min(a.id))).scalar()
        return oldest != 1 or not keys_of(connection)
    kept = json.loads(act.stored)
    same = all(now[key] == kept[key] for key in now if key in kept)
    return same and audit_chain.is_sealed_for_its_time(connection, act)


def content(connection: Connection, report: Frozen, form: str) -> tuple[ArchivedFile, bytes]:
    """Return one file of a report that is what was frozen; raises NotFound, and Spoilt if it is not."""
    if why := altered(connection, report):
        raise Spoilt(why)
    return archive.content(connection, report, form)


def spoilt(connection: Connection, report: Frozen) -> Iterator[str]:
    """Yield what is no longer as it was frozen: figures, files, or what stands beside them."""
    for file in report.files:
        try:
            archive.content(connection, report, file.format)
        except Spoilt as error:
            yield error.detail
    try:
        archive.figures(connection, report)
    except Spoilt as error:
        yield error.detail
    if why := altered(connection, report):
        yield why


def all_spoilt(connection: Connection) -> list[str]:
    """Return that of every report."""
    found, after = [], 0
    while reports := archive.listed(connection, after, _AT_ONCE).items:
        found += [sentence for each in reports for sentence in spoilt(connection, each)]
        after = reports[-1].id
    return found


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
