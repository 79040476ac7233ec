"""Proves frozen reports: bytes unchanged, and the ledger still gives the same figures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from app.core import clock
from app.core.errors import Conflict, NotFound
from app.core.states import RunState
from app.database.connection import Database
from app.reports.counting import carrier_report, differences, scope, snapshots
from app.reports.counting.consolidated import ConsolidationTerms
from app.reports.counting.snapshots import Unkept
from app.reports.export import json_file
from app.reports.export.formats import document
from app.reports.figures.carrier_statement import FigureSource
from app.reports.figures.figures import Unbalanced
from app.reports.figures.version import FigureChange
from app.reports.frozen import archive, freeze_record
from app.reports.frozen.archive import Frozen, ReportSubject
from app.reports.release import freeze
from app.reports.verification import erasure_checks, snapshot_recount
from carriers.phrases import Phrase

# Rows that only Loa writes, and that it can't read: no words of Python for people.
_ALTERED = (
    "one of its rows contains something that Loa does not write. The database was altered. Compare "
    "it with a backup."
)


@dataclass(frozen=True, slots=True)
class Proof:
    """Findings on one report: no sentences mean that it is as frozen.

    note: why only its bytes could be checked (rows erased), or that only labels have changed.
    """

    report_id: int
    sentences: tuple[str, ...]
    note: str | None = None

    @property
    def sound(self) -> bool:
        return not self.sentences


def prove(db: Database, report: Frozen) -> Proof:
    """Check the hashes of figures and files, and rebuild the report from the ledger for its cut-off."""
    return db.read(prove_built, report)[0]


def prove_built(connection: Connection, report: Frozen) -> tuple[Proof, freeze.Built | None]:
    """Return the proof, and the report as it was built again for it, where it can be."""
    spoilt = tuple(freeze_record.spoilt(connection, report))
    gone = erasure_checks.of_report(connection, report)
    if gone or spoilt:
        return Proof(report.id, spoilt, gone), None
    return _rebuilt(connection, report)


def _rebuilt(connection: Connection, report: Frozen) -> tuple[Proof, freeze.Built | None]:
    kept = archive.figures(connection, report)
    try:
        built = rebuilt(connection, report)
        again = document(built)
    except Unkept:
        moved = Phrase(
            "Report {report}: data has changed since the cut-off and there is no snapshot, so only "
            "the file's bytes and unchanged data were compared with what was frozen.",
            report=report.id,
        )
        return Proof(report.id, tuple(_recounted(connection, report, json.loads(kept))), moved), None
    except (Conflict, NotFound, Unbalanced) as error:
        return Proof(
            report.id,
            (Phrase("Report {report} cannot be created again: {why}", report=report.id, why=error.detail),),
        ), None
    except (ValueError, LookupError, TypeError):
        return Proof(
            report.id,
            (Phrase("Report {report} cannot be created again: {why}", report=report.id, why=_ALTERED),),
        ), None
    said = json.loads(kept)
    again = json_file.as_kept(again, said)
    alike = json_file.render(again).decode() == kept
    differing = () if alike else tuple(_differing(report, differences.differences(said, again)))
    differing = tuple(dict.fromkeys((*differing, *_recounted(connection, report, said))))
    if differing and freeze_record.set_back_since(connection, report):
        at = clock.local(report.cut_off_at)
        ahead = Phrase(
            "Report {report}: the clock was set back after the report was frozen. Data recorded "
            "since then has times before the cut-off, which may explain the differences; if no "
            "data was recorded, the database was altered. The report cannot be issued. Freeze a "
            "new version after {at}.",
            report=report.id,
            at=f"{at:%d/%m/%Y %H:%M:%S}",
        )
        differing = (ahead, *differing)
    beside = Phrase(
        "Report {report}: the figures are the same, but the words beside them have changed.",
        report=report.id,
    )
    return Proof(report.id, differing, None if differing or alike else beside), built


def _recounted(connection: Connection, report: Frozen, stored: dict[str, Any]) -> Iterator[str]:
    """Compare the measured figures with the rows, as far as these stand as they did."""
    cutoff_ms = clock.to_ms(report.cut_off_at)
    for run in (stored, *(line["measured"] for line in stored.get("runs", ()))):
        if run.get("source") != FigureSource.MEASURED or run["run_state"] == RunState.PLANNED:
            continue
        if snapshots.is_erased(connection, run["run_id"]):
            continue
        try:
            seen_ms = snapshots.last_seen(connection, scope.of_run(connection, run["run_id"]), cutoff_ms)
            again = carrier_report.count(connection, run["run_id"], cutoff_ms, seen_ms)
        except Unkept:
            for sentence in snapshot_recount.of_document(connection, run, cutoff_ms, seen_ms):
                yield Phrase("Report {report}: {what}", report=report.id, what=sentence)
            continue
        except (Conflict, NotFound, Unbalanced) as error:
            yield Phrase("Report {report} cannot be created again: {why}", report=report.id, why=error.detail)
            continue
        except (ValueError, LookupError, TypeError):
            yield Phrase("Report {report} cannot be created again: {why}", report=report.id, why=_ALTERED)
            continue
        counted = json_file.as_kept(document(freeze.as_frozen(again, run)), run)
        yield from _differing(report, differences.differences(run, counted))


def rebuilt(connection: Connection, report: Frozen) -> freeze.Built:
    """Build the report again from the ledger for its cut-off, by the rules of its day."""
    subject = ReportSubject(report.subject, report.subject_id)
    kept = json.loads(archive.figures(connection, report))
    terms = ConsolidationTerms(int(kept.get("rules", 1)), clock.to_ms(report.created_at))
    built = freeze.build(connection, subject, clock.to_ms(report.cut_off_at), terms)
    return freeze.as_frozen(built, kept)


def _differing(report: Frozen, changes: Sequence[FigureChange]) -> Iterator[str]:
    """Yield changed counts; one that is merely no longer provable, and was 0, is no difference."""
    for each in changes:
        if each.difference:
            yield Phrase(
                "Report {report}: {where} was {before} and is now {after}.",
                report=report.id,
                where=each.where,
                before=each.before,
                after=each.after,
            )
