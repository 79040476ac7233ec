"""The code on a report's last page: whoever holds the paper compares it with the figures that were frozen."""

from __future__ import annotations

import hashlib
import json
import secrets
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, select

from app.core import clock
from app.core.errors import NotFound
from app.database.models import frozen_reports
from app.reports.figures import labels
from app.reports.figures.carrier_statement import FigureSource, StatedCounts
from app.reports.figures.figures import FIGURES, MAIN
from app.reports.figures.version import PrintedCode
from app.reports.frozen import archive, freeze_record
from app.reports.frozen.archive import Frozen, ReportSubject, Spoilt, SubjectKind
from carriers.contract import ReceiptLevel

PATH = "/verify/reports"
LENGTH = 16  # characters of 5 bits: 80 bits, neither guessed nor found again for other figures
_GROUP = 4
_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: none that looks like another
_READ_AS = str.maketrans("OIL", "011")
# Names in reports of calls that played a recording, frozen before 0059.
_CALLED = {
    "sent": "placed_calls",
    "delivered": "answered_calls",
    "failed": "unanswered_calls",
    "no_receipt": "calls_of_unknown_outcome",
}


@dataclass(frozen=True, slots=True)
class FrozenTotals:
    """One carrier's part as frozen. figures: by key of FIGURES; None: receipts cannot prove that figure."""

    carrier: str
    source: FigureSource | None
    receipt_level: str | None
    figures: Mapping[str, int | None]
    spoken: bool = False  # these are calls, not messages
    handset_by: str | None = None  # who said that receipts prove the telephone; "": nobody


@dataclass(frozen=True, slots=True)
class NewerVersion:
    """The newest version. number: of its paper; None while it is not issued."""

    version: int
    cut_off_at: datetime
    number: str | None


@dataclass(frozen=True, slots=True)
class PrintedReport:
    """What a printed copy is compared with. number, dated_on: None while only the draft exists."""

    subject: SubjectKind
    directive: str | None
    version: int
    cut_off_at: datetime
    frozen_at: datetime
    interim: bool
    number: str | None
    dated_on: date | None
    sha256: str
    carriers: Sequence[FrozenTotals]
    newer: NewerVersion | None


def draw(subject: ReportSubject, version: int, cutoff_ms: int, sha256: str, place: str) -> PrintedCode:
    """Return a new code for a version whose figures have this SHA-256; place: see `public_place`."""
    salt = secrets.token_hex(16)
    return PrintedCode(_code(salt, subject, (version, cutoff_ms, sha256)), salt, sha256, place)


def public_place(hosts: Sequence[str]) -> str:
    """Return where everybody checks a code: the first public host's page; "" without a public host."""
    return f"https://{hosts[0]}{PATH}" if hosts else ""


def _code(salt: str, subject: ReportSubject, frozen: tuple[int, int, str]) -> str:
    said = json.dumps([salt, subject.kind.value, subject.id, *frozen])
    bits = int.from_bytes(hashlib.sha256(said.encode()).digest()[:10])
    return "".join(_LETTERS[bits >> 5 * place & 31] for place in reversed(range(LENGTH)))


def grouped(code: str) -> str:
    """Return the code as it is printed: 7K3M-9Q2D-XW4T-0B5H."""
    return "-".join(code[at : at + _GROUP] for at in range(0, len(code), _GROUP))


def typed(text: str) -> str:
    """Return the letters of a code however it was typed: small, wide, in groups, with O for 0 or I for 1."""
    plain = unicodedata.normalize("NFKC", text[:100]).upper().translate(_READ_AS)
    return "".join(char for char in plain if char.isalnum())


def look(connection: Connection, text: str) -> PrintedReport:
    """Return the report of a code; raises NotFound, and Spoilt where its figures are not the frozen ones.

    The code itself was made of the figures' hash: whoever alters both in the database can't keep it. Whoever
    writes a whole report there, with a code of its own, lacks the sealed act of the audit.
    """
    code = typed(text)
    r = frozen_reports.c
    if len(code) != LENGTH:
        raise _no_code()
    row = connection.execute(select(r.id, r.code_salt).where(r.code == code)).first()
    if row is None:
        raise _no_code()
    report = archive.get(connection, row.id)
    subject, cutoff_ms = ReportSubject(report.subject, report.subject_id), clock.to_ms(report.cut_off_at)
    made = _code(row.code_salt, subject, (report.version, cutoff_ms, report.sha256))
    if made != code or not freeze_record.is_frozen(connection, report):
        raise Spoilt(
            "The figures behind this code differ from what was frozen, so they are not shown. The "
            "database was altered. Compare it with a backup."
        )
    return _shown(
        report, json.loads(archive.figures(connection, report)), archive.newest(connection, subject)
    )


def _no_code() -> NotFound:
    return NotFound(
        "No report has this code. Enter it exactly as on the last page of the document. If it is "
        "the same, the document was not issued by Loa.",
        field="code",
    )


def _shown(report: Frozen, figures: Mapping[str, Any], newest: Frozen | None) -> PrintedReport:
    later = newest if newest and newest.version > report.version else None
    return PrintedReport(
        subject=report.subject,
        directive=figures.get("directive"),
        version=report.version,
        cut_off_at=report.cut_off_at,
        frozen_at=report.created_at,
        interim=report.interim,
        number=report.issued.number if report.issued else None,
        dated_on=report.issued.dated_on if report.issued else None,
        sha256=report.sha256,
        carriers=tuple(totals(report.subject, figures)),
        newer=NewerVersion(later.version, later.cut_off_at, later.issued.number if later.issued else None)
        if later
        else None,
    )


def totals(kind: SubjectKind, figures: Mapping[str, Any]) -> Iterator[FrozenTotals]:
    """Yield each run's totals from the frozen JSON of a report."""
    if kind is SubjectKind.RUN:
        level, general = figures.get("receipt_level"), figures["general"]
        whose = FigureSource(figures["source"])
        if figures.get("channel") == "call":
            yield replace(_totals(figures["carrier"], whose, level, _called(general)), spoken=True)
        else:
            found = _totals(figures["carrier"], whose, level, _named(general))
            yield replace(found, handset_by=figures.get("handset_proved_by"))
        return
    for line in figures["runs"]:
        source, by = FigureSource(line["source"]) if line["source"] else None, None
        if source is FigureSource.MEASURED:
            measured = line["measured"]
            level, counts = measured["receipt_level"], _named(measured["general"])
            by = measured.get("handset_proved_by")
        elif source is None:
            level, counts = None, {}
        else:
            level = line["stated"]["level"]
            counts = StatedCounts(**line["stated"]["general"]).by_figure(ReceiptLevel[level.upper()])
        yield replace(_totals(line["carrier"], source, level, counts), handset_by=by)


def _named(general: Mapping[str, Any]) -> dict[str, Any]:
    return {key: general.get(FIGURES[key].name) for key in MAIN}


def _called(general: Mapping[str, Any]) -> dict[str, Any]:
    return {key: general.get(_CALLED.get(key, FIGURES[key].name)) for key in MAIN}


def _totals(
    carrier: str, source: FigureSource | None, level: str | None, counts: Mapping[str, Any]
) -> FrozenTotals:
    return FrozenTotals(labels.network(carrier), source, level, {key: counts.get(key) for key in MAIN})
